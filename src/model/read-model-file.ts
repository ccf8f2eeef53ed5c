import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { BatchPredictError, isErrno } from "../core/errors.ts";
import { suggest } from "../core/suggest.ts";
import { foreignFile } from "./foreign-files.ts";

export interface ModelFile {
  bytes: Uint8Array<ArrayBuffer>;
  /** Lower-case hex of the file as it is on disk. */
  sha256: string;
}

/** A protobuf message and a flatbuffer both end here; bigger models keep their weights in files beside them. */
const MAX_BYTES = 2 ** 31 - 1;
const HEAD_BYTES = 512;

/**
 * Reads and hashes a model in one pass, in pieces, so that the calling thread stays responsive. Costs the file's size in memory.
 * @throws BP_MODEL_NOT_FOUND, BP_MODEL_UNREADABLE (folder, permissions, I/O), BP_MODEL_INVALID (empty, not a model, over 2 GiB)
 */
export async function readModelFile(path: string): Promise<ModelFile> {
  const where = { file: path };
  const name = basename(path);
  try {
    const info = await stat(path);
    if (info.isDirectory()) {
      throw new BatchPredictError("BP_MODEL_UNREADABLE", `${name} is a folder, not a model file`, {
        where,
        hints: await modelsInside(path),
      });
    }
    if (!info.isFile()) {
      throw new BatchPredictError("BP_MODEL_UNREADABLE", `${name} is not a regular file: a model is read more than once`, {
        where,
        hints: ["save it to a file first and give that one with --model"],
      });
    }
    if (info.size === 0) {
      throw new BatchPredictError("BP_MODEL_INVALID", `${name} is empty (0 bytes)`, {
        where,
        hints: ["export or download the model again"],
      });
    }
    const foreign = foreignFile(await readHead(path));
    if (foreign !== null)
      throw new BatchPredictError("BP_MODEL_INVALID", `${name} is ${foreign.is}`, { where, hints: foreign.hints });
    if (info.size > MAX_BYTES) {
      throw new BatchPredictError("BP_MODEL_INVALID", `${name} is larger than one ONNX file can be`, {
        where,
        expected: "at most 2 GiB",
        actual: `${info.size} bytes`,
        hints: ["export it with its weights in a file of their own (external data)"],
      });
    }
    return await readHashed(path, info.size);
  } catch (error) {
    throw await explainIo(error, path);
  }
}

async function readHead(path: string): Promise<Uint8Array> {
  const handle = await open(path, "r");
  try {
    const head = new Uint8Array(HEAD_BYTES);
    const { bytesRead } = await handle.read(head, 0, HEAD_BYTES, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function readHashed(path: string, sizeBytes: number): Promise<ModelFile> {
  const hash = createHash("sha256");
  const bytes = new Uint8Array(sizeBytes);
  let position = 0;
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const block: Uint8Array = piece;
    if (position + block.length > sizeBytes) throw changed(path);
    hash.update(block);
    bytes.set(block, position);
    position += block.length;
  }
  if (position !== sizeBytes) throw changed(path);
  return { bytes, sha256: hash.digest("hex") };
}

function changed(path: string): BatchPredictError {
  return new BatchPredictError("BP_MODEL_CHANGED", `${basename(path)} changed its size while it was being read`, {
    where: { file: path },
    hints: ["wait until whatever writes it has finished, then run again"],
  });
}

async function explainIo(error: unknown, path: string): Promise<unknown> {
  if (error instanceof BatchPredictError) return error;
  const where = { file: path };
  if (isErrno(error, "ENOENT", "ENOTDIR")) {
    const near = suggest(basename(path), await listing(dirname(path)));
    const hints = near.length > 0 ? [`did you mean ${near.join(" or ")}?`] : ["check --model"];
    return new BatchPredictError("BP_MODEL_NOT_FOUND", `there is no model at ${path}`, { where, hints, cause: error });
  }
  if (isErrno(error, "EACCES", "EPERM")) {
    const hints = ["give the user that runs this read permission on the file and on its folders"];
    return new BatchPredictError("BP_MODEL_UNREADABLE", `no permission to read ${path}`, { where, hints, cause: error });
  }
  const actual = error instanceof Error ? error.message : String(error);
  return new BatchPredictError("BP_MODEL_UNREADABLE", `${path} cannot be read`, { where, actual, cause: error });
}

async function modelsInside(folder: string): Promise<string[]> {
  const models = (await listing(folder)).filter((name) => /\.(onnx|ort)$/i.test(name)).sort();
  return models.length > 0
    ? [`it holds ${models.slice(0, 3).join(", ")}: give one of them with --model`]
    : ["give the .onnx file itself with --model"];
}

/** Only used for hints, so a folder that cannot be listed is no second error. */
async function listing(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
