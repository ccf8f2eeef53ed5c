/** JSON Lines (NDJSON) as a source: one object per line, planned by bytes like CSV, columns from a sample spread over the files. */
import type { Readable } from "node:stream";
import type { Chunk } from "../../core/chunk.ts";
import { BatchPredictError } from "../../core/errors.ts";
import type {
  ChunkPlanOptions,
  CsvDialect,
  LineFormat,
  Source,
  SourceDescription,
  SourceFile,
  SourceOptions,
} from "../../core/source.ts";
import { DEFAULT_MAX_RECORD_BYTES } from "../csv/dialect.ts";
import { codecOf } from "../csv/encoding.ts";
import { type InputHead, readHead, stdinBytes, streamOf } from "../csv/head.ts";
import { type PeekedBytes, statInput } from "../csv/input.ts";
import { type PlannedFile, planChunks } from "../csv/plan-chunks.ts";
import { tokensOf } from "../csv/records.ts";
import { ColumnSample } from "./infer-columns.ts";
import { type JsonProblem, JsonScanner, type Members } from "./scan-json.ts";

const HEAD_BYTES = 256 * 1024;
/** Head of every further file. */
const NEXT_HEAD_BYTES = 64 * 1024;
const PREVIEW_RECORDS = 5;

interface Opened {
  file: SourceFile;
  stdin: PeekedBytes | null;
  head: InputHead;
}

/** What the sample holds so far. */
class Sample {
  readonly columns = new ColumnSample();
  readonly preview: Map<string, string>[] = [];
  records = 0;
  bytes = 0;
  /** The first line that is no JSON object: 0-based line of its file, byte. */
  problem: { file: string; line: number; byte: number; what: JsonProblem } | null = null;
  private readonly scanner = new JsonScanner();

  /** Lines of bytes[start, end), which begin at line 0 of the file. */
  add(file: string, bytes: Buffer, start: number, end: number, encoding: string, first: boolean): void {
    const codec = codecOf(encoding);
    for (let at = start, line = 0; at < end; line++) {
      const feed = bytes.indexOf(10, at);
      const stop = feed < 0 || feed > end ? end : feed;
      const text = codec.decode(bytes.subarray(at, stop));
      if (text.trim() !== "") {
        const members = first && this.preview.length < PREVIEW_RECORDS ? this.shown() : this.columns;
        const what = this.scanner.object(text, 0, text.length, members);
        if (what !== null && first) this.problem ??= { file, line, byte: at, what };
        this.records += what === null ? 1 : 0;
      }
      at = stop + 1;
    }
    this.bytes += end - start;
  }

  private shown(): Members {
    const record = new Map<string, string>();
    this.preview.push(record);
    let name = "";
    return {
      key: (key) => {
        name = key;
        return this.columns.key(key);
      },
      value: (kind, text) => {
        record.set(name, text);
        this.columns.value(kind, text);
      },
    };
  }
}

/**
 * @param files in order; "-" takes `stdin`
 * @throws BP_INPUT_NOT_FOUND, BP_INPUT_UNREADABLE, BP_INPUT_FORMAT (empty, no JSON Lines, corrupt gzip), BP_CONFIG
 */
export async function openJsonlSource(given: SourceFile[], options: SourceOptions, stdin?: Readable): Promise<Source> {
  const peeked = given.some(({ path }) => path === "-") ? stdinBytes(stdin) : null;
  try {
    return await open(given, options, peeked);
  } catch (error) {
    await peeked?.close();
    throw error;
  }
}

async function open(given: SourceFile[], options: SourceOptions, peeked: PeekedBytes | null): Promise<Source> {
  const files = await Promise.all(given.map(statInput));
  const sample = new Sample();
  const all: Opened[] = [];
  for (const file of files) {
    const stdin = file.path === "-" ? peeked : null;
    all.push(await sampled(file, stdin, options, all[0]?.head ?? null, sample));
  }
  const { csv } = options;
  const first = all[0];
  if (first === undefined)
    throw new BatchPredictError("BP_INPUT_NOT_FOUND", "no input file was given", { hints: ["pass --input"] });
  if (sample.records === 0) throw nothingRead(first.file, sample);
  const lines: LineFormat = {
    encoding: first.head.encoding,
    compression: first.head.compression,
    nullValues: csv.nullValues ?? null,
    maxRecordBytes: csv.maxRecordBytes ?? DEFAULT_MAX_RECORD_BYTES,
  };
  const columns = sample.columns.columns(csv.columnTypes);
  const bytes = files.every(({ sizeBytes }) => sizeBytes !== null) ? files.reduce((sum, file) => sum + file.sizeBytes!, 0) : null;
  const whole = all.every(({ head }) => head.complete);
  const estimable = bytes !== null && !all.some(({ head }) => head.streamed);
  const description: SourceDescription = {
    format: "jsonl",
    files,
    columns,
    dialect: null,
    lines,
    rows: null,
    rowsEstimate: whole
      ? sample.records
      : estimable
        ? Math.max(1, Math.round((bytes * sample.records) / Math.max(1, sample.bytes)))
        : null,
    bytes,
    preview: sample.preview
      .filter((record) => record.size > 0)
      .map((record) => columns.map(({ name }) => record.get(name) ?? "")),
    notices: [],
  };
  return new JsonlSource(description, all);
}

async function sampled(
  file: SourceFile,
  stdin: PeekedBytes | null,
  options: SourceOptions,
  first: InputHead | null,
  sample: Sample,
): Promise<Opened> {
  if (file.path === "-" && stdin === null) {
    throw new BatchPredictError("BP_INPUT_UNREADABLE", "the input is stdin, but there is none", {
      hints: ["pipe data in, or name a file with --input"],
    });
  }
  const limit = options.csv.maxRecordBytes ?? DEFAULT_MAX_RECORD_BYTES;
  for (let wanted = first === null ? HEAD_BYTES : NEXT_HEAD_BYTES; ; wanted *= 4) {
    const head = await readHead(file, options.csv, stdin, wanted, first?.encoding ?? null);
    refuseDocument(file, head);
    const end = head.complete ? head.bytes.length : head.bytes.lastIndexOf(10) + 1;
    // A first line longer than a record may be is told by the planner, with its place.
    if (end <= head.textStart && !head.complete && head.bytes.length <= limit) continue;
    sample.add(file.path, head.bytes, head.textStart, Math.max(end, head.textStart), head.encoding, first === null);
    for (const block of head.samples) {
      const from = block.indexOf(10) + 1;
      const to = block.lastIndexOf(10) + 1;
      if (from > 0 && to > from) sample.add(file.path, block, from, to, head.encoding, false);
    }
    head.bytes = head.bytes.subarray(0, head.textStart);
    head.samples = [];
    return { file, stdin, head };
  }
}

/** One JSON array of everything is the usual mistake; it cannot be cut into chunks. */
function refuseDocument(file: SourceFile, head: InputHead): void {
  const start = /^\s*(\[)/.exec(head.bytes.subarray(head.textStart, head.textStart + 4096).toString("latin1"));
  if (start === null) return;
  throw new BatchPredictError("BP_INPUT_FORMAT", "the input is one JSON array, not JSON Lines", {
    where: { file: file.path, line: 1, byte: head.textStart },
    expected: "one JSON object per line",
    actual: "the input begins with [",
    hints: ["write one object per line: jq -c '.[]' FILE, or pandas' to_json(orient=\"records\", lines=True)"],
  });
}

function nothingRead(file: SourceFile, { problem }: Sample): BatchPredictError {
  if (problem === null) {
    return new BatchPredictError("BP_INPUT_FORMAT", "the input is empty: it has no record", {
      where: { file: file.path },
      hints: ["check what writes the file, or leave it out of --input"],
    });
  }
  const { line, byte, what } = problem;
  return new BatchPredictError("BP_INPUT_FORMAT", `the input is not JSON Lines: ${what.message}`, {
    where: { file: problem.file, line: line + 1, byte },
    expected: "one whole JSON object per line",
    hints: [
      "write any JSON as one value per line with jq -c . FILE",
      "if the file is of another format, say so with --input-format",
    ],
  });
}

class JsonlSource implements Source {
  private readonly planned: PlannedFile[];
  private readonly dialect: CsvDialect;
  private stdinUsed = false;

  constructor(
    readonly description: SourceDescription,
    private readonly inputs: readonly Opened[],
  ) {
    this.dialect = lineDialect(description.lines!);
    this.planned = inputs.map(({ file, head, stdin }) => ({
      file,
      dataStart: head.textStart,
      linesBefore: 0,
      plainLines: true,
      stream: head.streamed ? () => streamOf(file, head, stdin) : null,
    }));
  }

  chunks(options: ChunkPlanOptions): AsyncIterable<Chunk> {
    if (this.stdinUsed)
      throw new BatchPredictError("BP_INPUT_UNREADABLE", "stdin can be read only once", { where: { file: "-" } });
    this.stdinUsed = this.inputs.some(({ stdin }) => stdin !== null);
    return planChunks(this.planned, this.dialect, tokensOf(this.dialect), options);
  }

  async close(): Promise<void> {
    for (const { stdin } of this.inputs) await stdin?.close();
  }
}

/** A line is what a record without quotes and comments is: line feeds are the only borders. */
function lineDialect({ encoding, compression, maxRecordBytes }: LineFormat): CsvDialect {
  return {
    delimiter: ",",
    quote: null,
    escape: '"',
    encoding,
    bomBytes: 0,
    header: false,
    recordDelimiter: "\n",
    nullValues: [],
    decimal: ".",
    comment: null,
    maxRecordBytes,
    compression,
    sniffed: [],
  };
}
