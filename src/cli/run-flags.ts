/** The flags that say what to score, shared by every command that resolves a run. */
import type { Command } from "commander";

export function addRunFlags(command: Command): Command {
  return command
    .optionsGroup("Model and data:")
    .option("-m, --model <path>", "ONNX model")
    .option("-i, --input <path...>", "files, globs or folders, - for stdin (CSV, TSV, JSON Lines, .gz, Arrow, Feather, Parquet)")
    .option("--input-format <format>", "csv, jsonl, arrow, arrow-stream or parquet, when the name does not tell")
    .option("-o, --output <path>", ".parquet, .db, .sqlite, .csv, .jsonl or .arrow")
    .option("--output-format <format>", "parquet, sqlite, csv, jsonl or arrow, when the name does not tell")
    .option("--table <name>", "table of a SQLite output (default: predictions)")
    .option("--if-exists <what>", "fail, replace, append or upsert (default: fail)")
    .optionsGroup("Columns:")
    .option("--features <cols>", "columns of the one wide model input, in order: names, a..b ranges, globs")
    .option("--bind <input=cols>", "columns of one model input; repeatable", collect)
    .option("--shape <input=AxB>", "shape of one row for an input of higher rank; repeatable", collect)
    .option("--const <input=value>", "the same value for every row; repeatable", collect)
    .option("--keep <cols>", "input columns copied to the output, '*' or none (default: those that feed no input)")
    .option("--key <cols>", "columns that identify a row")
    .option("--outputs <names>", "model outputs to write: NAME[=ALIAS],...")
    .optionsGroup("Speed:")
    .option("--batch-size <n>", "rows per inference call, or auto")
    .option("--workers <n>", "worker threads, or auto")
    .option("--threads <n>", "ONNX Runtime threads per worker")
    .option("--chunk-bytes <size>", "size of a unit of work, such as 8MiB, or auto")
    .option("--memory-limit <size>", "resident memory of the whole run, such as 350MB: it is planned for, or refused")
    .optionsGroup("Values and bad rows:")
    .option("--missing <policy>", "an empty cell of a numeric input: nan, reject or a value")
    .option("--on-error <what>", "fail at the first bad row, or reject: put bad rows aside (default: fail)")
    .option("--max-rejects <limit>", "rows or percent (1%) that may be rejected")
    .option("--rejects <path>", "where rejected rows go")
    .optionsGroup("CSV (sniffed when not given):")
    .option("--delimiter <char>", "a character, or comma, semicolon, tab, pipe")
    .option("--quote <char>", "quote character, or none")
    .option("--escape <char>", "escape character inside quotes")
    .option("--encoding <name>", "utf-8, utf-16le, latin1, windows-1252, ...")
    .option("--header <yes>", "true or false")
    .option("--null-values <list>", "cell texts that mean missing, comma separated")
    .option("--decimal <mark>", "decimal mark: . or ,")
    .option("--comment <char>", "lines that start with it are skipped")
    .option("--column-type <name=type>", "type of a kept column: utf8, int64, float64 or bool; repeatable", collect)
    .optionsGroup("Parts:")
    .option("--limit <n>", "the first n rows only")
    .option("--where-rows <a..b>", "rows a up to b (0-based, b exclusive)")
    .option("--shard <i/n>", "part i of n (1-based)")
    .option("--jobs-dir <dir>", "where named jobs live (default: jobs)");
}

export function addCommonFlags(command: Command): Command {
  return command
    .optionsGroup("Everywhere:")
    .option("--json", "one JSON document on stdout")
    .option("--quiet", "errors only")
    .option("--color <when>", "auto, always or never", "auto")
    .option("--state-dir <dir>", "folder of the tool's own files (default: .batchpredict)")
    .option("--debug", "show stack traces")
    .helpOption("-h, --help", "show this text");
}

function collect(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}
