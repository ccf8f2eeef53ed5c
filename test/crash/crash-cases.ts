/** Outputs that are killed on their way, what they must be in the end, and how they are gone on with. Real binary, real SIGKILL. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { BINARY } from "../cli/batchpredict.ts";
import { readParquet } from "../parquet.ts";
import { IRIS, IRIS_FEATURES, LINEAR } from "../predict/real-setup.ts";

/** Every such row of the input has a cell that is no number. */
const BAD_EVERY = 397;

export interface CrashCase {
  name: string;
  output: string;
  flags: string[];
  /** A run over 1,000 rows that is there before: what is replaced, appended to, renewed. */
  before?: string[];
}

const UPSERT = ["--if-exists", "upsert", "--key", "id"];
export const CASES: CrashCase[] = [
  { name: "SQLite append", output: "out.db", flags: ["--if-exists", "append"], before: [] },
  { name: "SQLite replace", output: "out.db", flags: ["--if-exists", "replace"], before: [] },
  { name: "SQLite upsert", output: "out.db", flags: UPSERT, before: UPSERT },
  { name: "Parquet", output: "out.parquet", flags: [] },
  { name: "CSV", output: "out.csv", flags: [] },
  { name: "Arrow", output: "out.arrow", flags: ["--if-exists", "replace"], before: [] },
  { name: "JSON Lines", output: "out.jsonl", flags: [] },
  { name: "CSV append", output: "out.csv", flags: ["--if-exists", "append"], before: [] },
  { name: "SQLite new", output: "out.db", flags: [] },
];

/**
 * The iris rows over and over, some with a cell that is no number. Every row has an id of its own, but for every thousandth, whose
 * id was there before: what the last row of a key does must be the same after a death.
 * @param shift of the iris rows against the ids: other values under the same keys
 */
export function makeInput(file: string, rows: number, shift = 0): void {
  const lines = fs.readFileSync(IRIS, "utf8").trimEnd().split("\n");
  const header = lines.shift()!;
  const text = [header];
  for (let row = 0; row < rows; row++) {
    const [, ...cells] = lines[(row + shift) % lines.length]!.split(",");
    if (row % BAD_EVERY === BAD_EVERY - 1) cells[0] = `bad ${row}`;
    text.push([row % 1000 === 999 ? row - 500 : row, ...cells].join(","));
  }
  fs.writeFileSync(file, `${text.join("\n")}\n`);
}

/** What `makeInput` has that cannot be read. */
export function badRows(rows: number): number {
  return Math.floor(rows / BAD_EVERY);
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** The run's own word that it is done, however the process ended. */
  told: { rows: { read: number; predicted: number; rejected: number }; resumed_from_row: number | null } | null;
}

export interface RunGiven {
  input?: string;
  stdin?: Uint8Array;
  env?: Record<string, string>;
  args?: string[];
  /** No file may grow larger; bash counts in these. Writing on gives EFBIG, because Node ignores SIGXFSZ. */
  maxFileKiB?: number;
  /** Gives what is to be called when the process has ended. */
  onStart?(child: ChildProcess): () => void;
}

export function run(
  folder: string,
  { output, flags }: Pick<CrashCase, "output" | "flags">,
  given: RunGiven = {},
): Promise<Ended> {
  const args = ["run", "-m", LINEAR, "-i", given.input ?? path.join(folder, "in.csv"), "-o", path.join(folder, output)];
  args.push("--features", IRIS_FEATURES.join(","), "--keep", "id", "--on-error", "reject", "--json", "--state-dir");
  args.push(path.join(folder, "state"), ...flags, ...(given.args ?? []));
  const [command, ...rest] = [process.execPath, BINARY, ...args];
  const limited = ["-c", 'ulimit -f "$0"; exec "$@"', String(given.maxFileKiB), command!, ...rest];
  const child = spawn(given.maxFileKiB === undefined ? command! : "bash", given.maxFileKiB === undefined ? rest : limited, {
    env: { ...process.env, NO_COLOR: "1", BATCHPREDICT_COMMIT_ROWS: "2000", ...given.env },
  });
  child.stdin.on("error", () => {});
  child.stdin.end(given.stdin ?? "");
  const onEnd = given.onStart?.(child);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.on("close", (code, signal) => {
      onEnd?.();
      resolve({ code, signal, stdout, stderr, told: toldBy(stdout) });
    });
  });
}

function toldBy(stdout: string): Ended["told"] {
  try {
    const document = JSON.parse(stdout) as { status: string } & NonNullable<Ended["told"]>;
    return document.status === "succeeded" ? document : null;
  } catch {
    return null;
  }
}

/** The output as it is before the run that is killed. */
export async function prepare(folder: string, { output, before }: CrashCase): Promise<void> {
  if (before === undefined) return;
  makeInput(path.join(folder, "before.csv"), 1000, 7);
  const ended = await run(folder, { output, flags: before }, { input: path.join(folder, "before.csv") });
  if (ended.code !== 0) throw new Error(ended.stderr);
  fs.rmSync(path.join(folder, "out.rejects.csv"), { force: true });
  fs.rmSync(path.join(folder, "before.csv"));
}

/** A digest of everything a user can read of an output; what differs from run to run (ids, times) is left out. */
export async function contentOf(folder: string, { output }: Pick<CrashCase, "output">): Promise<Record<string, unknown>> {
  const file = path.join(folder, output);
  const rejects = path.join(folder, "out.rejects.csv");
  const rejected = fs.existsSync(rejects) ? digest(fs.readFileSync(rejects)) : null;
  if (output.endsWith(".db")) return { ...databaseContent(file), rejected };
  if (output.endsWith(".parquet")) {
    const rows = await readParquet(file);
    return { rows: rows.length, values: digest(JSON.stringify(rows, bigintText)), rejected };
  }
  const bytes = fs.readFileSync(file);
  // The footer of an Arrow file holds the run's record.
  const end = output.endsWith(".arrow") ? bytes.length - 10 - bytes.readInt32LE(bytes.length - 10) : bytes.length;
  return { length: end, bytes: digest(bytes.subarray(0, end)), rejected };
}

function databaseContent(file: string): Record<string, unknown> {
  // Not read-only: who reads first after a death in a transaction rolls it back.
  const db = new Database(file, { fileMustExist: true });
  try {
    const all = (sql: string): string => JSON.stringify(db.prepare(sql).raw().all());
    return {
      integrity: db.pragma("integrity_check"),
      tables: all("SELECT type, name, sql FROM sqlite_schema ORDER BY name"),
      rows: all("SELECT count(*), count(DISTINCT id) FROM predictions"),
      values: digest(all("SELECT * FROM predictions ORDER BY rowid")),
      rejects: digest(all('SELECT "row", line, byte, "column", code, message, raw FROM predictions_rejects ORDER BY rowid')),
      runs: all("SELECT rows_read, rows_predicted, rows_rejected FROM _batchpredict_runs ORDER BY started_at, run_id"),
    };
  } finally {
    db.close();
  }
}

function digest(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex").slice(0, 16);
}

/** Files that no user asked for. */
export function leftovers(folder: string): string[] {
  return fs.readdirSync(folder).filter((name) => name.startsWith(".") || /-(journal|wal|shm)$/.test(name));
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}` : value;
}
