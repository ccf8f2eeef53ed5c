/**
 * Who may write an output, and what is to be done about a run that died while it did. One process at a time; a second one is told
 * who holds it. A dead run of the same work is taken over, one of other work is refused, and nothing is lost unasked.
 */
import fs from "node:fs";
import { dirname } from "node:path";
import type { Checkpoint, Fingerprint } from "../core/checkpoint.ts";
import { BatchPredictError } from "../core/errors.ts";
import { failpoint } from "../core/failpoint.ts";
import type { SinkOptions } from "../core/sink.ts";
import {
  Journal,
  type JournalContent,
  type JournalFile,
  type JournalHeader,
  type JournalPublish,
  journalPrefix,
  journalsOf,
  readJournal,
} from "./journal.ts";
import { ignoring, partialPaths, pathError, resolveLinks } from "./partial-file.ts";
import { ownerAlive, ownerText } from "./process-owner.ts";
import { rejectsPath } from "./rejects-path.ts";

/** How a format finds out about a dead run. */
export interface DeadRunReader {
  /** Where the run would go on; null: nothing of it is committed. */
  checkpoint(run: JournalContent & { header: JournalHeader }): Checkpoint | null;
  /** Whether the output is published. With `act`, what was decided before the death is carried out first. */
  published(run: JournalContent & { header: JournalHeader; publish: JournalPublish }, act: boolean): boolean;
  /** What starting over does to rows that can be seen already, in words; null: none can. */
  dropping?(run: { header: JournalHeader }): string | null;
}

export interface Claim {
  journal: Journal;
  header: JournalHeader;
  resumed: { content: JournalContent; checkpoint: Checkpoint } | null;
  done: JournalPublish | null;
  notices: string[];
}

/** How long a rival that asks for the same output is given to decide, milliseconds. */
const RIVAL_MS = 2_000;

/**
 * @throws BP_OUTPUT_BUSY with exit code 75, BP_RESUME_MISMATCH, BP_OUTPUT_PATH
 */
export function claimOutput(options: SinkOptions, reader: DeadRunReader): Claim {
  const prefix = prefixOf(options);
  const notices: string[] = [];
  for (;;) {
    const dead = journalsOf(prefix).filter((run) => !alive(run, options));
    const [last] = dead.sort((a, b) => (a.runTag < b.runTag ? 1 : -1));
    if (last === undefined) break;
    const claim = takeDead(last, prefix, options, reader, notices);
    if (claim !== null) return claim;
  }
  const header = headerOf(options);
  const journal = createJournal(prefix, options);
  failpoint("journal-created");
  journal.output = options.path;
  try {
    journal.append(header);
  } catch (error) {
    journal.remove();
    throw error;
  }
  return { journal, header, resumed: null, done: null, notices };
}

/** @throws BP_OUTPUT_BUSY when a live run has the output */
export function checkNotBusy(options: SinkOptions): void {
  for (const run of journalsOf(prefixOf(options))) alive(run, options);
}

/** A dead run that had begun to publish, or may have: whether the output is its own must be found out before the output is refused as foreign. */
export function hasDecidedRun(options: SinkOptions): boolean {
  return journalsOf(prefixOf(options)).some(({ file }) => {
    const { publish, damagedLine } = readJournal(file);
    return publish !== null || damagedLine !== null;
  });
}

function prefixOf(options: SinkOptions): string {
  return journalPrefix(resolveLinks(options.path), options.format === "sqlite" ? options.table : null);
}

function alive(run: JournalFile, options: SinkOptions): boolean {
  if (!ownerAlive(run.owner, run.mtimeMs)) return false;
  if (run.size === 0) return true;
  throw busy(run, options);
}

function takeDead(
  found: JournalFile,
  prefix: string,
  options: SinkOptions,
  reader: DeadRunReader,
  notices: string[],
): Claim | null {
  const content = readJournal(found.file);
  const { header, publish, damagedLine } = content;
  if (damagedLine !== null && options.work && !options.work.fresh) throw damaged(found, damagedLine, options);
  const journal = Journal.takeOver(found.file, prefix, header?.runId ?? found.runTag);
  if (journal === null) return null;
  journal.output = options.path;
  try {
    if (damagedLine !== null) return dropped(journal, header ?? headerOf({ ...options, runId: found.runTag }));
    if (header === null) {
      journal.remove();
      return null;
    }
    const run = { ...content, header };
    const differences = options.work ? compare(header.fingerprint, options.work.fingerprint) : null;
    const same = differences !== null && differences.length === 0;
    // A run on record keeps its id over all attempts: what an earlier one published is its output, whatever became of its input since.
    const ours = same || header.runId === options.runId;
    if (publish !== null && reader.published({ ...run, publish }, ours)) {
      // Of other work: it is done, so there is nothing to go on with, and nothing to keep.
      if (!ours) return dropped(journal, header);
      notices.push("this work was finished already by a run that was killed before it could say so");
      return { journal, header, resumed: null, done: publish, notices };
    }
    const checkpoint = reader.checkpoint(run);
    if (checkpoint === null || differences === null) return dropped(journal, header);
    if (options.work?.fresh) {
      const how =
        reader.dropping?.({ header }) == null
          ? "dropped what an interrupted run had done"
          : "took back the rows of an interrupted run";
      notices.push(`--fresh: ${how} (${checkpoint.totals.read} rows)`);
      return dropped(journal, header);
    }
    if (!same) throw mismatch(differences, header, checkpoint, options, reader.dropping?.({ header }) ?? null);
    return { journal, header, resumed: { content, checkpoint }, done: null, notices };
  } catch (error) {
    journal.disown();
    throw error;
  }
}

/** Data first: a journal without its files is nothing, files without their journal would belong to nobody. */
function dropped(journal: Journal, header: JournalHeader): null {
  dropFiles(header);
  journal.remove();
  return null;
}

/** After an output could not be opened: an interrupted run stays as it was found. */
export function letGo({ journal, header, resumed }: Claim): void {
  if (resumed === null) dropped(journal, header);
  else journal.disown();
}

/** A process that was stopped for minutes must not write beside the one that took its run over. @throws BP_OUTPUT_BUSY */
export function checkStillOurs(journal: Journal, options: SinkOptions): void {
  if (journal.stillOurs()) return;
  if (fs.existsSync(dirname(journal.file))) throw takenOver(options.path);
  throw new BatchPredictError("BP_OUTPUT_WRITE", `the folder of ${options.path} was removed while it was written`, {
    where: { file: options.path },
    hints: [`make it again and run the same command: mkdir -p ${dirname(journal.file)}`],
    exitCode: 1,
  });
}

export function takenOver(path: string): BatchPredictError {
  return new BatchPredictError("BP_OUTPUT_BUSY", `another process has taken over the run of ${path}`, {
    where: { file: path },
    hints: ["this one was taken for dead: it was stopped for minutes, or its clock differs; let the other one finish"],
    exitCode: 75,
  });
}

/** What the main thread has counted must be what the sink holds, at each commit and before anything is published. @throws BP_ACCOUNTING */
export function checkTaken(options: SinkOptions, taken: number, counted: number): void {
  if (options.work === undefined || taken === counted) return;
  throw new BatchPredictError("BP_ACCOUNTING", "rows were lost between predicting and writing", {
    where: { file: options.path },
    expected: `${counted} rows`,
    actual: `${taken} rows`,
    hints: ["this is a bug of batchpredict: please report it"],
  });
}

function dropFiles({ tempPath, rejects }: JournalHeader): void {
  for (const file of [tempPath, `${tempPath}-journal`, ...(rejects ? [rejects.tempPath] : [])])
    ignoring(() => fs.rmSync(file, { force: true }));
}

/**
 * Two that ask at the same time both see the other's empty journal: the smaller run id waits for the other to give up or to have
 * been first; the larger gives up. So exactly one gets the output.
 */
function createJournal(prefix: string, options: SinkOptions): Journal {
  let journal: Journal;
  try {
    journal = Journal.create(prefix, options.runId);
  } catch (error) {
    throw pathError(error, options.path, prefix.slice(0, prefix.lastIndexOf("/")));
  }
  const started = Date.now();
  const pause = new Int32Array(new SharedArrayBuffer(4));
  try {
    for (;;) {
      const rivals = journalsOf(prefix).filter((run) => run.file !== journal.file && ownerAlive(run.owner, run.mtimeMs));
      const winner = rivals.find((run) => run.size > 0 || run.file < journal.file);
      if (winner) throw busy(winner, options);
      if (rivals.length === 0) return journal;
      if (Date.now() - started > RIVAL_MS) throw busy(rivals[0]!, options);
      Atomics.wait(pause, 0, 0, 2);
    }
  } catch (error) {
    journal.remove();
    throw error;
  }
}

function headerOf(options: SinkOptions): JournalHeader {
  const rejects = rejectsPath(options);
  return {
    kind: "run",
    version: 1,
    runId: options.runId,
    fingerprint: options.work?.fingerprint ?? null,
    startedAt: options.work?.startedAt ?? null,
    output: options.path,
    ...partialPaths(options.path, options.runId),
    rejects: rejects === null ? null : partialPaths(rejects, options.runId),
  };
}

/** In words, one entry per difference; null when the earlier run has no fingerprint. */
function compare(before: Fingerprint | null, now: Fingerprint): string[] | null {
  if (before === null) return null;
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  return names
    .filter((name) => before[name] !== now[name])
    .map((name) => `${name} was ${before[name] ?? "not there"}, is now ${now[name] ?? "not there"}`);
}

function mismatch(
  differences: string[],
  header: JournalHeader,
  { totals }: Checkpoint,
  options: SinkOptions,
  dropping: string | null,
): BatchPredictError {
  const old = dropping ?? "what the interrupted run has done is dropped, the output itself stays until the new one is whole";
  return new BatchPredictError(
    "BP_RESUME_MISMATCH",
    `an interrupted run of ${options.path} is ${totals.read} rows far, and this run is not the same work`,
    {
      where: { file: options.path },
      expected: "the same inputs, model and settings as the interrupted run, to go on with it",
      actual: differences.join("; "),
      hints: [`start over with --fresh: ${old}`, `or go on with it by its own command (run ${header.runId})`],
      exitCode: 2,
    },
  );
}

function damaged({ file }: JournalFile, line: number, { path }: SinkOptions): BatchPredictError {
  return new BatchPredictError("BP_RESUME_DAMAGED", `the journal of an interrupted run of ${path} is damaged`, {
    where: { file, line },
    expected: "the line as it was written, with the checksum before it",
    actual: "another text: how far the run came, and whether its output is out, cannot be known",
    hints: [
      "start over with --fresh: what the interrupted run has not published is dropped",
      "with append, look first whether its rows are in the output already",
    ],
    exitCode: 2,
  });
}

function busy(run: JournalFile, options: SinkOptions): BatchPredictError {
  const table = options.format === "sqlite" ? `table "${options.table}" of ` : "";
  return new BatchPredictError("BP_OUTPUT_BUSY", `another run is writing ${table}${options.path}: ${ownerText(run.owner)}`, {
    where: { file: options.path },
    actual: `run ${run.runTag}, owned by ${ownerText(run.owner)}`,
    hints: ["wait until it is done, or stop it; or write to another --output"],
    exitCode: 75,
  });
}
