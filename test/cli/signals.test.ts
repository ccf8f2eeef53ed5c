/** SIGINT and SIGTERM: an answer at once, an orderly end, nothing under the final name, and a next run that leaves nothing beside it. */
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FIXTURES } from "../corpora.ts";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";
import { type Caught, partialBytes, start, startPiped, until } from "./in-the-middle.ts";
import { FEATURES, FLOWERS, HEADER, MODEL, RECORDS, run, writeFlowers } from "./iris.ts";

/** The note takes a few milliseconds; the bound only keeps a busy machine from failing the test. */
const ANSWER_WITHIN_MS = 2000;

const EXIT = { SIGINT: 130, SIGTERM: 143 } as const;
type StopSignal = keyof typeof EXIT;

let dir: Workdir;
let caught: Caught | null = null;
beforeEach(() => {
  dir = workdir();
});
afterEach(async () => {
  caught?.child.kill("SIGKILL");
  await caught?.ended;
  dir.remove();
});

/** Sends the signal, measures and prints how long the note took. */
async function stop(run: Caught, signal: StopSignal): Promise<void> {
  const sent = performance.now();
  const next = run.nextText();
  run.child.kill(signal);
  const text = await next;
  const ms = performance.now() - sent;
  console.info(`${signal} was answered after ${ms.toFixed(1)} ms`);
  expect(text.split("\n")[0]).toBe(`${signal}: stopping after the chunks in flight (once more to stop at once)`);
  expect(ms).toBeLessThan(ANSWER_WITHIN_MS);
}

const NOTHING_KEPT = /^ {2}fix: nothing was written under the output's name; run the same command to do it again$/;
const KEPT = /^ {2}fix: run the same command again: it goes on behind the last rows that were committed \(--fresh starts over\)$/;

/** @returns whether rows are kept that the next run need not do again */
function expectCancelled(ended: Awaited<Caught["ended"]>, signal: StopSignal): boolean {
  const [error, fix = "", end] = ended.stderr.split("\n").slice(-3);
  expect([error, end]).toEqual(["error BP_INTERRUPTED: the run was stopped before it was done", ""]);
  const kept = KEPT.test(fix);
  if (!kept) expect(fix).toMatch(NOTHING_KEPT);
  expect({ code: ended.code, signal: ended.signal }).toEqual({ code: EXIT[signal], signal: null });
  return kept;
}

describe.each(["SIGINT", "SIGTERM"] as const)("%s", (signal) => {
  it.each(["parquet", "csv", "arrow", "db"])("in the middle of writing .%s", async (ending) => {
    caught = startPiped(dir.path, `new/out.${ending}`);
    const folder = dir.file("new");
    await until(caught, () => readdirSync(dir.path).length > 0 && partialBytes(folder) > 8192);
    await stop(caught, signal);
    const kept = expectCancelled(await caught.ended, signal);
    // What was done is kept beside the output until the next run, and only then.
    if (!kept) expect(readdirSync(dir.path)).toEqual([]);
    else expect(readdirSync(folder)).not.toContain(`out.${ending}`);
    const fresh = await batchpredict([...run(FLOWERS, `new/out.${ending}`), "--fresh", "--quiet"], { cwd: dir.path });
    expect({ code: fresh.code, stderr: fresh.stderr }).toEqual({ code: 0, stderr: "" });
    expect(readdirSync(folder)).toEqual([`out.${ending}`]);
  });

  it("while a file is read; the same command goes on where it stopped", async () => {
    const input = writeFlowers(dir, "in.csv", 400_000, (row, record) => `${row}${record.slice(record.indexOf(","))}`);
    const args = [...run(input, "out/o.csv"), "--chunk-bytes", "65536"];
    caught = start(dir.path, args);
    await until(caught, () => readdirSync(dir.path).includes("out") && partialBytes(dir.file("out")) > 8192);
    await stop(caught, signal);
    const kept = expectCancelled(await caught.ended, signal);
    if (kept) expect(readdirSync(dir.file("out"))).not.toContain("o.csv");
    const again = await batchpredict([...args, "--json"], { cwd: dir.path });
    expect(again.json()).toMatchObject({ status: "succeeded", resumed_from_row: kept ? expect.any(Number) : null });
    expect(readdirSync(dir.file("out"))).toEqual(["o.csv"]);
    expect((await batchpredict([...run(input, "whole.csv"), "--chunk-bytes", "65536"], { cwd: dir.path })).code).toBe(0);
    expect(readFileSync(dir.file("out/o.csv")).equals(readFileSync(dir.file("whole.csv")))).toBe(true);
  });

  it("while it waits for a pipe that says nothing", async () => {
    caught = start(dir.path, ["run", "-m", MODEL, "-i", "-", "-o", "out.csv", ...FEATURES, "--json"]);
    // Less than the first chunk and more than the system buffers: what was taken was taken by a run that now waits for the rest.
    const { stdin } = caught.child;
    const rows = `${HEADER}\n${`${RECORDS.join("\n")}\n`.repeat(20)}`;
    for (let at = 0; at < rows.length; at += 10_000)
      await Promise.race([new Promise((resolve) => stdin.write(rows.slice(at, at + 10_000), resolve)), caught.ended]);
    expect(caught.stderr()).toBe("");
    await stop(caught, signal);
    expect(expectCancelled(await caught.ended, signal)).toBe(false);
    expect(readdirSync(dir.path)).toEqual([]);
  });
});

describe("a batch that takes long", () => {
  const SLOW = `${FIXTURES}/scenarios/1_adult_income_lightgbm`;

  it("is answered at once, and a second signal ends the process at once", async () => {
    const input = `${SLOW}/input.csv`;
    const many = Array.from({ length: 60 }, () => input);
    const args = ["run", "-m", `${SLOW}/model.onnx`, "-i", ...many, "-o", "out/o.csv"];
    caught = start(dir.path, [...args, "--batch-size", "1000000", "--chunk-bytes", "512MiB", "--workers", "1"]);
    await until(caught, () => readdirSync(dir.path).includes("out") && readdirSync(dir.file("out")).length > 0);
    await stop(caught, "SIGINT");
    const sent = performance.now();
    caught.child.kill("SIGINT");
    const ended = await caught.ended;
    const ms = performance.now() - sent;
    console.info(`the second SIGINT ended the process after ${ms.toFixed(1)} ms`);
    expect(ms).toBeLessThan(ANSWER_WITHIN_MS);
    expect({ code: ended.code, signal: ended.signal }).toEqual({ code: null, signal: "SIGINT" });
    expect(readdirSync(dir.file("out"))).not.toContain("o.csv");
    expect((await batchpredict([...run(FLOWERS, "out/o.csv"), "--fresh", "--quiet"], { cwd: dir.path })).code).toBe(0);
    expect(readdirSync(dir.file("out"))).toEqual(["o.csv"]);
  });
});

it("--quiet and --json keep their word when a run is stopped", async () => {
  caught = startPiped(dir.path, "out.csv", "--quiet", "--json");
  let stdout = "";
  caught.child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  await until(caught, () => partialBytes(dir.path) > 8192);
  caught.child.kill("SIGTERM");
  const { code, stderr } = await caught.ended;
  expect(code).toBe(143);
  expect(stderr).toMatch(/^error BP_INTERRUPTED: /);
  expect(JSON.parse(stdout)).toMatchObject({ status: "cancelled", output: null, error: { code: "BP_INTERRUPTED", where: null } });
});
