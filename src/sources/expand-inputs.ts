/** What the user named (files, globs, folders, "-") -> the files of the run, in a fixed order. */
import type { Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BatchPredictError, isErrno } from "../core/errors.ts";
import type { SourceFile } from "../core/source.ts";
import { suggest } from "../core/suggest.ts";

/** Endings that make a file in a folder a data file. */
export const DATA_ENDINGS =
  /\.(csv|tsv|txt|csv\.gz|tsv\.gz|txt\.gz|jsonl|ndjson|jsonl\.gz|ndjson\.gz|arrow|arrows|feather|ipc|parquet|pq)$/i;

/** Files of a glob or folder come sorted by path, bytewise, so that a run reads them in the same order everywhere. */
export async function expandInputs(inputs: readonly string[]): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  for (const input of inputs) files.push(...(await expandOne(input)));
  return files;
}

async function expandOne(input: string): Promise<SourceFile[]> {
  if (input === "-") return [{ path: "-", sizeBytes: null, mtimeMs: null }];
  // A file whose own name has glob characters is that file.
  const direct = await statOrNull(input);
  if (direct?.isDirectory()) return filesIn(input);
  if (direct) return [{ path: input, sizeBytes: direct.isFile() ? direct.size : null, mtimeMs: direct.mtimeMs }];
  // Loaded only here: workers, and runs of one file, do without.
  const { glob, isDynamicPattern } = await import("tinyglobby");
  if (!isDynamicPattern(input)) throw await notFound(input);
  const paths = (await glob(input, { absolute: true, onlyFiles: true, expandDirectories: false })).sort(bytewise);
  if (paths.length === 0) {
    throw new BatchPredictError("BP_INPUT_NOT_FOUND", `no file matches ${input}`, {
      where: { file: input },
      hints: ["check the pattern; quote it so that the shell leaves it alone"],
    });
  }
  return Promise.all(paths.map(describe));
}

async function filesIn(folder: string): Promise<SourceFile[]> {
  const names = (await readdir(folder)).filter((name) => DATA_ENDINGS.test(name) && !/^[._]/.test(name)).sort(bytewise);
  if (names.length === 0) {
    throw new BatchPredictError("BP_INPUT_NOT_FOUND", "the input folder holds no data files", {
      where: { file: folder },
      expected: "files ending in .csv, .tsv, .csv.gz, .jsonl, .arrow, .feather, .parquet, ...",
      hints: ["name the files themselves, or a glob"],
    });
  }
  return Promise.all(names.map((name) => describe(join(folder, name))));
}

async function describe(path: string): Promise<SourceFile> {
  const { size, mtimeMs } = await stat(path);
  return { path, sizeBytes: size, mtimeMs };
}

async function statOrNull(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ENAMETOOLONG")) return null;
    throw new BatchPredictError("BP_INPUT_UNREADABLE", "the input cannot be read", {
      where: { file: path },
      actual: error instanceof Error ? error.message : String(error),
      hints: ["check the permissions of the file and of the folders above it"],
      cause: error,
    });
  }
}

async function notFound(path: string): Promise<BatchPredictError> {
  const siblings = await readdir(dirname(path)).catch(() => []);
  const near = suggest(basename(path), siblings);
  return new BatchPredictError("BP_INPUT_NOT_FOUND", "the input file does not exist", {
    where: { file: path },
    hints:
      near.length > 0 ? near.map((name) => `did you mean ${join(dirname(path), name)}?`) : ["check the path given to --input"],
  });
}

function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
