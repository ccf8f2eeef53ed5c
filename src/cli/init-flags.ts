/** The flags of `init`: those of a run that a job file can remember, and where the file goes. */
import type { Command } from "commander";

export function addInitFlags(command: Command): Command {
  return command
    .optionsGroup("Model and data:")
    .option("-m, --model <path>", "ONNX model")
    .option("-i, --input <path...>", "files, globs or folders")
    .option("--input-format <format>", "csv, jsonl, arrow, arrow-stream or parquet, when the name does not tell")
    .option("-o, --output <path>", "where the job writes (default: predictions/NAME.parquet)")
    .optionsGroup("The job file:")
    .option("--output-job <path>", "default: jobs/NAME.yaml, named after the model")
    .option("--force", "overwrite the job file")
    .optionsGroup("CSV (sniffed when not given):")
    .option("--delimiter <char>", "a character, or comma, semicolon, tab, pipe")
    .option("--quote <char>", "quote character, or none")
    .option("--encoding <name>", "utf-8, utf-16le, latin1, windows-1252, ...")
    .option("--header <yes>", "true or false")
    .option("--null-values <list>", "cell texts that mean missing, comma separated")
    .option("--decimal <mark>", "decimal mark: . or ,");
}
