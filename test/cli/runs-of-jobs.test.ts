/** `runs ...` for runs of jobs: the ledger decides what became of them, and the same key, lock and history are taken again. */
import { readdirSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, it } from "vitest";
import { batchpredict, type Finished, type Workdir, workdir } from "./batchpredict.ts";
import { type Caught, partialBytes, start, until } from "./in-the-middle.ts";
import { HEADER, RECORDS, writeFlowers } from "./iris.ts";
import { prepareJobs, writeJob } from "./job-files.ts";

let dir: Workdir;
let caught: Caught | null = null;
beforeEach(() => {
  dir = workdir();
  prepareJobs(dir);
});
afterEach(async () => {
  caught?.child.kill("SIGKILL");
  await caught?.ended;
  caught = null;
  dir.remove();
});

const DAILY = ['schedule: {daily: "02:30"}'];
const bp = (args: string[], env: Record<string, string> = {}): Promise<Finished> => batchpredict(args, { cwd: dir.path, env });
const list = async (...more: string[]) =>
  (await bp(["runs", "list", "--json", ...more])).json<{ run_id: string; state: string; run_key: string | null }[]>();

it("a killed one is interrupted, and goes on under its key when it is resumed", async () => {
  writeFlowers(dir, "data/flowers.csv", 20_000, (_row, record) => record);
  writeJob(dir, "daily", DAILY);
  const args = ["jobs", "run", "daily", "--date", "2026-10-01"];
  const env = { BATCHPREDICT_FAILPOINT: "commit-done:2", BATCHPREDICT_COMMIT_ROWS: "4000", BATCHPREDICT_CHUNK_BYTES: "65536" };
  expect((await bp(args, env)).signal).toBe("SIGKILL");
  const [dead] = await list("--job", "daily");
  expect(dead).toMatchObject({ state: "interrupted", run_key: "2026-10-01", resumable: true, process: null, trigger: "manual" });
  const resumed = await bp(["runs", "resume", dead!.run_id, "--json"], { BATCHPREDICT_CHUNK_BYTES: "65536" });
  expect(resumed.json()).toMatchObject({ status: "succeeded", rows: { read: 20_000 }, resumed_from_row: expect.any(Number) });
  expect(await list()).toMatchObject([{ run_id: dead!.run_id, state: "succeeded", run_key: "2026-10-01", attempt: 2 }]);
  expect(readdirSync(dir.file("out"))).toEqual(["daily-2026-10-01.csv"]);
});

it("a failed one is retried under its key; its log tells why it failed and is followed to its end", async () => {
  writeJob(dir, "daily", DAILY, { input: '{path: "../data/{{ date }}.csv"}' });
  expect((await bp(["jobs", "backfill", "daily", "--from", "2026-10-01", "--to", "2026-10-01"])).code).toBe(1);
  const [failed] = await list();
  expect(failed).toMatchObject({
    state: "failed",
    run_key: "2026-10-01",
    trigger: "backfill",
    error: { code: "BP_INPUT_NOT_FOUND" },
  });
  expect((await bp(["runs", "logs", failed!.run_id])).stdout).toContain("error BP_INPUT_NOT_FOUND");
  const followed = await bp(["runs", "logs", failed!.run_id, "-f"]);
  expect(followed).toMatchObject({ code: 0, stdout: expect.stringContaining("error BP_INPUT_NOT_FOUND") });
  writeFileSync(dir.file("data/2026-10-01.csv"), `${[HEADER, ...RECORDS].join("\n")}\n`);
  expect((await bp(["runs", "retry", failed!.run_id, "--quiet"])).code).toBe(0);
  const [again, before] = await list();
  expect(again).toMatchObject({ state: "succeeded", run_key: "2026-10-01", trigger: "retry" });
  expect(before).toMatchObject({ run_id: failed!.run_id, note: `done again by run ${again!.run_id}` });
  expect((await bp(["runs", "retry", failed!.run_id])).stderr).toContain(`was done again already by run ${again!.run_id}`);
});

it("one that goes on is followed until it ends, and cancelled in the ledger", async () => {
  writeJob(dir, "piped", DAILY, { input: '{path: "-", format: csv}' });
  const args = ["jobs", "run", "piped", "--date", "2026-10-01"];
  caught = start(dir.path, args, { BATCHPREDICT_COMMIT_ROWS: "4000", BATCHPREDICT_CHUNK_BYTES: "65536" });
  const rows = `${HEADER}\n${`${RECORDS.join("\n")}\n`.repeat(20)}`;
  caught.child.stdin.write(rows);
  await until(caught, () => partialBytes(dir.file("out")) > 8192);
  const [line] = await list("--state", "running");
  expect(line).toMatchObject({ run_key: "2026-10-01", process: { pid: caught.child.pid } });
  const followed = bp(["runs", "logs", line!.run_id, "-f"]);
  const cancelled = await bp(["runs", "cancel", line!.run_id, "--json"]);
  expect(cancelled.json()).toMatchObject({ state: "cancelled", reason: "by-user" });
  expect(cancelled.code).toBe(0);
  expect((await caught.ended).code).toBe(143);
  expect((await followed).code).toBe(0);
  expect((await bp(["jobs", "history", "piped", "--json"])).json()).toMatchObject([{ state: "cancelled", reason: "by-user" }]);
  // Cancelled is not lost: the same rows through the pipe, and it goes on behind those that were committed.
  const settings = { cwd: dir.path, env: { BATCHPREDICT_CHUNK_BYTES: "65536" }, stdin: rows };
  const resumed = await batchpredict(["runs", "resume", line!.run_id, "--json"], settings);
  expect(resumed.json()).toMatchObject({ status: "succeeded", rows: { read: 20_000 }, resumed_from_row: expect.any(Number) });
});
