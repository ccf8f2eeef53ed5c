/** Formats by name: one line each. Libraries are loaded only for the format at hand. */
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { BindingPlan } from "../core/binding-plan.ts";
import { BatchPredictError, isErrno } from "../core/errors.ts";
import type {
  ChunkReader,
  OpenReader,
  ReaderOptions,
  Source,
  SourceDescription,
  SourceFile,
  SourceFormat,
  SourceOptions,
} from "../core/source.ts";
import { expandInputs } from "./expand-inputs.ts";

type OpenSource = (files: SourceFile[], options: SourceOptions, stdin?: Readable) => Promise<Source>;

interface FormatEntry {
  source(): Promise<OpenSource>;
  reader(): Promise<OpenReader>;
}

const arrow: FormatEntry = {
  source: async () => (await import("./arrow/index.ts")).openArrowSource,
  reader: async () => (await import("./arrow/index.ts")).openArrowReader,
};

const FORMATS: Record<SourceFormat, FormatEntry> = {
  csv: {
    source: async () => (await import("./csv/index.ts")).openCsvSource,
    reader: async () => (await import("./csv/reader.ts")).openCsvReader,
  },
  jsonl: {
    source: async () => (await import("./jsonl/index.ts")).openJsonlSource,
    reader: async () => (await import("./jsonl/reader.ts")).openJsonlReader,
  },
  arrow,
  "arrow-stream": arrow,
  parquet: {
    source: async () => (await import("./parquet/index.ts")).openParquetSource,
    reader: async () => (await import("./parquet/index.ts")).openParquetReader,
  },
};

/**
 * @param inputs absolute paths, globs, folders or "-"
 * @throws BP_INPUT_NOT_FOUND, BP_INPUT_UNREADABLE, BP_INPUT_FORMAT, BP_SOURCE_SCHEMA
 */
export async function openSource(inputs: readonly string[], options: SourceOptions, stdin: () => Readable): Promise<Source> {
  const files = await expandInputs(inputs);
  const piped = files.some((file) => file.path === "-");
  if (piped && files.length > 1) {
    throw new BatchPredictError("BP_CONFIG", "stdin (-) cannot be mixed with other inputs", {
      hints: ["read either stdin or files"],
    });
  }
  const format = options.format ?? (await commonFormat(files));
  const openFormat = await FORMATS[format].source();
  return piped ? openFormat(files, { ...options, format }, stdin()) : openFormat(files, { ...options, format });
}

export async function openReader(
  description: SourceDescription,
  plan: BindingPlan,
  options: ReaderOptions = {},
): Promise<ChunkReader> {
  const openFormat = await FORMATS[description.format].reader();
  return openFormat(description, plan, options);
}

async function commonFormat(files: SourceFile[]): Promise<SourceFormat> {
  const formats = await Promise.all(files.map((file) => formatOf(file.path)));
  const odd = formats.findIndex((format) => format !== formats[0]);
  if (odd > 0) {
    throw new BatchPredictError("BP_SOURCE_SCHEMA", "the inputs of one run must have one format", {
      where: { file: files[odd]!.path },
      expected: `${formats[0]}, as ${files[0]!.path}`,
      actual: formats[odd]!,
      hints: ["run them one after the other", "or say what they are with --input-format"],
    });
  }
  return formats[0]!;
}

/** The first bytes decide where they are sure (Parquet, Arrow), then the name; everything else is text. */
async function formatOf(path: string): Promise<SourceFormat> {
  if (path === "-") return "csv";
  const head = await firstBytes(path, 8);
  if (head.subarray(0, 6).toString("latin1") === "ARROW1") return "arrow";
  if (head.subarray(0, 4).toString("latin1") === "PAR1" || head.subarray(0, 4).toString("latin1") === "PARE") return "parquet";
  if (/\.(parquet|pq)$/i.test(path)) return "parquet";
  if (/\.arrows$/i.test(path) || padded(head).readUInt32LE(0) === 0xffffffff) return "arrow-stream";
  if (/\.(jsonl|ndjson)(\.gz)?$/i.test(path)) return "jsonl";
  if (/\.(arrow|feather|ipc)$/i.test(path) || head.subarray(0, 4).toString("latin1") === "FEA1") return "arrow";
  return "csv";
}

function padded(head: Buffer): Buffer {
  return Buffer.concat([head, Buffer.alloc(8)]);
}

async function firstBytes(path: string, count: number): Promise<Buffer> {
  try {
    const handle = await open(path, "r");
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(count), 0, count, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    const absent = isErrno(error, "ENOENT");
    throw new BatchPredictError(
      absent ? "BP_INPUT_NOT_FOUND" : "BP_INPUT_UNREADABLE",
      absent ? "the input file does not exist" : "the input cannot be read",
      {
        where: { file: path },
        actual: error instanceof Error ? error.message : String(error),
        hints: [
          absent
            ? "check the path given to --input"
            : isErrno(error, "ESPIPE")
              ? "a pipe can only be read as standard input: COMMAND | batchpredict run --input - ..."
              : "check that it is a file that you may read",
        ],
        cause: error,
      },
    );
  }
}
