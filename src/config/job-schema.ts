/**
 * The schema of a job file, version 1: what may stand in it, and the JSON Schema that editors use.
 * Refusals that need words carry them as `message|expected`; `job-issues.ts` turns zod's issues into errors with lines.
 *
 * Decided here where the contract is silent:
 * - `bind: {features, inputs, shapes, constants}`; `inputs: {INPUT: [columns]}` is the flag `--bind`, one key per model input.
 * - `missing` is a policy (`nan`, `reject`, or the value itself), or `{default: policy, columns: {COLUMN: policy}}`.
 * - Texts that look like numbers may be written without quotes where a text is meant (`nullValues: [-999]`, `constants`).
 */

import { z } from "zod";
import { IF_EXISTS, SINK_FORMATS, SOURCE_FORMATS } from "./enumerations.ts";
import { refuse, schedulingFields } from "./schedule-schema.ts";
import { parseSize } from "./units.ts";

const text = z.string().min(1);
/** Column names, constants, missing values: `read-job.ts` hands these on as written, so `0.10` stays "0.10". */
const scalar = z.union([z.string(), z.number(), z.boolean()], { error: "expected a text or a number" });
/** One text reads as the flag would: comma separated, `*`, `none`. Names that hold commas go into a list. */
const columns = z.union([scalar, z.array(scalar)], { error: "expected a list of columns" });
const positive = z.int().min(1);
const orAuto = (what: string) => z.union([positive, z.literal("auto")], { error: `expected ${what}, or auto` });

/** Bytes: a number, or a text with a unit. */
const size = z
  .union([positive, z.string()], { error: "expected a size in bytes, for example 8MiB" })
  .superRefine((value, ctx) => {
    if (typeof value === "string" && !parseSize(value))
      refuse(ctx, value, "is no size", "bytes, for example 1000000, 512k, 8MiB");
  });

export const csvSchema = z
  .strictObject({
    delimiter: text.describe("One character, or tab, comma, semicolon, pipe, space. Sniffed when absent."),
    quote: z.string().nullable().describe('One character, or null: no quoting. Default ".'),
    escape: text.describe("One character. Default: the quote itself, doubled."),
    encoding: text.describe("utf-8, utf-16le, utf-16be, latin1, windows-1252, ..."),
    header: z.boolean(),
    nullValues: z.array(scalar).describe('Cell texts that mean "missing". Default [""].'),
    decimal: z.enum([".", ","]),
    comment: z.string().nullable().describe("Lines that start with it are skipped."),
    columnTypes: z.record(z.string(), z.enum(["utf8", "int64", "float64", "bool"])).describe("Types of kept columns."),
    maxRecordBytes: size.describe("A longer record is an error. Default 16MiB."),
  })
  .partial();

const inputSchema = z.strictObject({
  path: z
    .union([text, z.array(text).min(1)], { error: "expected a path or a list of paths" })
    .describe("Files, globs or folders."),
  format: z.enum(SOURCE_FORMATS).describe("When the name does not tell.").optional(),
  csv: csvSchema.optional(),
});

const bindSchema = z
  .strictObject({
    features: columns.describe("Columns that feed a model with one [N,F] input, in order: names, a..b ranges, globs."),
    inputs: z.record(z.string(), columns).describe("Columns for a model input: {INPUT: [columns]}."),
    shapes: z
      .record(z.string(), z.array(positive).min(1))
      .describe("Shape of one row for inputs of higher rank: {history: [24, 3]}."),
    constants: z
      .record(z.string(), z.union([scalar, z.array(scalar).min(1)], { error: "expected a value or a list of values" }))
      .describe("The same value for every row: {INPUT: value}."),
  })
  .partial();

const policy = scalar.describe("nan, reject, or the value that takes the place of a missing one.");

const missingSchema = z.union(
  [policy, z.strictObject({ default: policy.optional(), columns: z.record(z.string(), policy).optional() })],
  { error: "expected nan, reject, a value, or {default, columns}" },
);

const errorsSchema = z.strictObject({
  on: z.enum(["fail", "reject"]).describe("A bad row stops the run, or is put aside with the reason.").optional(),
  max: z
    .union(
      [z.int().min(0), z.string().regex(/^\d+(\.\d+)?%$/, { error: 'is no limit|rows or a share, for example 100 or "1%"' })],
      {
        error: 'expected rows or a share, for example 100 or "1%"',
      },
    )
    .describe("More rejected rows than this fail the run: rows, or percent of the rows read.")
    .optional(),
  rejects: text.describe("Where rejected rows go. Default: beside the output, or in the database.").optional(),
});

const outputSchema = z
  .strictObject({
    path: text.describe(".parquet, .db/.sqlite/.sqlite3, .csv, .arrow/.feather"),
    format: z.enum(SINK_FORMATS).optional(),
    table: text.describe("SQLite table. Default predictions.").optional(),
    ifExists: z.enum(IF_EXISTS).describe("Default fail: nothing is overwritten without being told.").optional(),
    key: columns.describe("Columns that identify a row.").optional(),
  })
  .superRefine((output, ctx) => {
    const keys = output.key === undefined ? 0 : Array.isArray(output.key) ? output.key.length : 1;
    if (output.ifExists === "upsert" && keys === 0) {
      refuse(ctx, output, "ifExists: upsert without key", "key: the columns that identify a row, for example key: [id]");
    }
  });

const outputsSchema = z.union(
  [
    text,
    z
      .array(z.union([text, z.strictObject({ name: text, alias: text.optional() })], { error: "expected NAME or NAME=ALIAS" }))
      .min(1),
  ],
  { error: "expected a list of model outputs" },
);

export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

export const jobSchema = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(1, { error: "is an unknown version|1" }).describe("Version of the job file format."),
  name: z
    .string()
    .regex(NAME_PATTERN, { error: "is no job name|letters, digits, . _ and -, starting with a letter or digit" })
    .superRefine((name, ctx) => {
      if (/\.(ya?ml|json)$/i.test(name)) refuse(ctx, name, "is no job name", "a name without .yaml, .yml or .json");
    })
    .describe("Default: the name of the file without its extension.")
    .optional(),
  description: z.string().optional(),
  model: z.strictObject({
    path: text.describe("ONNX file."),
    sha256: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/, { error: "is no SHA-256|64 hexadecimal digits" })
      .describe("When given, the file must have this hash.")
      .optional(),
  }),
  input: inputSchema,
  bind: bindSchema.optional(),
  keep: columns
    .describe('Input columns copied to the output: a list, "*" for all, none. Default: those that feed no model input.')
    .optional(),
  outputs: outputsSchema.describe("Model outputs to write: [NAME, NAME=ALIAS].").optional(),
  transform: text
    .describe("An ES module (.mjs) that makes new columns from those of the input, run on every chunk of rows in the workers.")
    .optional(),
  missing: missingSchema.describe("An empty cell for a numeric input. Default nan for floats, reject for others.").optional(),
  output: outputSchema,
  errors: errorsSchema.optional(),
  batchSize: orAuto("rows per inference call").describe("Rows per inference call.").optional(),
  workers: orAuto("a number of workers").optional(),
  threads: orAuto("ONNX threads per worker").describe("ONNX threads per worker.").optional(),
  chunkBytes: z
    .union([size, z.literal("auto")])
    .describe("Size of one unit of work, for example 8MiB.")
    .optional(),
  memoryLimit: size.describe("Resident memory that the whole run may take, for example 350MB.").optional(),
  limit: z.int().min(0).describe("Only the first N rows.").optional(),
  whereRows: z
    .string()
    .regex(/^\d+\.\.\d*$/, { error: "is no range of rows|A..B: first row from 0, end not included" })
    .describe("Only rows A..B, from 0, end not included.")
    .optional(),
  ...schedulingFields,
});

/** A job as it stands in the file, environment and templates filled in. */
export type Job = z.infer<typeof jobSchema>;
