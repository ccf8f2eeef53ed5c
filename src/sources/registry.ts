/** Formats by name: one line each. Libraries are loaded only for the format at hand. */
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { BindingPlan } from "../core/binding-plan.ts";
import { BatchPredictError, isErrno } from "../core/errors.ts";
import {
  type ChunkReader,
  type OpenReader,
  type ReaderOptions,
  type Source,
  type SourceDescription,
  type SourceFile,
  type SourceFormat,
  type SourceOptions,
  sourceFormatOfName,
} from "../core/source.ts";
import { expandInputs } from "./expand-inputs.ts";

const HEAD_BYTES = 8;

type OpenSource = (files: SourceFile[], options: SourceOptions, stdin?: Readable) => Promise<Source>;

interface FormatEntry {
  source(): Promise<OpenSource>;
  reader(): Promise<OpenReader>;
  /** Loads what the reader loads when it is opened. */
  preload?(): Promise<void>;
}

const arrow: FormatEntry = {
  source: async () => (await import("./arrow/index.ts")).openArrowSource,
  reader: async () => (await import("./arrow/index.ts")).openArrowReader,
};

const FORMATS: Record<SourceFormat, FormatEntry> = {
  csv: {
    source: async () => (await import("./csv/index.ts")).openCsvSource,
    reader: async () => (await import("./csv/reader.ts")).openCsvReader,
    preload: async () => (await import("./csv/reader.ts")).preloadCsvReader(),
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
  const stream = piped ? stdin() : undefined;
  const format = options.format ?? (stream ? await formatOfStream(stream) : await commonFormat(files));
  const openFormat = await FORMATS[format].source();
  return openFormat(files, options, stream);
}

/** A pipe has no name: its first bytes decide, and are put back. */
async function formatOfStream(stream: Readable): Promise<SourceFormat> {
  // A stream with fewer bytes gives what it has once it has ended; bytes must go back before it notices that nothing is left.
  let head: Buffer | null = stream.read(HEAD_BYTES);
  while (head === null && !stream.readableEnded && (await moreToRead(stream))) head = stream.read(HEAD_BYTES);
  if (head === null) return "csv";
  stream.unshift(head);
  return formatOfHead(head) ?? (head[0] === 0x7b ? "jsonl" : "csv");
}

/** @returns false at the end of the stream @throws what the stream failed with */
function moreToRead(stream: Readable): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => (): void => {
      stream.off("readable", onReadable).off("end", onEnd).off("error", onError).off("close", onEnd);
      act();
    };
    const onReadable = settle(() => resolve(true));
    const onEnd = settle(() => resolve(false));
    const onError = (error: Error): void => settle(() => reject(error))();
    stream.once("readable", onReadable).once("end", onEnd).once("error", onError).once("close", onEnd);
  });
}

export async function openReader(
  description: SourceDescription,
  plan: BindingPlan,
  options: ReaderOptions = {},
): Promise<ChunkReader> {
  const openFormat = await FORMATS[description.format].reader();
  return openFormat(description, plan, options);
}

/** Loads what reading such a source takes. */
export async function preloadReader(format: SourceFormat): Promise<void> {
  const { reader, preload = reader } = FORMATS[format];
  await preload();
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
  const known = formatOfHead(await firstBytes(path, HEAD_BYTES));
  return known ?? sourceFormatOfName(path);
}

/** By the marks that binary formats begin with; null for text. */
function formatOfHead(head: Buffer): SourceFormat | null {
  const mark = head.toString("latin1");
  if (mark.startsWith("ARROW1") || mark.startsWith("FEA1")) return "arrow";
  if (mark.startsWith("PAR1") || mark.startsWith("PARE")) return "parquet";
  // The continuation mark of an IPC message.
  return mark.startsWith("\xff\xff\xff\xff") ? "arrow-stream" : null;
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
