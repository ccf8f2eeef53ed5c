/** The CSV dialect as the user gave it; what is not given stays out and is sniffed. */
import type { CsvOptions } from "../core/source.ts";
import type { Layers } from "./layers.ts";
import { asList, type RunFlags } from "./run-flags.ts";
import * as read from "./setting-parsers.ts";

const COLUMN_TYPES = ["utf8", "int64", "float64", "bool"] as const;
const MAX_RECORD_BYTES = 1024 ** 3;

export function resolveCsv(flags: RunFlags, layers: Layers): CsvOptions {
  const csv: CsvOptions = {};
  const take = <K extends keyof CsvOptions>(
    key: K,
    flagName: string,
    flag: string | boolean | undefined,
    parse: read.Parser<NonNullable<CsvOptions[K]> | Extract<CsvOptions[K], null>>,
  ): void => {
    const given = layers.one(`csv.${key}`, { flagName, flag, jobPath: `input.csv.${key}` }, parse);
    if (given) csv[key] = given.value as NonNullable<CsvOptions[K]>;
  };
  take("delimiter", "--delimiter", flags.delimiter, read.delimiter);
  take("quote", "--quote", flags.quote, read.quote);
  take("escape", "--escape", flags.escape, read.escapeCharacter);
  take("encoding", "--encoding", flags.encoding, read.encoding);
  take("header", "--header", flags.header, read.truth);
  take("decimal", "--decimal", flags.decimal, read.choice([".", ","] as const));
  take("comment", "--comment", flags.comment, read.comment);
  take("maxRecordBytes", "--max-record-bytes", flags.maxRecordBytes, read.size(1024, MAX_RECORD_BYTES));

  const nullPlaces = { flagName: "--null-values", flag: flags.nullValues, jobPath: "input.csv.nullValues" };
  const nullValues = layers.list("csv.nullValues", nullPlaces, read.list("text", true));
  if (nullValues) csv.nullValues = nullValues.value;

  const fromJob = layers.jobValue("input.csv.columnTypes") as CsvOptions["columnTypes"];
  const types = { ...fromJob };
  if (fromJob) layers.origins["csv.columnTypes"] = layers.jobOrigin("input.csv.columnTypes");
  for (const text of flags.columnType === undefined ? [] : asList(flags.columnType)) {
    layers.origins["csv.columnTypes"] = "flag --column-type";
    const given = read.pair(text, "last");
    const type = read.choice(COLUMN_TYPES)(given?.value.trim() ?? "");
    if (!given)
      layers.refuse("--column-type", "flag", text, { is: "is no NAME=TYPE", expected: `a type of ${COLUMN_TYPES.join(", ")}` });
    else if ("value" in type) types[given.name] = type.value;
    else layers.refuse("--column-type", "flag", text, { ...type, is: "has an unknown type" });
  }
  if (Object.keys(types).length > 0) csv.columnTypes = types;

  checkDialect(csv, layers);
  return csv;
}

function checkDialect({ delimiter, quote, decimal, comment }: CsvOptions, layers: Layers): void {
  const clash = (a: string, b: string, both: string): void =>
    layers.conflict(`${a} and ${b} are both ${JSON.stringify(both)}`, [`give ${a} or ${b} another character`]);
  if (delimiter !== undefined && delimiter === quote) clash("--delimiter", "--quote", delimiter);
  if (delimiter !== undefined && delimiter === decimal) clash("--delimiter", "--decimal", delimiter);
  if (delimiter !== undefined && delimiter === comment) clash("--delimiter", "--comment", delimiter);
  if (typeof comment === "string" && comment === quote) clash("--comment", "--quote", comment);
}
