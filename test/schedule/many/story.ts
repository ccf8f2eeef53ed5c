/** Schedulers on one state folder, killed and stopped at random; at the end the ledger and what was published are held against the calendar. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { build } from "esbuild";
import { expect } from "vitest";
import { type Ledger, openLedger } from "../../../src/schedule/ledger.ts";
import type { RunRow } from "../../../src/schedule/run-row.ts";
import { slotsBetween } from "../../../src/schedule/slots.ts";
import { ROOT } from "../../corpora.ts";
import { clockOf, FOLDERS } from "./clock.ts";

export interface Story {
  schedulers: number;
  seconds: number;
  jobs: number;
  random: () => number;
}

/** Why a slot may have no output: each is a row with its reason, and none of them says "forgotten". */
const EXCUSES = ["skipped newer-slot", "missed catchup-limit", "failed crashed"];
/** For what still goes on when the trouble is over; a generous bound against hanging. */
const SETTLE_MS = 120_000;

export async function tellStory({ schedulers, seconds, jobs, random }: Story): Promise<Record<string, number>> {
  mkdirSync(path.join(ROOT, ".bench"), { recursive: true });
  // Beside node_modules, so that it finds its libraries; what it writes lies in memory where there is some: nobody pulls the plug here.
  const parts = mkdtempSync(path.join(ROOT, ".bench/many-"));
  const dir = mkdtempSync(path.join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "batchpredict-many-"));
  for (const folder of Object.values(FOLDERS)) mkdirSync(path.join(dir, folder));
  const member = path.join(parts, "member.mjs");
  const entry = path.join(import.meta.dirname, "member.ts");
  await build({
    entryPoints: [entry],
    outfile: member,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "error",
  });
  for (let index = 0; index < jobs; index++)
    writeFileSync(path.join(dir, FOLDERS.jobs, `job-${index}.yaml`), jobText(index, jobs));
  const begunMs = Date.now();
  const start = (): ChildProcess =>
    spawn(process.execPath, [member, "scheduler", dir, String(begunMs)], { stdio: ["ignore", "ignore", "inherit"] });
  const members = Array.from({ length: schedulers }, start);
  const figures = { killed: 0, stopped: 0, runsKilled: 0, runsStopped: 0 };
  const stopped: { pid: number; untilMs: number }[] = [];
  const signal = (pid: number, name: NodeJS.Signals): void => {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended by itself.
    }
  };
  let ledger: Ledger | null = null;
  try {
    // However slow the machine is, trouble begins with the first run, and the story has at least a few of them and a takeover.
    const seats = path.join(dir, FOLDERS.log, "seat");
    let endMs = Number.POSITIVE_INFINITY;
    while (Date.now() < Math.max(endMs, begunMs + seconds * 1000)) {
      await sleep(200 + random() * 600);
      if (ledger === null && !existsSync(seats)) continue;
      ledger ??= open(dir);
      const enough =
        ledger.history(null, { states: ["succeeded"] }).length >= 5 && readFileSync(seats, "utf8").split("\n").length > 2;
      endMs = enough ? 0 : begunMs + SETTLE_MS;
      for (const each of stopped.filter(({ untilMs }) => untilMs <= Date.now())) signal(each.pid, "SIGCONT");
      const index = Math.floor(random() * schedulers);
      const active = ledger?.active().filter((run) => run.process !== null) ?? [];
      const run = active[Math.floor(random() * active.length)];
      const stop = (pid: number): void => {
        signal(pid, "SIGSTOP");
        stopped.push({ pid, untilMs: Date.now() + random() * 2_500 });
      };
      const dice = random();
      if (dice < 0.2 && active.length > 0) {
        figures.killed++;
        signal(members[index]!.pid!, "SIGKILL");
        members[index] = start();
      } else if (dice < 0.45) {
        figures.stopped++;
        stop(members[index]!.pid!);
      } else if (dice < 0.55 && run) {
        figures.runsKilled++;
        signal(run.process!.pid, "SIGKILL");
      } else if (dice < 0.65 && run) {
        figures.runsStopped++;
        stop(run.process!.pid);
      }
    }
    for (const { pid } of stopped) signal(pid, "SIGCONT");
    await settle(ledger!);
    for (const each of members) each.kill("SIGTERM");
    await Promise.all(
      members.map((each) => new Promise((resolve) => (each.exitCode === null ? each.once("exit", resolve) : resolve(0)))),
    );
    return { ...figures, ...judge(ledger!, dir, clockOf(begunMs)()) };
  } finally {
    for (const { pid } of stopped) signal(pid, "SIGCONT");
    for (const each of members) each.kill("SIGKILL");
    for (const run of ledger?.active() ?? []) if (run.process) signal(run.process.pid, "SIGKILL");
    ledger?.close();
    for (const each of [parts, dir]) rmSync(each, { recursive: true, force: true });
  }
}

/** One job after the other has a slot, every minute of the clock one of them: so a slow machine has time for each. */
const jobText = (index: number, jobs: number): string => `version: 1
model: {path: m.onnx}
input: {path: i.csv}
output: {path: o.csv}
schedule: {cron: "${index}-59/${jobs} * * * *"}
catchup: all
retries: {max: 0, initial: 1s, longest: 1s}
`;

function open(dir: string): Ledger {
  return openLedger({ stateDir: path.join(dir, FOLDERS.state), newId: () => "none", busyMs: 60_000 });
}

/** Slots go on coming, so what is waited for is that none of those of the story is open. */
async function settle(ledger: Ledger): Promise<void> {
  const story = new Set(ledger.history(null, { limit: 1e6 }).map(({ id }) => id));
  const end = Date.now() + SETTLE_MS;
  while (
    ledger
      .history(null, { limit: 1e6, states: ["scheduled", "claimed", "running", "committing"] })
      .some(({ id }) => story.has(id))
  ) {
    if (Date.now() > end) expect.fail(`still open: ${JSON.stringify(ledger.active())}`);
    await sleep(100);
  }
}

function judge(ledger: Ledger, dir: string, nowMs: number): Record<string, number> {
  const lines = (what: string): string[] => {
    const file = path.join(dir, FOLDERS.log, what);
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  };
  expect(lines("double"), "published twice").toEqual([]);
  expect(lines("trouble"), "trouble told by schedulers").toEqual([]);
  const rows = ledger.history(null, { limit: 1e6 });
  const byKey = new Map<string, RunRow[]>();
  for (const run of rows) byKey.set(`${run.job}-${run.runKey}`, [...(byKey.get(`${run.job}-${run.runKey}`) ?? []), run]);
  expect(
    [...byKey].filter(([, runs]) => runs.length !== 1).map(([key]) => key),
    "one row per slot",
  ).toEqual([]);
  let slots = 0;
  const open = new Set<string>();
  for (const { name, definition, createdMs, cursorMs } of ledger.jobs()) {
    expect(cursorMs).toBeLessThanOrEqual(nowMs);
    for (const { runKey } of slotsBetween(definition.schedule!, definition.timeZone, createdMs, cursorMs)) {
      slots++;
      const run = byKey.get(`${name}-${runKey}`)?.[0];
      if (run === undefined) expect.fail(`the slot ${name} ${runKey} is nowhere`);
      if (["scheduled", "claimed", "running", "committing"].includes(run.state)) open.add(`${name}-${runKey}`);
      else if (run.state !== "succeeded") expect(EXCUSES).toContain(`${run.state} ${run.reason}`);
    }
  }
  const published = readdirSync(path.join(dir, FOLDERS.out)).filter((name) => /:\d\d$/.test(name));
  const succeeded = rows.filter(({ state }) => state === "succeeded");
  // A run that published and died is not on record as a success until somebody has looked; none of those may be left but the open ones.
  const unproven = published.filter((name) => byKey.get(name)?.[0]?.state !== "succeeded" && !open.has(name));
  const crashed = new Set(rows.filter(({ reason }) => reason === "crashed").map((run) => `${run.job}-${run.runKey}`));
  expect(
    unproven.filter((name) => !crashed.has(name)),
    "published by runs that count as something else",
  ).toEqual([]);
  expect(
    succeeded.map((run) => `${run.job}-${run.runKey}`).filter((name) => !published.includes(name)),
    "successes without output",
  ).toEqual([]);
  for (const run of succeeded) expect(readFileSync(path.join(dir, FOLDERS.out, `${run.job}-${run.runKey}`), "utf8")).toBe(run.id);
  return {
    slots,
    succeeded: succeeded.length,
    skipped: rows.filter(({ state }) => state === "skipped").length,
    missed: rows.filter(({ state }) => state === "missed").length,
    failed: rows.filter(({ state }) => state === "failed").length,
    attempts: rows.reduce((sum, { attempt }) => sum + attempt, 0),
    recovered: lines("recovered").length,
    takeovers: lines("seat").length,
  };
}
