/** Who may write an output: one at a time, and what a dead run left is never lost unasked. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Checkpoint } from "../../src/core/checkpoint.ts";
import { BatchPredictError } from "../../src/core/errors.ts";
import type { SinkOptions } from "../../src/core/sink.ts";
import { type Claim, claimOutput, type DeadRunReader } from "../../src/sinks/claim.ts";
import { readJournal } from "../../src/sinks/journal.ts";
import { makeFolder, optionsFor } from "../conformance/sink-batches.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = makeFolder();
  file = path.join(folder, "out.csv");
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const CHECKPOINT: Checkpoint = {
  nextChunk: 3,
  position: null,
  file: 0,
  rowBase: 30,
  lineBase: 31,
  totals: { read: 30, predicted: 30, rejected: 0, bytes: 300 },
  values: [],
  inputCrc: 0,
};
const committed: DeadRunReader = { checkpoint: () => CHECKPOINT, published: () => false };
const nothing: DeadRunReader = { checkpoint: () => null, published: () => false };

function options(runId: string, more: { batch?: string; fresh?: boolean } = {}): SinkOptions {
  const { batch = "4096", fresh = false } = more;
  return optionsFor(file, "csv", { runId, work: { fingerprint: { "--batch-size": batch }, fresh, startedAt: "then" } });
}

/** As if the process of the claim had been killed: its name speaks of one that is gone. */
function killed(claim: Claim): void {
  claim.journal.close();
  const gone = spawnSync(process.execPath, ["-e", ""]).pid;
  fs.renameSync(claim.journal.file, claim.journal.file.replace(/\.\d+-/, `.${gone}-`));
}

function refused(action: () => unknown): BatchPredictError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(BatchPredictError);
    return error as BatchPredictError;
  }
  return expect.fail("nothing was thrown");
}

describe("a claim on an output", () => {
  it("is for one process: the second is told who has it, with exit code 75", () => {
    const first = claimOutput(options("first"), nothing);
    const error = refused(() => claimOutput(options("second"), nothing));
    expect(error).toMatchObject({ code: "BP_OUTPUT_BUSY", details: { exitCode: 75 } });
    expect(error.message).toContain(`process ${process.pid}`);
    expect(fs.readdirSync(folder)).toEqual([path.basename(first.journal.file)]);
    first.journal.remove();
    claimOutput(options("second"), nothing).journal.remove();
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("goes on with a dead run of the same work under its own id", () => {
    killed(claimOutput(options("first"), committed));
    const next = claimOutput(options("second"), committed);
    expect(next.header.runId).toBe("first");
    expect(next.resumed?.checkpoint).toEqual(CHECKPOINT);
    expect(readJournal(next.journal.file).header?.startedAt).toBe("then");
  });

  it("is refused over a dead run of other work, in words, and leaves it for its own command", () => {
    killed(claimOutput(options("first"), committed));
    const error = refused(() => claimOutput(options("second", { batch: "1024" }), committed));
    expect(error).toMatchObject({ code: "BP_RESUME_MISMATCH", details: { exitCode: 2 } });
    expect(error.details.actual).toBe("--batch-size was 4096, is now 1024");
    expect(error.details.hints?.join()).toContain("--fresh");
    expect(claimOutput(options("third"), committed).resumed?.checkpoint).toEqual(CHECKPOINT);
  });

  it("drops a dead run of other work under --fresh, and one that had committed nothing without being asked", () => {
    killed(claimOutput(options("first"), committed));
    const fresh = claimOutput(options("second", { batch: "1024", fresh: true }), committed);
    expect(fresh.resumed).toBeNull();
    expect(fresh.notices.join()).toContain("30 rows");
    killed(fresh);
    const next = claimOutput(options("third", { batch: "7" }), nothing);
    expect(next.header.runId).toBe("third");
    expect(fs.readdirSync(folder)).toEqual([path.basename(next.journal.file)]);
  });

  it("removes the files of a dropped run, and reads a torn journal as one that says less", () => {
    const first = claimOutput(options("first"), nothing);
    fs.writeFileSync(first.header.tempPath, "rows");
    fs.appendFileSync(first.journal.file, '0badc0de {"kind":"publish"');
    expect(readJournal(first.journal.file).publish).toBeNull();
    killed(first);
    const next = claimOutput(options("second"), nothing);
    expect(fs.readdirSync(folder)).toEqual([path.basename(next.journal.file)]);
  });

  it("does not stand in the way of another output, or of another table of a database", () => {
    const claims = [
      claimOutput(options("a"), nothing),
      claimOutput({ ...options("b"), path: path.join(folder, "out.csv.csv") }, nothing),
      claimOutput({ ...options("c"), format: "sqlite", path: path.join(folder, "o.db"), table: "one" }, nothing),
      claimOutput({ ...options("d"), format: "sqlite", path: path.join(folder, "o.db"), table: "two" }, nothing),
    ];
    for (const { journal } of claims) journal.remove();
    expect(fs.readdirSync(folder)).toEqual([]);
  });
});
