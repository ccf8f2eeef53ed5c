/** A real small disk, where one may be mounted: exit 1, said in our words, no output, the old one as it was. Every point of an output's life is test/faults/no-room.test.ts. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchpredict, type Finished, type Workdir, workdir } from "./batchpredict.ts";
import { FLOWERS, run, writeFlowers } from "./iris.ts";

let dir: Workdir;
let input: string;
beforeAll(() => {
  dir = workdir();
  // As Parquet, rows of this kind take 1 byte each: the numbers differ so that they do not shrink to nothing.
  input = writeFlowers(
    dir,
    "in.csv",
    150_000,
    (row) => `${row},${(row * 7919) % 9973},${(row * 104729) % 9967},${row / 7},${row / 11},x${row}`,
  );
});
afterAll(() => dir.remove());

function expectFull({ code, signal, stderr }: Pick<Finished, "code" | "signal" | "stderr">, file: string): void {
  expect(stderr).toMatch(/^error BP_DISK_FULL: no space left to write /);
  expect(stderr.split("\n")[0]).toContain(file);
  expect(stderr).toMatch(/\n {2}fix: about \d+ MiB are needed for \d+ rows\n/);
  expect(stderr).toMatch(/\n {2}fix: free some space/);
  expect({ code, signal }).toEqual({ code: 1, signal: null });
}

function folder(name: string): string {
  mkdirSync(dir.file(name));
  return dir.file(name);
}

function expectOldRows(file: string): void {
  const db = new Database(file, { readonly: true });
  try {
    expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
    expect(db.prepare("SELECT count(*) AS rows FROM predictions").get()).toEqual({ rows: 1000 });
    expect(db.prepare("SELECT count(*) AS tables FROM sqlite_master WHERE type = 'table'").get()).toEqual({ tables: 2 });
  } finally {
    db.close();
  }
}

describe("a small disk", () => {
  let disk: string | null = null;
  beforeAll(() => {
    const place = folder("disk");
    const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=300k", "tmpfs", place]);
    if (status === 0) disk = place;
    else console.warn("SKIPPED: a small disk: no right to mount one here; the limit on file sizes (test/faults) is tested alone");
  });
  afterAll(() => {
    if (disk !== null) spawnSync("umount", [disk]);
  });

  it.each(["csv", "db"])("that is too small for .%s", async (ending) => {
    if (disk === null) return;
    const output = `${disk}/out.${ending}`;
    expectFull(await batchpredict([...run(input, output), "--quiet"]), output);
    expect(readdirSync(disk)).toEqual([]);
  });

  it("that an old database fills", async () => {
    if (disk === null) return;
    const output = `${disk}/out.db`;
    expect((await batchpredict([...run(FLOWERS, output), "--quiet"])).code).toBe(0);
    expectFull(await batchpredict([...run(input, output), "--quiet", "--if-exists", "append"]), output);
    expectOldRows(output);
    expect(existsSync(`${output}-journal`)).toBe(false);
  });

  it("that is full of rejects", async () => {
    if (disk === null) return;
    const bad = writeFlowers(dir, "bad.csv", 20_000, (row) => `${row},n/a,1,1,1,x`);
    const rejects = `${disk}/rejects.csv`;
    const finished = await batchpredict([
      ...run(bad, dir.file("few.csv")),
      "--on-error",
      "reject",
      "--rejects",
      rejects,
      "--quiet",
    ]);
    expectFull(finished, rejects);
    expect(existsSync(rejects)).toBe(false);
    expect(existsSync(dir.file("few.csv"))).toBe(false);
  });
});
