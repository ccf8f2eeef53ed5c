/** A run, resolved: every value decided, each with its origin. Flags win over the job file, which wins over the environment, which wins over defaults. */
import type { IfExists, SinkFormat } from "./sink.ts";
import type { CsvOptions, SourceFormat } from "./source.ts";

export interface UndecidedPair {
  flag: "--bind" | "--const";
  /** As given, `NAME=REST`. */
  text: string;
}

export interface RunSettings {
  job: string | null;
  /** Absolute path. */
  model: string;
  /** When given, the file must have this hash. */
  modelSha256: string | null;
  /** Files, globs, folders or "-", as given; relative ones already resolved against the job file or the working directory. */
  inputs: string[];
  inputFormat: SourceFormat | null;
  csv: CsvOptions;
  output: string;
  outputFormat: SinkFormat;
  table: string;
  ifExists: IfExists;
  key: string[];
  /** Column selectors (name, a..b, glob). null: not given. */
  features: string[] | null;
  bind: Record<string, string[]>;
  /** Shape of one row for inputs of higher rank, e.g. {history: [24, 3]}. */
  shapes: Record<string, number[]>;
  constants: Record<string, string>;
  /** Texts with more than one `=`: which is the border, the model's names tell. */
  undecided?: UndecidedPair[];
  /** null: default (those that feed no input); []: none. */
  keep: string[] | null;
  outputs: { name: string; alias: string | null }[] | null;
  batchSize: number | "auto";
  workers: number | "auto";
  threads: number | "auto";
  chunkBytes: number | "auto";
  /** Resident memory that the whole process may take; absent or null: the container's, if it has a limit. */
  memoryLimitBytes?: number | null;
  /** "auto": nan for floats, reject for others. */
  missing: {
    default: "auto" | "nan" | "reject" | { value: string };
    columns: Record<string, "nan" | "reject" | { value: string }>;
  };
  /** Absolute path of the job's preprocessing module; absent or null: none. */
  transform?: string | null;
  onError: "fail" | "reject";
  maxRejects: { rows: number } | { percent: number } | null;
  /** Absolute path of the rejects file, null: beside the output or in the database. */
  rejects: string | null;
  limit: number | null;
  /** 0-based, end exclusive. */
  whereRows: { start: number; end: number } | null;
  /** 1-based index. */
  shard: { index: number; count: number } | null;
  fresh: boolean;
  stateDir: string;
}

/** "flag --batch-size", "job file", "environment BATCHPREDICT_WORKERS", "default", "the model", "the data". */
export type Origin = string;

export interface ResolvedRun {
  settings: RunSettings;
  origins: Partial<Record<keyof RunSettings | string, Origin>>;
}
