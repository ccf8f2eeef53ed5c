/** What makes two runs the same work. Not in it: workers, threads, progress, whatever changes only how fast the same rows come out. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import path from "node:path";
import type { Fingerprint } from "../core/checkpoint.ts";
import { isErrno } from "../core/errors.ts";
import { PACKAGE_VERSION } from "../version.ts";
import type { PreparedRun } from "./prepare-run.ts";

/** Read from both ends of each input: a file of the same size and date with other ends is another file. */
const END_BYTES = 64 << 10;

/** Each value is short enough to be shown when it differs. Cost: two reads per input file. */
export async function fingerprintOf(prepared: PreparedRun): Promise<Fingerprint> {
  const { resolved, signature, source, binding, sizing, outputs, probe } = prepared;
  const { settings } = resolved;
  const { description } = source;
  const fingerprint: Fingerprint = {
    "the number of input files": String(description.files.length),
    "the model": `SHA-256 ${signature.sha256}`,
    "the transform": prepared.transform ? `SHA-256 ${prepared.transform.sha256}` : "none",
    "the input format": description.format,
    "the CSV dialect": digest(description.dialect && { ...description.dialect, sniffed: null }),
    "the binding of columns": digest(binding.plan),
    "the output columns": digest(outputs),
    "--if-exists": settings.ifExists,
    "the output format": settings.outputFormat,
    "--table": settings.outputFormat === "sqlite" ? settings.table : "none",
    "--key": settings.key.join(",") || "none",
    "--rejects": settings.rejects ?? "default",
    "--limit": String(settings.limit ?? "none"),
    "--where-rows": settings.whereRows ? `${settings.whereRows.start}..${settings.whereRows.end}` : "none",
    "--shard": settings.shard ? `${settings.shard.index}/${settings.shard.count}` : "none",
    "--batch-size": String(sizing.batchSize),
    "--chunk-bytes": String(sizing.chunkBytes),
    "the version of batchpredict": PACKAGE_VERSION,
    "the version of ONNX Runtime": probe.runtimeVersion,
  };
  for (const { path: file, sizeBytes, mtimeMs } of description.files) {
    const label = file === "-" ? "stdin" : `the input ${file}`;
    fingerprint[label] = file === "-" ? "piped" : `${sizeBytes} bytes of ${dateText(mtimeMs)} (${await endsOf(file)})`;
  }
  for (const name of signature.externalData) {
    const file = path.resolve(path.dirname(signature.path), name);
    fingerprint[`the model's data ${name}`] = await endsOf(file);
  }
  return fingerprint;
}

function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 12);
}

function dateText(mtimeMs: number | null): string {
  return mtimeMs === null ? "unknown date" : `${new Date(mtimeMs).toISOString()}+${mtimeMs % 1}`;
}

/** Size and a hash of the first and last bytes. A file that cannot be read fails the run itself, with its own words. */
async function endsOf(file: string): Promise<string> {
  try {
    const handle = await open(file, "r");
    try {
      const { size, mtimeMs } = await handle.stat();
      const hash = createHash("sha256").update(`${size} ${mtimeMs}`);
      for (const start of [0, Math.max(0, size - END_BYTES)]) {
        const { bytesRead, buffer } = await handle.read(
          Buffer.alloc(Math.min(END_BYTES, size)),
          0,
          Math.min(END_BYTES, size),
          start,
        );
        hash.update(buffer.subarray(0, bytesRead));
      }
      return hash.digest("hex").slice(0, 12);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isErrno(error, "ESPIPE")) return "a pipe";
    return "unreadable";
  }
}
