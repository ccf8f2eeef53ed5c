/** A run from settings to summary: prepare, start the sink, execute, account, publish or take everything back. */
import { uuidv7 } from "uuidv7";
import { BatchPredictError, isErrno, toWire } from "../core/errors.ts";
import type { RunEvent, RunProgress, RunSummary } from "../core/events.ts";
import type { Host } from "../core/host.ts";
import type { ResolvedRun } from "../core/settings.ts";
import type { RunRecord, SinkOpened, SinkOptions, SinkResult } from "../core/sink.ts";
import { checkOutput } from "../sinks/registry.ts";
import { rejectsPath } from "../sinks/rejects.ts";
import { type SinkHandle, type WarmSink, warmSinkThread } from "../sinks/sink-thread.ts";
import { PACKAGE_VERSION } from "../version.ts";
import { Accounting } from "./accounting.ts";
import { ChunkSequence } from "./chunk-sequence.ts";
import { type Executed, execute } from "./executor.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { COMMIT_BYTES, COMMIT_ROWS, memoryLimitOf, wantsSmallHeaps } from "./memory-plan.ts";
import { interrupted, type PreparedRun, prepareRun, throwIfStopped } from "./prepare-run.ts";
import { refuseOverwrite } from "./refuse-overwrite.ts";
import { chunksFrom, explainKept, isResumable } from "./resume.ts";
import { type Kept, roomNeeded } from "./room-needed.ts";

/** Progress is told at most this often. */
const PROGRESS_EVERY_MS = 100;

export interface RunOptions {
  signal: AbortSignal;
  onEvent(event: RunEvent): void;
  /** Prepare and check everything, write nothing. */
  dryRun?: boolean;
  /** Id that somebody gave this run before it began. Default: a new UUIDv7. */
  runId?: string;
  /** After the last row, before the output appears under its name: what throws here keeps the old output as it was. */
  beforePublish?(rows: RunSummary["rows"]): void;
  /**
   * Takes over to say when the user was told of the success: until `release` is called, the same work is found done by the next run
   * and not done again. Default: told with the "finished" event.
   */
  onTold?(release: () => void): void;
}

/** Never throws: a failed run is a summary with an `error`. */
export async function runResolved(resolved: ResolvedRun, host: Host, options: RunOptions): Promise<RunSummary> {
  return new Run(resolved, host, options).run();
}

class Run {
  readonly #resolved: ResolvedRun;
  readonly #host: Host;
  readonly #options: RunOptions;
  /** That of the interrupted run, where one is gone on with. */
  #runId: string;
  readonly #startedMs: number;
  #startedAt: string;
  #resumedFromRow: number | null = null;
  #kept: Kept | null = null;
  #prepared: PreparedRun | null = null;
  #accounting: Accounting | null = null;
  #sink: SinkHandle | null = null;
  #executed: Executed | null = null;
  #executing = false;
  #toldMs = 0;

  constructor(resolved: ResolvedRun, host: Host, options: RunOptions) {
    this.#resolved = resolved;
    this.#host = host;
    this.#options = options;
    this.#runId = options.runId ?? uuidv7();
    this.#startedMs = host.nowMs();
    this.#startedAt = host.date().toISOString();
  }

  async run(): Promise<RunSummary> {
    let summary: RunSummary;
    try {
      summary = await this.#whole();
    } catch (error) {
      summary = this.#failed(error);
    }
    for (const message of this.#overLimit()) this.#options.onEvent({ type: "warning", message });
    this.#options.onEvent({ type: "finished", summary });
    const sink = this.#sink;
    if (summary.status === "succeeded" && sink) (this.#options.onTold ?? ((release) => release()))(() => sink.release());
    return summary;
  }

  async #whole(): Promise<RunSummary> {
    const { settings } = this.#resolved;
    const sinkOptions = this.#sinkOptions();
    const rejects = rejectsPath(sinkOptions);
    await refuseOverwrite(settings, [
      { flag: "--output", path: settings.output },
      ...(rejects === null ? [] : [{ flag: "--rejects", path: rejects }]),
    ]);
    await checkOutput(sinkOptions);
    const limit = memoryLimitOf(settings, this.#resolved.origins, this.#host.containerMemoryBytes ?? null);
    const warm = this.#options.dryRun
      ? null
      : warmSinkThread(settings.outputFormat, wantsSmallHeaps(limit), this.#host.threadsAhead);
    try {
      return await this.#checked(sinkOptions, warm);
    } finally {
      await warm?.dismiss();
    }
  }

  /** @param warm null: prepare everything, write nothing */
  async #checked(sinkOptions: SinkOptions, warm: WarmSink | null): Promise<RunSummary> {
    const prepared = await prepareRun(this.#resolved, this.#host, this.#options.signal, warm !== null);
    this.#prepared = prepared;
    try {
      for (const message of prepared.binding.notices) this.#options.onEvent({ type: "notice", message });
      if (warm === null) return this.#summary("succeeded", null);
      const result = await this.#predictAll(prepared, sinkOptions, warm);
      return this.#summary("succeeded", result);
    } catch (error) {
      await this.#leave(error);
      throw error;
    } finally {
      await prepared.close();
      await this.#sink?.close();
    }
  }

  /** What was committed stays where the same work can be gone on with. */
  async #leave(error: unknown): Promise<void> {
    if (!this.#sink) return;
    if (!isResumable(toWire(error).code)) {
      await this.#sink.abort();
      return;
    }
    const { resumable, bytes } = await this.#sink.suspend();
    const { totals } = this.#accounting ?? {};
    if (!resumable || !totals) return;
    const all = this.#prepared?.source.description.bytes ?? null;
    this.#kept = { bytes, share: all === null || all === 0 ? null : Math.min(1, totals.bytes / all), rows: totals.read };
  }

  async #predictAll(prepared: PreparedRun, sinkOptions: SinkOptions, warm: WarmSink): Promise<SinkResult> {
    const { settings } = this.#resolved;
    const { sizing, pool, source, binding, outputs } = prepared;
    const { signal } = this.#options;
    await pool.grow(sizing.workers);
    pool.begin({ outputs, batchSize: sizing.batchSize, fixedBatch: binding.fixedBatch });
    throwIfStopped(signal);
    const work = { fingerprint: await fingerprintOf(prepared), fresh: settings.fresh, startedAt: this.#startedAt };
    const { commitRows, commitBytes } = sizing;
    const sink = await warm.open({ ...sinkOptions, commitRows, commitBytes, work });
    this.#sink = sink;
    this.#executing = true;
    const accounting = new Accounting(settings, source.description);
    this.#accounting = accounting;
    const { checkpoint, done } = this.#goOn(sink.opened);
    if (checkpoint ?? done) accounting.restore((checkpoint ?? done?.checkpoint)!);
    if (done) return done.result;
    const { rows, rowsEstimate } = source.description;
    this.#options.onEvent({
      type: "started",
      runId: this.#runId,
      rowsTotal: rows ?? rowsEstimate,
      workers: sizing.workers,
      batchSize: sizing.batchSize,
    });
    this.#executed = await execute({
      chunks: checkpoint ? await chunksFrom(prepared, checkpoint, { signal, mayGuess: prepared.mayGuess }) : prepared.chunks,
      recut: ({ index, file, byteStart }) =>
        chunksFrom(prepared, { nextChunk: index, position: { file, byte: byteStart } }, { signal, mayGuess: false }),
      resume: checkpoint,
      predict: (chunk) => pool.predict(chunk),
      count: (chunk) => pool.count(chunk),
      maxInFlight: sizing.inFlight,
      write: (batch) => sink.write(batch),
      accounting,
      sequence: new ChunkSequence(source.description.files, checkpoint),
      rowColumn: outputs.rowColumn,
      shard: settings.shard,
      signal,
      host: this.#host,
      onAdvance: () => this.#tellProgress(),
    });
    if (!this.#executed.complete) {
      await sink.commit();
      throw interrupted();
    }
    accounting.finish();
    // Their end takes as long as the output's: both at once. `close` waits for it.
    void pool.stop();
    for (const message of accounting.warnings()) this.#options.onEvent({ type: "warning", message });
    const { read, predicted, rejected } = accounting.totals;
    this.#options.beforePublish?.({ read, predicted, rejected });
    const result = await sink.finish(this.#record(prepared, accounting));
    for (const message of result.warnings ?? []) this.#options.onEvent({ type: "warning", message });
    if (result.rows !== accounting.totals.predicted) {
      throw new BatchPredictError("BP_ACCOUNTING", "the output does not hold the rows that were predicted", {
        where: { file: result.path },
        expected: `${accounting.totals.predicted} rows`,
        actual: `${result.rows} rows`,
        hints: ["this is a bug of batchpredict: please report it"],
      });
    }
    return result;
  }

  #goOn(opened: SinkOpened): SinkOpened {
    const { runId, startedAt, checkpoint, notices } = opened;
    this.#runId = runId;
    this.#startedAt = startedAt ?? this.#startedAt;
    const { onEvent } = this.#options;
    for (const message of notices) onEvent({ type: "notice", message });
    if (checkpoint) {
      this.#resumedFromRow = checkpoint.rowBase;
      onEvent({
        type: "notice",
        message: `going on with an interrupted run of the same work behind row ${checkpoint.rowBase} (--fresh starts over)`,
      });
    }
    return opened;
  }

  #sinkOptions(): SinkOptions {
    const { settings } = this.#resolved;
    return {
      format: settings.outputFormat,
      path: settings.output,
      table: settings.table,
      ifExists: settings.ifExists,
      key: settings.key,
      runId: this.#runId,
      rejects: settings.onError === "reject" ? { path: settings.rejects } : null,
      commitRows: COMMIT_ROWS,
      commitBytes: COMMIT_BYTES,
    };
  }

  #record({ signature, probe, sizing, source }: PreparedRun, { totals }: Accounting): RunRecord {
    return {
      run_id: this.#runId,
      job: this.#resolved.settings.job,
      started_at: this.#startedAt,
      ended_at: this.#host.date().toISOString(),
      seconds: this.#seconds(),
      rows_read: totals.read,
      rows_predicted: totals.predicted,
      rows_rejected: totals.rejected,
      model_path: signature.path,
      model_sha256: signature.sha256,
      transform_sha256: this.#prepared?.transform?.sha256 ?? null,
      onnxruntime_version: probe.runtimeVersion,
      batchpredict_version: PACKAGE_VERSION,
      inputs: source.description.files.map((file) => file.path),
      batch_size: sizing.batchSize,
      workers: sizing.workers,
    };
  }

  #seconds(): number {
    return (this.#host.nowMs() - this.#startedMs) / 1000;
  }

  #tellProgress(): void {
    const now = this.#host.nowMs();
    if (now - this.#toldMs < PROGRESS_EVERY_MS) return;
    this.#toldMs = now;
    this.#options.onEvent({ type: "progress", progress: this.#progress() });
  }

  #progress(): RunProgress {
    const { totals } = this.#accounting!;
    const { rows, rowsEstimate, bytes } = this.#prepared!.source.description;
    const elapsedSeconds = this.#seconds();
    const rowsPerSecond = totals.read / Math.max(elapsedSeconds, 1e-3);
    const rowsTotal = rows ?? (rowsEstimate === null ? null : Math.max(rowsEstimate, totals.read));
    const etaSeconds = rowsTotal === null || totals.read === 0 ? null : (rowsTotal - totals.read) / rowsPerSecond;
    return {
      rowsRead: totals.read,
      rowsPredicted: totals.predicted,
      rowsRejected: totals.rejected,
      rowsTotal,
      bytesRead: totals.bytes,
      bytesTotal: bytes,
      rowsPerSecond,
      etaSeconds,
      elapsedSeconds,
    };
  }

  #summary(status: RunSummary["status"], result: SinkResult | null): RunSummary {
    const { settings } = this.#resolved;
    const totals = this.#accounting?.totals ?? { read: 0, predicted: 0, rejected: 0, bytes: 0 };
    const seconds = this.#seconds();
    const prepared = this.#prepared;
    const planned = prepared?.sizing.memory ?? null;
    const peak = this.#host.peakMemoryBytes();
    return {
      run_id: this.#runId,
      status,
      job: settings.job,
      rows: { read: totals.read, predicted: totals.predicted, rejected: totals.rejected },
      seconds,
      rows_per_second: Math.round(totals.read / Math.max(seconds, 1e-3)),
      bytes_read: totals.bytes,
      peak_memory_bytes: peak,
      memory: planned && {
        limit_bytes: planned.limit?.bytes ?? null,
        limit_origin: planned.limit?.origin ?? null,
        planned_bytes: planned.plannedBytes,
      },
      output: result && { path: result.path, format: settings.outputFormat, bytes: result.bytes },
      rejects: result?.rejectsPath && totals.rejected > 0 ? { path: result.rejectsPath, rows: totals.rejected } : null,
      model: { path: settings.model, sha256: prepared?.signature.sha256 ?? "" },
      onnxruntime_version: prepared?.probe.runtimeVersion ?? "",
      batch_size: prepared?.sizing.batchSize ?? 0,
      workers: prepared?.sizing.workers ?? 0,
      resumed_from_row: this.#resumedFromRow,
      stages: stagesOf(this.#executed),
      warnings: [...(this.#accounting?.warnings() ?? []), ...(result?.warnings ?? []), ...this.#overLimit()],
    };
  }

  /** The plan was wrong: whoever set the limit must not believe that it held. */
  #overLimit(): string[] {
    const planned = this.#prepared?.sizing.memory;
    const peak = this.#host.peakMemoryBytes();
    if (!planned?.limit || peak <= planned.limit.bytes) return [];
    const [took, limit, plan] = [peak, planned.limit.bytes, planned.plannedBytes].map((bytes) => Math.round(bytes / 1e6));
    return [`the run took ${took} MB of memory, more than its limit of ${limit} MB (planned were ${plan} MB)`];
  }

  #failed(cause: unknown): RunSummary {
    const stopped = this.#options.signal.aborted;
    const error = toWire(
      stopped && !(cause instanceof BatchPredictError && cause.code !== "BP_INTERRUPTED") ? interrupted() : cause,
    );
    if (isErrno(cause, "EMFILE", "ENFILE")) error.hints = ["raise the limit of open files (ulimit -n)"];
    const full = error.code === "BP_DISK_FULL";
    if (full && this.#prepared) error.hints = [roomNeeded(this.#prepared, this.#kept), ...(error.hints ?? [])];
    explainKept(error, this.#kept);
    // Found before the first row: 2; after it: 1. Errors that know better (rejects, busy) keep their own. A full disk is 1 at any time.
    error.exitCode ??= this.#executing || full ? 1 : 2;
    const summary = this.#summary(error.code === "BP_INTERRUPTED" ? "cancelled" : "failed", null);
    return { ...summary, error };
  }
}

function stagesOf(executed: Executed | null): RunSummary["stages"] {
  if (!executed) return null;
  const { chunks, times } = executed;
  const ms = (value: number): number => Math.round(value);
  return {
    chunks,
    decode_ms: ms(times.decodeMs),
    infer_ms: ms(times.inferMs),
    encode_ms: ms(times.encodeMs),
    wait_for_workers_ms: ms(times.waitForWorkersMs),
    wait_for_sink_ms: ms(times.waitForSinkMs),
  };
}
