/** What may be in an output's place, or come in its way: locks, links, folders, a frozen process, a second run. */
import fs from "node:fs";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { FLOWERS } from "../cli/iris.ts";
import { CAN_FREEZE, COMMITS, freeze, ROWS, score, writeInput } from "./frozen.ts";

let dir: Workdir;
let input: string;
beforeAll(() => {
  dir = workdir();
  input = writeInput(dir);
});
afterAll(() => dir.remove());

function folder(name: string): string {
  fs.mkdirSync(dir.file(name));
  return dir.file(name);
}

describe("a symbolic link", () => {
  it("stays, and what it names is the output: a file that is replaced, one that is not there yet, one in another folder", async () => {
    const place = folder("links");
    fs.mkdirSync(`${place}/real`);
    fs.writeFileSync(`${place}/real/old.csv`, "old\n");
    fs.symlinkSync("real/old.csv", `${place}/old.csv`);
    const kept = await batchpredict(score(FLOWERS, "old.csv"), { cwd: place });
    expect(kept.stderr).toMatch(/^error BP_OUTPUT_EXISTS: /);
    expect(fs.readFileSync(`${place}/real/old.csv`, "utf8")).toBe("old\n");
    fs.symlinkSync("real/new.db", `${place}/new.db`);
    for (const [name, ...more] of [["old.csv", "--if-exists", "replace"], ["new.db"]]) {
      const { code, stderr } = await batchpredict(score(FLOWERS, name!, ...more), { cwd: place });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(fs.readlinkSync(`${place}/${name}`)).toBe(`real/${name}`);
    }
    expect(fs.readFileSync(`${place}/real/old.csv`, "utf8").trimEnd().split("\n").length).toBe(1001);
    expect(fs.readdirSync(`${place}/real`).sort()).toEqual(["new.db", "old.csv"]);
  });

  it("into a folder that is not there, or to itself, is refused", async () => {
    const place = folder("lost");
    fs.symlinkSync("nowhere/out.csv", `${place}/dangling.csv`);
    fs.symlinkSync("loop.csv", `${place}/loop.csv`);
    const said = { "dangling.csv": /there is no folder .*nowhere\n/, "loop.csv": /is a symbolic link that leads to itself\n/ };
    for (const [name, words] of Object.entries(said)) {
      const { code, stderr } = await batchpredict(score(FLOWERS, name), { cwd: place });
      expect(stderr).toMatch(/^error BP_OUTPUT_PATH: /);
      expect(stderr).toMatch(words);
      expect(code).toBe(2);
    }
  });
});

it("a database that another process keeps locked is waited for, for a bounded time, then named, with exit 75", async () => {
  const place = folder("locked");
  expect((await batchpredict(score(FLOWERS, "out.db"), { cwd: place })).code).toBe(0);
  const before = fs.readFileSync(`${place}/out.db`);
  const other = new Database(`${place}/out.db`);
  try {
    other.exec("BEGIN EXCLUSIVE");
    const started = performance.now();
    const { code, stderr } = await batchpredict(score(FLOWERS, "out.db", "--if-exists", "append"), { cwd: place });
    expect(stderr).toMatch(/^error BP_OUTPUT_BUSY: another process keeps the database .*out\.db locked\n/);
    expect(stderr).toContain("fix: wait until it is done and run again");
    expect(code).toBe(75);
    // It was waited for, and not without end: a hang would end the test by its own bound.
    expect(performance.now() - started).toBeGreaterThan(2000);
  } finally {
    other.exec("ROLLBACK");
    other.close();
  }
  expect(fs.readFileSync(`${place}/out.db`).equals(before)).toBe(true);
  expect(fs.readdirSync(place)).toEqual(["out.db"]);
});

describe.skipIf(!CAN_FREEZE)("a run that is frozen in its middle", () => {
  it("keeps its output for itself, and gives the same bytes when it is let go on", async () => {
    const place = folder("frozen");
    const whole = await batchpredict(score(input, "whole.csv"), { cwd: place, env: COMMITS });
    expect(whole.code).toBe(0);
    const frozen = await freeze(place, [...score(input, "out.csv"), "--json"], "chunk-accounted:20");
    expect(fs.existsSync(`${place}/out.csv`)).toBe(false);
    const second = await batchpredict(score(input, "out.csv"), { cwd: place });
    expect(second.stderr).toMatch(`error BP_OUTPUT_BUSY: another run is writing ${place}/out.csv: process ${frozen.pid}`);
    expect(second.code).toBe(75);
    const { code, json } = await frozen.thaw();
    expect(code).toBe(0);
    expect(json()).toMatchObject({ status: "succeeded", rows: { read: ROWS, predicted: ROWS, rejected: 0 } });
    expect(fs.readFileSync(`${place}/out.csv`).equals(fs.readFileSync(`${place}/whole.csv`))).toBe(true);
    expect(fs.readdirSync(place).sort()).toEqual(["out.csv", "whole.csv"]);
  });

  it("whose output folder is removed meanwhile fails in words", async () => {
    const place = folder("removed");
    fs.mkdirSync(`${place}/out`);
    const frozen = await freeze(place, score(input, "out/o.csv"), "chunk-accounted:20");
    fs.rmSync(`${place}/out`, { recursive: true });
    const { code, stderr } = await frozen.thaw();
    expect(stderr).toMatch(/^error BP_OUTPUT_WRITE: the folder of .*out\/o\.csv was removed while it was written\n/);
    expect(code).toBe(1);
    expect(fs.existsSync(`${place}/out/o.csv`)).toBe(false);
  });
});
