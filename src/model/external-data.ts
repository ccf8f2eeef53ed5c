/** Weights beside the model file: every one must be there, in full, and inside the model's folder (ONNX IR, "External Tensor Data"). */
import { open, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BatchPredictError, isErrno } from "../core/errors.ts";
import { foreignFile } from "./foreign-files.ts";
import type { ExternalTensor } from "./model-structure.ts";

/**
 * Locations as in the file, each once, in order of first use.
 * @throws BP_MODEL_INVALID (a path that leaves the folder, a file too short), BP_MODEL_NOT_FOUND, BP_MODEL_UNREADABLE
 */
export async function checkExternalData(modelPath: string, tensors: readonly ExternalTensor[]): Promise<string[]> {
  const neededBytes = new Map<string, number>();
  for (const { tensor, location, offset, length } of tensors) {
    if (!staysInside(location)) {
      throw new BatchPredictError(
        "BP_MODEL_INVALID",
        `${basename(modelPath)} keeps the weights "${tensor}" outside of its own folder; such a path is never followed`,
        {
          where: { file: modelPath },
          expected: "a file name relative to the model's folder",
          actual: location === "" ? "no location at all" : location,
          hints: [
            "do not run this model unless you know where it comes from",
            "save it again with its weights beside it (onnx.save_model with location=...)",
          ],
        },
      );
    }
    neededBytes.set(location, Math.max(neededBytes.get(location) ?? 0, offset + (length ?? 0)));
  }
  for (const [location, bytes] of neededBytes) await checkFile(modelPath, location, bytes);
  return [...neededBytes.keys()];
}

/** Both kinds of slash count, whatever the machine: the file may come from another one. */
function staysInside(location: string): boolean {
  if (location === "" || location.includes("\0") || /^([\\/]|[A-Za-z]:)/.test(location)) return false;
  let depth = 0;
  for (const part of location.split(/[\\/]/)) {
    if (part === "..") depth--;
    else if (part !== "" && part !== ".") depth++;
    if (depth < 0) return false;
  }
  return depth > 0;
}

async function checkFile(modelPath: string, location: string, neededBytes: number): Promise<void> {
  const path = join(dirname(modelPath), location);
  const where = { file: path };
  try {
    const info = await stat(path);
    if (!info.isFile())
      throw new BatchPredictError("BP_MODEL_UNREADABLE", `the weights ${location} of ${basename(modelPath)} are not a file`, {
        where,
      });
    if (info.size >= neededBytes && info.size > 0) return;
    const foreign = foreignFile(await head(path));
    throw new BatchPredictError(
      "BP_MODEL_INVALID",
      foreign === null
        ? `the weights ${location} of ${basename(modelPath)} end too early`
        : `the weights ${location} of ${basename(modelPath)} are ${foreign.is}`,
      {
        where,
        expected: `at least ${neededBytes} bytes`,
        actual: `${info.size} bytes`,
        hints: foreign?.hints ?? ["copy or download the file again"],
      },
    );
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) {
      throw new BatchPredictError(
        "BP_MODEL_NOT_FOUND",
        `${basename(modelPath)} keeps its weights in ${location}, which is missing`,
        {
          where,
          hints: [
            `put ${location} into the folder of the model, under exactly this name: it belongs to the model and is renamed only by exporting again`,
          ],
          cause: error,
        },
      );
    }
    if (isErrno(error, "EACCES", "EPERM")) {
      throw new BatchPredictError(
        "BP_MODEL_UNREADABLE",
        `no permission to read ${location}, the weights of ${basename(modelPath)}`,
        { where, cause: error },
      );
    }
    if (error instanceof BatchPredictError) throw error;
    const actual = error instanceof Error ? error.message : String(error);
    throw new BatchPredictError("BP_MODEL_UNREADABLE", `the weights ${location} of ${basename(modelPath)} cannot be read`, {
      where,
      actual,
      cause: error,
    });
  }
}

async function head(path: string): Promise<Uint8Array> {
  const handle = await open(path, "r");
  try {
    const bytes = new Uint8Array(512);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
