/** Room for results by what chunks took: data that changes its kind in the middle comes out as from the reference. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { makeVector } from "apache-arrow";
import { afterAll, describe, expect, it } from "vitest";
import type { BindingPlan } from "../../../src/core/binding-plan.ts";
import type { DecodedChunk } from "../../../src/core/chunk.ts";
import { CsvParseDecoder } from "../../../src/sources/csv/csv-parse-decoder.ts";
import { openCsvSource } from "../../../src/sources/csv/index.ts";
import { makeKernelDecoder } from "../../../src/sources/csv/kernel-decoder.ts";
import { KernelRoom } from "../../../src/sources/csv/kernel-room.ts";
import { csvReader } from "../../../src/sources/csv/reader.ts";
import { fileOf } from "./harness.ts";

const folder = mkdtempSync(path.join(tmpdir(), "batchpredict-room-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NAMES = ["a", "b", "c"];
const PLAN: BindingPlan = {
  inputs: [
    {
      input: "x",
      type: "float32",
      rowShape: [3],
      rowSize: 3,
      from: { kind: "columns", columns: NAMES.map((name, index) => ({ name, index, missing: "nan" as const })) },
    },
  ],
  constants: [],
  keep: [{ name: "text", column: "text", index: 3, type: "utf8" }],
  onError: "reject",
};

const values = ({ tensors, kept, rejects, ...rest }: DecodedChunk): unknown => ({
  ...rest,
  rejects,
  tensors: tensors.map(({ data }) => [...(data as Float32Array)]),
  kept: kept.map((data) => [...makeVector(data)]),
});

const wide = (row: number): string => `${row}.123456789,${row}.987654321,1234567.5,${"long text ".repeat(12)}${row}`;
const dense = (): string => "1,2,3,";
const missing = (): string => ",,,";
const spelled = (row: number): string => `nan,Infinity,1e${row % 300},x`;
const bad = (row: number): string => (row % 3 === 0 ? "1,oops,3,x" : "1,2,3,x");

it.each([
  ["long rows, then short ones", [wide, dense, wide, dense]],
  ["numbers, then missing ones", [wide, missing, dense, missing]],
  ["plain numbers, then spelled ones", [dense, spelled, dense, spelled]],
  ["good rows, then bad ones", [dense, bad, missing, bad, wide]],
])("%s", async (name, parts) => {
  const file = path.join(folder, `${name}.csv`);
  const lines = parts.flatMap((part) => Array.from({ length: part === wide ? 300 : 9000 }, (_, row) => part(row)));
  writeFileSync(file, `${NAMES.join(",")},text\n${lines.join("\n")}\n`);
  const source = await openCsvSource([fileOf(file)], { csv: { columnTypes: { text: "utf8" } } });
  const quick = csvReader(source.description, PLAN, makeKernelDecoder);
  const reference = csvReader(source.description, PLAN, (...given) => new CsvParseDecoder(...given));
  let rows = 0;
  for await (const chunk of source.chunks({ chunkBytes: 16_384 })) {
    const decoded = await quick.read(chunk);
    rows += decoded.rowsRead;
    expect(values(decoded)).toEqual(values(await reference.read(chunk)));
  }
  expect(rows).toBe(lines.length);
  for (const opened of [quick, reference, source]) await opened.close();
});

describe("room", () => {
  it("is what any bytes may take until a chunk was seen, then half as much again as it took, then all again", () => {
    const room = new KernelRoom(20, 21);
    const most = room.rows(2_000_000);
    expect(most).toBe(100_002);
    expect(room.exceptions(most)).toBe(most * 21);
    room.learn(500_000, 5000, 100);
    expect(room.rows(2_000_000)).toBe(30_064);
    expect(room.exceptions(30_064)).toBe(902 + 7516 + 1024);
    // The densest chunk counts, and an empty one says nothing.
    room.learn(500_000, 2500, 0);
    room.learn(10, 0, 0);
    expect(room.rows(2_000_000)).toBe(30_064);
    room.learn(500_000, 10_000, 0);
    expect(room.rows(2_000_000)).toBe(60_064);
    expect(room.rows(100)).toBe(7);
    room.overflowed();
    expect(room.rows(2_000_000)).toBe(most);
    expect(room.exceptions(most)).toBe(most * 21);
  });
});
