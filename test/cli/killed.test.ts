/** kill -9 in the middle: nothing half under the final name, the old output as it was, and the next run cleans up and succeeds. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";
import { type Caught, partialBytes, startPiped, until } from "./in-the-middle.ts";
import { FLOWERS, run } from "./iris.ts";

let dir: Workdir;
let caught: Caught | null = null;
beforeEach(() => {
  dir = workdir();
});
afterEach(async () => {
  caught?.child.kill("SIGKILL");
  await caught?.ended;
  dir.remove();
});

async function killed(output: string, inTheMiddle: () => boolean, ...more: string[]): Promise<void> {
  caught = startPiped(dir.path, output, ...more);
  await until(caught, inTheMiddle);
  caught.child.kill("SIGKILL");
  expect(await caught.ended).toMatchObject({ code: null, signal: "SIGKILL" });
}

/** Other work than what was killed, so that it does not go on with it. */
async function score(output: string, ...more: string[]): Promise<void> {
  const { stderr, code } = await batchpredict([...run(FLOWERS, output), "--quiet", "--fresh", ...more], { cwd: dir.path });
  expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
}

it.each(["out.parquet", "out.csv", "out.arrow", "out.db"])("a new %s does not appear, and its leftovers go", async (output) => {
  await killed(output, () => partialBytes(dir.path) > 8192);
  expect(readdirSync(dir.path)).not.toContain(output);
  expect(readdirSync(dir.path).length).toBeGreaterThan(0);
  await score(output);
  expect(readdirSync(dir.path)).toEqual([output]);
});

it.each(["out.parquet", "out.csv", "out.arrow"])("an old %s stays byte for byte under --if-exists replace", async (output) => {
  await score(output);
  const before = readFileSync(dir.file(output));
  await killed(output, () => partialBytes(dir.path) > 8192, "--if-exists", "replace");
  expect(readFileSync(dir.file(output)).equals(before)).toBe(true);
  await score(output, "--if-exists", "replace");
  expect(readdirSync(dir.path)).toEqual([output]);
});

it("an old CSV stays byte for byte under --if-exists append", async () => {
  await score("out.csv");
  const before = readFileSync(dir.file("out.csv"));
  await killed("out.csv", () => partialBytes(dir.path) > before.length + 8192, "--if-exists", "append");
  expect(readFileSync(dir.file("out.csv")).equals(before)).toBe(true);
  await score("out.csv", "--if-exists", "append");
  expect(readdirSync(dir.path)).toEqual(["out.csv"]);
  expect(readFileSync(dir.file("out.csv"), "utf8").trimEnd().split("\n").length).toBe(2001);
});

it.each(["append", "replace"])("the rows of an old database stay under --if-exists %s", async (mode) => {
  await score("out.db");
  const size = statSync(dir.file("out.db")).size;
  await killed("out.db", () => statSync(dir.file("out.db")).size > 4 * size, "--if-exists", mode);
  expect(rowsOf("predictions")).toBe(1000);
  await score("out.db", "--if-exists", mode);
  expect(rowsOf("predictions")).toBe(mode === "append" ? 2000 : 1000);
  expect(rowsOf("sqlite_master", "type = 'table'")).toBe(2);
  expect(readdirSync(dir.path)).toEqual(["out.db"]);
});

function rowsOf(table: string, where = "true"): number {
  const db = new Database(dir.file("out.db"));
  try {
    expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
    return (db.prepare(`SELECT count(*) AS rows FROM ${table} WHERE ${where}`).get() as { rows: number }).rows;
  } finally {
    db.close();
  }
}
