/**
 * One output from its first row to its last through SIGKILLs at random moments. Where a kill falls is drawn by how much the run has
 * written, so that kills spread over its whole length whatever the machine's speed; some fall into its start and its end by time.
 */
import fs from "node:fs";
import path from "node:path";
import { type CrashCase, type Ended, type RunGiven, run } from "./crash-cases.ts";

/** Where a run was when it was killed, told by what is on disk. */
export const PHASES = ["starting", "before the first commit", "resuming", "between commits", "publishing", "told"] as const;
export type Phase = (typeof PHASES)[number];

export interface Tally {
  kills: Record<Phase, number>;
  /** Processes that went on behind committed rows. */
  resumes: number;
  /** Processes that were done before their kill came. */
  tooLate: number;
  /** Outputs that came to their end. */
  outputs: number;
}

export function emptyTally(): Tally {
  const kills = Object.fromEntries(PHASES.map((phase) => [phase, 0])) as Tally["kills"];
  return { kills, resumes: 0, tooLate: 0, outputs: 0 };
}

export function killsOf({ kills }: Tally): number {
  return Object.values(kills).reduce((sum, count) => sum + count, 0);
}

/** An undisturbed run, measured. */
export interface Calm {
  /** Of the output, its temporary files and rejects, at most. */
  bytes: number;
  /** Until the first byte, and from the last tenth of the bytes to the end. */
  startMs: number;
  endMs: number;
}

/** Small numbers from a seed (mulberry32): the same draws for the same seed, whatever the machine. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const LOOK_EVERY_MS = 3;

function bytesIn(folder: string): number {
  let sum = 0;
  for (const name of fs.readdirSync(folder)) {
    if (!name.includes("out.") || name.endsWith("-journal")) continue;
    sum += fs.statSync(path.join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return sum;
}

export async function measure(folder: string, made: CrashCase, given: RunGiven): Promise<Calm> {
  const before = bytesIn(folder);
  const started = performance.now();
  const seen: [ms: number, bytes: number][] = [];
  const onStart = (): (() => void) => {
    const timer = setInterval(() => seen.push([performance.now() - started, bytesIn(folder)]), LOOK_EVERY_MS);
    return () => clearInterval(timer);
  };
  const ended = await run(folder, made, { ...given, onStart });
  if (ended.code !== 0) throw new Error(ended.stderr);
  const bytes = Math.max(...seen.map(([, size]) => size));
  const wholeMs = performance.now() - started;
  const at = (share: number): number => seen.find(([, size]) => size >= before + (bytes - before) * share)![0];
  return { bytes, startMs: at(0.001), endMs: wholeMs - at(0.9) };
}

interface Moment {
  /** What is waited for. */
  until: "started" | "took the output" | { bytes: number };
  /** And how long after it, milliseconds. */
  afterMs: number;
}

function killer(folder: string, { until, afterMs }: Moment): NonNullable<RunGiven["onStart"]> {
  return (child) => {
    // The name of a journal says whose it is.
    const own = new RegExp(`\\.${child.pid}-\\d+-[0-9a-f]+\\.journal$`);
    const isSo = (): boolean => {
      if (until === "started") return true;
      if (until === "took the output") return fs.readdirSync(folder).some((name) => own.test(name));
      return bytesIn(folder) >= until.bytes;
    };
    let timer: NodeJS.Timeout;
    const look = (): void => {
      timer = isSo() ? setTimeout(() => child.kill("SIGKILL"), afterMs) : setTimeout(look, LOOK_EVERY_MS);
    };
    look();
    return () => clearTimeout(timer);
  };
}

interface Journal {
  file: string | null;
  publishes: boolean;
}

function journalIn(folder: string): Journal {
  const name = fs.readdirSync(folder).find((each) => each.endsWith(".journal"));
  if (name === undefined) return { file: null, publishes: false };
  const text = fs.readFileSync(path.join(folder, name), "utf8");
  return { file: name, publishes: text.includes('"kind":"publish"') };
}

function phaseOf(folder: string, { told }: Ended, from: Journal, before: number, grown: boolean): Phase {
  if (told) return "told";
  const journal = journalIn(folder);
  if (journal.file === null) return "starting";
  if (journal.publishes) return "publishing";
  if (bytesIn(folder) <= before) return "before the first commit";
  return from.file !== null && !grown ? "resuming" : "between commits";
}

export interface Life {
  made: CrashCase;
  folder: string;
  given: RunGiven;
  calm: Calm;
  random(): number;
  tally: Tally;
  /** Kills that are still wanted. */
  wanted(): number;
  /** The share of the output after which a kill falls at the latest. */
  stride: number;
}

/**
 * @returns the word of the process that said it was done
 * @throws Error when a process that was not killed fails
 */
export async function live(life: Life): Promise<NonNullable<Ended["told"]>> {
  const { made, folder, given, random, tally } = life;
  const before = bytesIn(folder);
  for (;;) {
    const from = { bytes: bytesIn(folder), journal: journalIn(folder) };
    const kill = life.wanted() > 0 ? killer(folder, momentOf(life, before, from.bytes)) : undefined;
    // How many work on it is not part of what is resumed.
    const args = [...(given.args ?? []), "--workers", random() < 0.5 ? "1" : "2"];
    const ended = await run(folder, made, { ...given, args, ...(kill ? { onStart: kill } : {}) });
    const resumed = /going on with an interrupted run/.test(ended.stderr);
    if (resumed) tally.resumes++;
    if (ended.signal === "SIGKILL") {
      tally.kills[phaseOf(folder, ended, from.journal, before, bytesIn(folder) > from.bytes)]++;
      // Killed behind its word and the removal of its journal, it is done; the same command would be a new run.
      if (!ended.told || journalIn(folder).file !== null) continue;
    } else if (ended.code !== 0) throw new Error(`exit code ${ended.code}: ${ended.stderr}`);
    else if (kill) tally.tooLate++;
    if (!ended.told) throw new Error(`nothing was told: ${ended.stdout}${ended.stderr}`);
    tally.outputs++;
    return ended.told;
  }
}

function momentOf({ calm, random, stride }: Life, before: number, from: number): Moment {
  const all = calm.bytes - before;
  if (random() < (from > before ? 0.1 : 0.3)) return { until: "started", afterMs: random() * calm.startMs * 1.2 };
  const bytes = from + Math.max(1, random() * stride * all);
  // Near the end, where little is written and much is decided, time tells the moments apart.
  if (bytes >= before + 0.95 * all) return { until: "took the output", afterMs: random() * calm.endMs };
  return { until: { bytes }, afterMs: random() * 10 };
}
