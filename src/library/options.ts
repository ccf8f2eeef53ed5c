/** The library's options and how they become the same settings as the command line's flags: one way to resolve a run. */
import type { RunFlags } from "../config/run-flags.ts";
import { joinList } from "../config/split-list.ts";
import type { IfExists, SinkFormat } from "../core/sink.ts";
import type { SourceFormat } from "../core/source.ts";

/** Column selectors: literal names, `a..b` ranges, globs. */
export type Columns = readonly string[];

export interface PlanOptions {
  /** Name of a job in `jobsDir`, or path of a job file; the other options win over it. */
  job?: string;
  /** Default: "jobs". */
  jobsDir?: string;
  model?: string;
  /** Files, globs, folders, or "-" for stdin. */
  input?: string | readonly string[];
  inputFormat?: SourceFormat;
  output?: string;
  outputFormat?: SinkFormat;
  table?: string;
  ifExists?: IfExists;
  key?: Columns;
  /** Columns of the one wide input, in order. */
  features?: Columns;
  /** Columns per model input. */
  bind?: Readonly<Record<string, Columns>>;
  /** Shape of one row per model input of higher rank. */
  shapes?: Readonly<Record<string, readonly number[]>>;
  /** Fixed values per model input: one value (number, bigint, boolean, text), or nested lists or typed arrays in the input's shape. */
  constants?: Readonly<Record<string, unknown>>;
  /** Columns copied to the output; [] for none. Default: those that feed no input. */
  keep?: Columns;
  /** Model outputs to write; a record gives aliases. */
  outputs?: readonly string[] | Readonly<Record<string, string>>;
  batchSize?: number | "auto";
  workers?: number | "auto";
  threads?: number | "auto";
  chunkBytes?: number | "auto";
  /** Resident memory that the whole process may take. */
  memoryLimitBytes?: number;
  missing?: "nan" | "reject" | { value: string | number };
  onError?: "fail" | "reject";
  maxRejects?: { rows: number } | { percent: number };
  rejects?: string;
  csv?: {
    delimiter?: string;
    quote?: string | null;
    escape?: string;
    encoding?: string;
    header?: boolean;
    nullValues?: readonly string[];
    decimal?: "." | ",";
    comment?: string;
    columnTypes?: Readonly<Record<string, "utf8" | "int64" | "float64" | "bool">>;
  };
  limit?: number;
  /** 0-based, end exclusive; Infinity for all that follow. */
  whereRows?: { start: number; end: number };
  /** 1-based index. */
  shard?: { index: number; count: number };
  /** What relative paths are relative to. Default: the working directory. */
  cwd?: string;
  signal?: AbortSignal;
}

export interface RunRequest extends PlanOptions {
  fresh?: boolean;
  /** Check everything, write nothing. */
  dryRun?: boolean;
}

/** `--keep none` keeps nothing; a column of that name is the range of itself. */
const NONE_COLUMN = "none..none";

/** Elements as texts in a JSON list: NaN, infinities and 64-bit integers have no JSON form of their own. */
function constantText(value: unknown): string {
  const texts = (part: unknown): unknown => (isList(part) ? Array.from(part, texts) : String(part));
  return isList(value) || String(value).trim().startsWith("[")
    ? JSON.stringify(texts(isList(value) ? value : [value]))
    : String(value);
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

export function flagsOf(options: RunRequest): RunFlags {
  const list = (columns: Columns | undefined): string | undefined => columns && joinList(columns);
  const pairs = <Value>(
    entries: Readonly<Record<string, Value>> | undefined,
    text: (value: Value) => string,
  ): string[] | undefined => entries && Object.entries(entries).map(([name, value]) => `${name}=${text(value)}`);
  const text = (value: number | string | undefined): string | undefined => (value === undefined ? undefined : String(value));
  const { csv = {}, maxRejects, missing, whereRows, shard, outputs } = options;
  const flags: RunFlags = {
    model: options.model,
    input: options.input,
    inputFormat: options.inputFormat,
    output: options.output,
    outputFormat: options.outputFormat,
    table: options.table,
    ifExists: options.ifExists,
    key: options.key?.length === 0 ? undefined : list(options.key),
    features: list(options.features),
    bind: pairs(options.bind, joinList),
    shape: pairs(options.shapes, (shape) => shape.join("x")),
    const: pairs(options.constants, constantText),
    keep: options.keep?.length === 0 ? "none" : list(options.keep?.map((column) => (column === "none" ? NONE_COLUMN : column))),
    outputs: list(Array.isArray(outputs) ? outputs : pairs(outputs as Record<string, string> | undefined, String)),
    batchSize: text(options.batchSize),
    workers: text(options.workers),
    threads: text(options.threads),
    chunkBytes: text(options.chunkBytes),
    memoryLimit: text(options.memoryLimitBytes),
    missing: typeof missing === "object" ? String(missing.value) : missing,
    onError: options.onError,
    maxRejects: maxRejects && ("rows" in maxRejects ? String(maxRejects.rows) : `${maxRejects.percent}%`),
    rejects: options.rejects,
    delimiter: csv.delimiter,
    quote: csv.quote === null ? "none" : csv.quote,
    escape: csv.escape,
    encoding: csv.encoding,
    header: csv.header,
    nullValues: csv.nullValues && joinList(csv.nullValues),
    decimal: csv.decimal,
    comment: csv.comment,
    columnType: pairs(csv.columnTypes, String),
    limit: text(options.limit),
    whereRows: whereRows && `${whereRows.start}..${whereRows.end === Number.POSITIVE_INFINITY ? "" : whereRows.end}`,
    shard: shard && `${shard.index}/${shard.count}`,
    fresh: options.fresh,
  };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}
