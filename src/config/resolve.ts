/**
 * Everything a run needs, decided: flags over the job file, over the environment, over defaults, each value with its origin.
 *
 * Rules where layers meet: lists and plain values are replaced whole; `--bind`, `--const`, `--shape` and `--column-type` win key
 * by key; `--missing` replaces the job's default and leaves its per-column policies; a path by flag drops the job's format (and,
 * for the model, its hash), because those describe the job's own file. Relative paths belong to the job file's folder when they
 * come from there, else to the working directory.
 */
import path from "node:path";
import { BatchPredictError } from "../core/errors.ts";
import type { ResolvedRun, RunSettings } from "../core/settings.ts";
import { IF_EXISTS } from "./enumerations.ts";
import { Layers } from "./layers.ts";
import type { JobFile } from "./read-job.ts";
import { resolveBinding, resolveMissing, resolveOutputs } from "./resolve-binding.ts";
import { resolveCsv } from "./resolve-csv.ts";
import { resolvePaths } from "./resolve-paths.ts";
import { ENVIRONMENT, type RunFlags } from "./run-flags.ts";
import * as read from "./setting-parsers.ts";

const MAX_BATCH_SIZE = 16_777_216;
const MAX_WORKERS = 512;
const MAX_CHUNK_BYTES = 1024 ** 3;
const MAX_MEMORY_BYTES = 1024 ** 4;

/**
 * @param cwd absolute
 * @throws one error for all problems: BP_USAGE when a flag is wrong or missing, else BP_JOB_FILE or BP_CONFIG; several stand in `problems`
 */
export function resolveRun(
  flags: RunFlags,
  job: JobFile | null,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): ResolvedRun {
  const layers = new Layers(job, env);
  const paths = resolvePaths(flags, job, cwd, layers);
  const csv = resolveCsv(flags, layers);
  const columns = (setting: string, flagName: string, flag: RunFlags["keep"], jobPath: string): string[] | null =>
    layers.list(setting, { flagName, flag, jobPath }, read.list("column"))?.value ?? null;
  const keep = columns("keep", "--keep", flags.keep, "keep");
  if (keep !== null && keep.length > 1 && keep.includes("none")) {
    layers.conflict("none stands beside columns in --keep", ["write none alone, or the columns alone"], "BP_USAGE");
  }
  const { batchSize, workers, threads, chunkBytes, memoryLimit, onError, maxRejects } = ENVIRONMENT;
  const count = (max: number) => read.orAuto(read.whole(1, max));

  const settings: RunSettings = {
    job: job?.name ?? null,
    ...paths,
    csv,
    table: layers.or("table", { flagName: "--table", flag: flags.table, jobPath: "output.table" }, tableName, "predictions"),
    ifExists: layers.or(
      "ifExists",
      { flagName: "--if-exists", flag: flags.ifExists, jobPath: "output.ifExists" },
      read.choice(IF_EXISTS),
      "fail",
    ),
    key: columns("key", "--key", flags.key, "output.key") ?? [],
    features: columns("features", "--features", flags.features, "bind.features"),
    ...resolveBinding(flags, layers),
    keep: keep?.length === 1 && keep[0] === "none" ? [] : keep,
    outputs: resolveOutputs(flags, layers),
    batchSize: layers.or<number | "auto">(
      "batchSize",
      { flagName: "--batch-size", flag: flags.batchSize, jobPath: "batchSize", environment: batchSize.name },
      count(MAX_BATCH_SIZE),
      "auto",
    ),
    workers: layers.or<number | "auto">(
      "workers",
      { flagName: "--workers", flag: flags.workers, jobPath: "workers", environment: workers.name },
      count(MAX_WORKERS),
      "auto",
    ),
    threads: layers.or<number | "auto">(
      "threads",
      { flagName: "--threads", flag: flags.threads, jobPath: "threads", environment: threads.name },
      count(MAX_WORKERS),
      "auto",
    ),
    chunkBytes: layers.or<number | "auto">(
      "chunkBytes",
      { flagName: "--chunk-bytes", flag: flags.chunkBytes, jobPath: "chunkBytes", environment: chunkBytes.name },
      read.orAuto(read.size(1, MAX_CHUNK_BYTES)),
      "auto",
    ),
    memoryLimitBytes: layers.or<number | null>(
      "memoryLimitBytes",
      { flagName: "--memory-limit", flag: flags.memoryLimit, jobPath: "memoryLimit", environment: memoryLimit.name },
      read.size(1, MAX_MEMORY_BYTES),
      null,
    ),
    missing: resolveMissing(flags, layers),
    transform: resolveTransform(job, layers),
    onError: layers.or<"fail" | "reject">(
      "onError",
      { flagName: "--on-error", flag: flags.onError, jobPath: "errors.on", environment: onError.name },
      read.choice(["fail", "reject"] as const),
      "fail",
    ),
    maxRejects: layers.or<RunSettings["maxRejects"]>(
      "maxRejects",
      { flagName: "--max-rejects", flag: flags.maxRejects, jobPath: "errors.max", environment: maxRejects.name },
      read.maxRejects,
      null,
    ),
    limit: layers.or<number | null>(
      "limit",
      { flagName: "--limit", flag: flags.limit, jobPath: "limit" },
      read.whole(0, Number.MAX_SAFE_INTEGER),
      null,
    ),
    whereRows: layers.or<RunSettings["whereRows"]>(
      "whereRows",
      { flagName: "--where-rows", flag: flags.whereRows, jobPath: "whereRows" },
      read.whereRows,
      null,
    ),
    shard: layers.or<RunSettings["shard"]>("shard", { flagName: "--shard", flag: flags.shard }, read.shard, null),
    fresh: flags.fresh ?? false,
  };
  layers.origins.fresh = flags.fresh ? "flag --fresh" : "default";
  if (job) layers.origins.job = "the argument JOB";
  for (const setting of Object.keys(settings)) layers.origins[setting] ??= "default";
  checkTogether(settings, flags, layers);
  if (layers.problems.length > 0) throw asOneError(layers);
  return { settings, origins: layers.origins };
}

/** Only a job file can name one: code that decides about predictions belongs beside the job, not into a command line. */
function resolveTransform(job: JobFile | null, layers: Layers): string | null {
  const given = layers.jobValue("transform");
  if (!job || typeof given !== "string") return null;
  layers.origins.transform = layers.jobOrigin("transform");
  if (/\.[mc]?js$/i.test(given)) return path.resolve(job.dir, given);
  layers.refuse("transform", "job", given, {
    is: "is no JavaScript module",
    expected: "a file that ends in .mjs or .js",
    hints: ["for example transform: ./features.mjs"],
  });
  return null;
}

const tableName: read.Parser<string> = (text) => {
  if (text.trim() === "") return { is: "is no table name" };
  if (/^(sqlite_|_batchpredict_)/i.test(text)) return { is: "is reserved", hints: ["give --table another name"] };
  return text.includes("\0") ? { is: "holds a NUL character" } : { value: text };
};

function checkTogether(settings: RunSettings, flags: RunFlags, layers: Layers): void {
  if (settings.ifExists === "upsert" && settings.key.length === 0) {
    layers.conflict("--if-exists upsert needs to know what identifies a row", [
      "name the columns: --key id (job file: output.key)",
    ]);
  }
  if (flags.table !== undefined && settings.outputFormat !== "sqlite" && settings.output !== "") {
    layers.conflict(
      `--table has no meaning for ${settings.outputFormat} output`,
      ["leave it out, or write to a .db file"],
      "BP_USAGE",
    );
  }
  // Bad rows that stop the run are never put aside; whoever limits or names the rejects expects them to be.
  const wanted = [flags.maxRejects === undefined ? "" : "--max-rejects", flags.rejects === undefined ? "" : "--rejects"].filter(
    Boolean,
  );
  if (
    settings.onError === "fail" &&
    wanted.length > 0 &&
    !layers.problems.some(({ message }) => message.startsWith("--on-error"))
  ) {
    const origin = layers.origins.onError;
    layers.conflict(
      `${wanted.join(" and ")} without --on-error reject`,
      [`bad rows stop the run (${origin}): add --on-error reject`],
      "BP_USAGE",
    );
  }
}

function asOneError({ problems }: Layers): BatchPredictError {
  const [first] = problems;
  if (problems.length === 1) {
    const { code, message, stack: _stack, ...details } = first!;
    return new BatchPredictError(code, message, details);
  }
  const code = problems.some((problem) => problem.code === "BP_USAGE") ? "BP_USAGE" : first!.code;
  return new BatchPredictError(code, `${problems.length} problems with the settings of the run`, { problems });
}
