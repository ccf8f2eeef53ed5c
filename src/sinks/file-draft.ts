/**
 * What the file formats share: the claim on the output, its temporary file, its rejects, and the journal of what is committed.
 * A commit is not flushed to the disk: each carries the checksum of what it stands for, and a resumed run goes on from the last one
 * that the files prove (see provenCommits). Only publishing waits for the disk.
 */
import fs from "node:fs";
import type { Checkpoint } from "../core/checkpoint.ts";
import { failpoint } from "../core/failpoint.ts";
import type { RunRecord, SinkBatch, SinkOpened, SinkOptions, SinkResult } from "../core/sink.ts";
import { type Claim, checkStillOurs, checkTaken, claimOutput, type DeadRunReader, letGo } from "./claim.ts";
import type { JournalCommit, JournalContent, JournalHeader } from "./journal.ts";
import { moveIntoPlace, openPartial, outputExists, type PartialFile, provenCommits } from "./partial-file.ts";
import { openRejects, type RejectsWriter, settleRejects } from "./rejects.ts";

export class FileDraft {
  readonly file: PartialFile;
  readonly rejects: RejectsWriter | null;
  /** The last commit of the run that is gone on with; null: from the start. */
  readonly resumed: JournalCommit | null;
  private readonly claim: Claim;
  private readonly options: SinkOptions;
  private checkpoint: Checkpoint | null = null;
  private committed: { rows: number; bytes: number; crc: number };
  private over = false;

  /** @returns no draft when the interrupted run had published everything */
  static open(given: SinkOptions): { draft: FileDraft | null; opened: SinkOpened; commits: JournalCommit[] } {
    const claim = claimOutput(given, FILE_RUNS);
    const options = { ...given, runId: claim.header.runId };
    const opened: SinkOpened = {
      runId: options.runId,
      startedAt: claim.header.startedAt,
      checkpoint: null,
      done: null,
      journal: claim.journal.file,
      notices: claim.notices,
    };
    if (claim.done) {
      const { rows, bytes, checkpoint, rejects } = claim.done;
      const rejectsPath = rejects === null ? null : claim.header.rejects!.finalPath;
      claim.journal.close();
      const result = { path: options.path, bytes, rows, rejectsPath };
      return { draft: null, opened: { ...opened, done: { result, checkpoint } }, commits: [] };
    }
    try {
      const commits = claim.resumed?.content.commits ?? [];
      const draft = new FileDraft(options, claim, commits.at(-1) ?? null);
      return { draft, opened: { ...opened, checkpoint: claim.resumed?.checkpoint ?? null }, commits };
    } catch (error) {
      letGo(claim);
      throw error;
    }
  }

  private constructor(options: SinkOptions, claim: Claim, resumed: JournalCommit | null) {
    this.options = options;
    this.claim = claim;
    this.resumed = resumed;
    if (resumed === null && options.ifExists === "fail" && fs.existsSync(options.path)) throw outputExists(options.path);
    this.file = openPartial(options.path, options.runId, { resume: resumed !== null });
    this.rejects = openRejects(options, resumed?.rejects ?? null);
    this.committed = { rows: 0, bytes: 0, crc: 0 };
    if (resumed !== null) {
      const { ends, commits } = claim.resumed!.content;
      this.file.truncate(resumed.bytes, resumed.crc);
      claim.journal.truncate(ends.commits[commits.length - 1]!);
      this.committed = resumed;
      this.checkpoint = resumed.checkpoint;
    }
    failpoint("sink-opened");
  }

  /** Rejects and state that come with rows; the format takes the rows themselves. */
  take(batch: SinkBatch): void {
    this.rejects?.write(batch.rejects);
    if (batch.checkpoint) this.checkpoint = batch.checkpoint;
    failpoint("sink-took");
  }

  /** Everything taken so far stands in the file. @param more what the format needs to go on behind it */
  commit(rows: number, more: unknown): void {
    if (this.checkpoint === null || this.options.work === undefined) return;
    checkStillOurs(this.claim.journal, this.options);
    checkTaken(this.options, rows, this.checkpoint.totals.predicted);
    failpoint("commit-written");
    const { bytesWritten: bytes, crc } = this.file;
    const rejects = this.rejects?.flush() ?? null;
    this.claim.journal.append({ kind: "commit", checkpoint: this.checkpoint, rows, bytes, crc, rejects, more });
    this.committed = { rows, bytes, crc };
    failpoint("commit-done");
  }

  /** The file is whole: on the disk, noted, renamed, rejects first: predictions without them would look like a run that lost nothing. */
  publish(rows: number, record: RunRecord, { replace }: { replace: boolean }): SinkResult {
    checkTaken(this.options, rows, record.rows_predicted);
    failpoint("finish-counted");
    const { file, claim } = this;
    checkStillOurs(this.claim.journal, this.options);
    const bytes = file.bytesWritten;
    const rejects = this.rejects?.prepare() ?? null;
    if (this.options.work && this.checkpoint) {
      file.sync();
      const output = fs.fstatSync(file.fd).ino;
      claim.journal.append(
        { kind: "publish", checkpoint: this.checkpoint, rows, bytes, output, rejects, replace },
        { sync: true },
      );
      failpoint("publish-noted");
    }
    const rejectsPath = this.rejects?.publish().path ?? null;
    failpoint("publish-rejects");
    file.publish({ replace });
    failpoint("published");
    this.over = true;
    // A run that can be gone on with is found done until it was told; see SinkOpened.journal.
    if (this.options.work === undefined) claim.journal.remove();
    else claim.journal.close();
    return { path: this.options.path, bytes, rows, rejectsPath };
  }

  suspend(): { resumable: boolean; bytes: number } {
    if (this.over) return { resumable: false, bytes: 0 };
    const { bytes, crc } = this.committed;
    if (bytes === 0) {
      this.discard();
      return { resumable: false, bytes: 0 };
    }
    this.over = true;
    try {
      this.file.truncate(bytes, crc);
    } catch {
      // The next run does it.
    }
    this.file.close();
    this.rejects?.close();
    this.claim.journal.disown();
    return { resumable: true, bytes };
  }

  discard(): void {
    if (this.over) return;
    this.over = true;
    this.file.discard();
    this.rejects?.discard();
    this.claim.journal.remove();
  }
}

/** Leaves of the commits those that both files prove, from the first on. */
function keepProven({ commits, header }: JournalContent & { header: JournalHeader }): JournalCommit[] {
  let count = provenCommits(header.tempPath, commits);
  const rejects = commits.slice(0, count).map((commit) => commit.rejects);
  if (header.rejects !== null && rejects.every((state) => state !== null)) {
    count = Math.min(count, provenCommits(header.rejects.tempPath, rejects));
  }
  commits.length = count;
  return commits;
}

const FILE_RUNS: DeadRunReader = {
  checkpoint: (run) => keepProven(run).at(-1)?.checkpoint ?? null,
  published({ header, publish }, act) {
    const { tempPath, finalPath } = header;
    const temp = inode(tempPath);
    if (temp === null || inode(finalPath) === temp) {
      // Between link and unlink both names are there.
      if (act && temp !== null) fs.unlinkSync(tempPath);
      return inode(finalPath) === publish.output && fs.statSync(finalPath).size === publish.bytes;
    }
    if (!act || temp !== publish.output || fs.statSync(tempPath).size !== publish.bytes) return false;
    settleRejects(header, publish);
    try {
      moveIntoPlace(tempPath, finalPath, publish);
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === "EEXIST" ? outputExists(header.output) : error;
    }
    return true;
  },
};

function inode(file: string): number | null {
  return fs.statSync(file, { throwIfNoEntry: false })?.ino ?? null;
}
