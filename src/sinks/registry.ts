/** Which sinks there are, and what must be refused about an output before the first row. A new sink is one line in each table here. */
import fs from "node:fs";
import path from "node:path";
import { BatchPredictError, isErrno } from "../core/errors.ts";
import { type IfExists, SINK_EXTENSIONS, type Sink, type SinkFormat, type SinkOptions } from "../core/sink.ts";
import { checkNotBusy, hasDecidedRun } from "./claim.ts";
import { rejectsPath } from "./rejects-path.ts";

/** Each loads its library only when it is asked for. */
const OPENERS: Record<SinkFormat, () => Promise<(options: SinkOptions) => Sink | Promise<Sink>>> = {
  sqlite: async () => (await import("./sqlite/sqlite-sink.ts")).openSqliteSink,
  csv: async () => (await import("./csv/csv-sink.ts")).openCsvSink,
  jsonl: async () => (await import("./jsonl/jsonl-sink.ts")).openJsonlSink,
  parquet: async () => (await import("./parquet/parquet-sink.ts")).openParquetSink,
  arrow: async () => (await import("./arrow/arrow-sink.ts")).openArrowSink,
};

/** What each format can do with an output that is there already. */
const MODES: Record<SinkFormat, readonly IfExists[]> = {
  parquet: ["fail", "replace"],
  sqlite: ["fail", "replace", "append", "upsert"],
  csv: ["fail", "replace", "append"],
  jsonl: ["fail", "replace"],
  arrow: ["fail", "replace"],
};

/** By the file's extension, upper or lower case; null when it says nothing. */
export function sinkFormatOf(file: string): SinkFormat | null {
  return SINK_EXTENSIONS[path.extname(file).toLowerCase()] ?? null;
}

/** Missing folders of the output are made by the sink's `open` and, when empty, taken away again by `abort`. */
export async function openSink(options: SinkOptions): Promise<Sink> {
  const open = await OPENERS[options.format]();
  return new SinkWithFolder(await open(options), options);
}

/** Loads what a format needs, ahead of `openSink`. */
export async function preloadSink(format: SinkFormat): Promise<void> {
  await OPENERS[format]();
}

/**
 * Refuses what can be known before the first row; creates and changes nothing.
 * @throws BP_OUTPUT_EXISTS, BP_OUTPUT_PATH, BP_OUTPUT_BUSY, BP_CONFIG
 */
export async function checkOutput(options: SinkOptions): Promise<void> {
  checkMode(options);
  checkPlace(options.path, "--output");
  checkNotBusy(options);
  // What stands there may be the work of this very run, killed before it could say so: `open` finds out.
  if (hasDecidedRun(options)) return;
  if (options.format === "sqlite") (await import("./sqlite/check-table.ts")).checkSqliteOutput(options);
  else if (options.ifExists === "fail" && fs.existsSync(options.path)) throw exists(options.path, "output", options.format);
  const rejects = rejectsPath(options);
  if (rejects === null) return;
  if (path.resolve(rejects) === path.resolve(options.path)) {
    throw new BatchPredictError("BP_CONFIG", `predictions and rejected rows cannot go to the same file ${rejects}`, {
      where: { file: rejects },
      hints: ["give --rejects another path"],
    });
  }
  checkPlace(rejects, "--rejects");
  if (options.ifExists === "fail" && fs.existsSync(rejects)) throw exists(rejects, "rejects file", null);
}

function checkMode({ format, ifExists, key, path: file }: SinkOptions): void {
  if (!MODES[format].includes(ifExists)) {
    const able = (Object.keys(MODES) as SinkFormat[]).filter((other) => MODES[other].includes(ifExists));
    throw new BatchPredictError("BP_CONFIG", `--if-exists ${ifExists} is not possible with ${format} output`, {
      where: { file },
      expected: `--if-exists ${MODES[format].join(", ")}`,
      hints: [`write to ${able.join(" or ")} with another --output, or use --if-exists replace`],
    });
  }
  if (ifExists === "upsert" && key.length === 0) {
    throw new BatchPredictError("BP_CONFIG", "--if-exists upsert needs to know which columns identify a row", {
      where: { file },
      hints: ["name them with --key COLS"],
    });
  }
}

function checkPlace(file: string, flag: string): void {
  const stat = statOf(file);
  if (stat?.isDirectory()) {
    throw refused(file, "it is a folder", `give a file name, such as ${flag} ${path.join(file, "predictions.parquet")}`);
  }
  if (stat && !stat.isFile()) throw refused(file, "it is not a regular file", `give the name of a regular file as ${flag}`);
  const folder = nearestFolder(path.dirname(file));
  try {
    if (!fs.statSync(folder).isDirectory())
      throw refused(file, `${folder} is not a folder`, `give a path inside a folder as ${flag}`);
    fs.accessSync(folder, fs.constants.W_OK | fs.constants.X_OK);
    if (stat) fs.accessSync(file, fs.constants.W_OK);
  } catch (error) {
    if (error instanceof BatchPredictError) throw error;
    if (isErrno(error, "EROFS")) throw refused(file, `${folder} is on a read-only disk`, `choose another ${flag}`);
    throw refused(file, `no permission to write in ${stat ? file : folder}`, `choose a place you may write to with ${flag}`);
  }
}

/** Nothing there, or nothing that can be looked at: the folder then says why. */
function statOf(file: string): fs.Stats | undefined {
  try {
    return fs.statSync(file);
  } catch {
    return undefined;
  }
}

/** The folder itself, or the closest one above it that exists. */
function nearestFolder(folder: string): string {
  const up = path.dirname(folder);
  return up === folder || fs.existsSync(folder) ? folder : nearestFolder(up);
}

function refused(file: string, why: string, hint: string): BatchPredictError {
  return new BatchPredictError("BP_OUTPUT_PATH", `cannot write ${file}: ${why}`, { where: { file }, hints: [hint] });
}

function exists(file: string, what: string, format: SinkFormat | null): BatchPredictError {
  const ways = format && MODES[format].includes("append") ? "replace, or add to it with --if-exists append" : "replace";
  return new BatchPredictError("BP_OUTPUT_EXISTS", `the ${what} ${file} exists already and is left as it is`, {
    where: { file },
    hints: [`choose another ${format ? "--output" : "--rejects"}, or overwrite it with --if-exists ${ways}`],
    exitCode: 2,
  });
}

class SinkWithFolder implements Sink {
  private made: string[] = [];

  constructor(
    private readonly sink: Sink,
    private readonly options: SinkOptions,
  ) {}

  open(): ReturnType<Sink["open"]> {
    const rejects = rejectsPath(this.options);
    for (const file of rejects === null ? [this.options.path] : [this.options.path, rejects]) this.makeFolder(path.dirname(file));
    return this.sink.open();
  }

  commit(): void {
    this.sink.commit();
  }

  suspend(): ReturnType<Sink["suspend"]> {
    const suspended = this.sink.suspend();
    if (!suspended.resumable) this.removeFolders();
    return suspended;
  }

  write(batch: Parameters<Sink["write"]>[0]): void {
    this.sink.write(batch);
  }

  finish(record: Parameters<Sink["finish"]>[0]): ReturnType<Sink["finish"]> {
    return this.sink.finish(record);
  }

  abort(): void {
    this.sink.abort();
    this.removeFolders();
  }

  private removeFolders(): void {
    for (const folder of this.made) {
      try {
        fs.rmdirSync(folder);
      } catch {
        return; // Not empty: somebody else uses it by now.
      }
    }
  }

  private makeFolder(folder: string): void {
    let first: string | undefined;
    try {
      first = fs.mkdirSync(folder, { recursive: true });
    } catch {
      return; // The sink's own open says what is wrong with the place.
    }
    for (let made = folder; first !== undefined && made.length >= first.length; made = path.dirname(made)) this.made.push(made);
  }
}
