import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import {
  type Data,
  type DataType,
  Dictionary,
  Field,
  Float64,
  Int32,
  Int64,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Utf8,
  Vector,
  vectorFromArray,
} from "apache-arrow";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { BindingPlan } from "../../../src/core/binding-plan.ts";
import type { Chunk, RowChunk } from "../../../src/core/chunk.ts";
import { openArrowReader, openArrowSource } from "../../../src/sources/arrow/index.ts";
import { columnTexts, keepAll, open, readChunks, texts } from "./read-all.ts";

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "batchpredict-arrow-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  fs.rmSync(folder, { recursive: true, force: true });
});

function batchOf(columns: Record<string, Data>): RecordBatch {
  const fields = Object.entries(columns).map(([name, { type }]) => new Field(name, type, true));
  const children = Object.values(columns);
  return new RecordBatch(
    new Schema(fields),
    makeData({ type: new Struct(fields), length: children[0]!.length, nullCount: 0, children }),
  );
}

function column(type: DataType, values: unknown[]): Data {
  return vectorFromArray(values, type).data[0]!;
}

/** id counts on; x is id / 2, y minus id, city one of three. */
function people(first: number, rows: number): RecordBatch {
  const ids = Array.from({ length: rows }, (_, i) => first + i);
  return batchOf({
    id: column(new Int64(), ids.map(BigInt)),
    x: column(
      new Float64(),
      ids.map((id) => id / 2),
    ),
    y: column(
      new Float64(),
      ids.map((id) => -id),
    ),
    city: column(
      new Utf8(),
      ids.map((id) => `city ${id % 3}`),
    ),
  });
}

function write(name: string, batches: RecordBatch[], format: "file" | "stream" = "file"): string {
  const file = path.join(folder, name);
  const writer = format === "file" ? new RecordBatchFileWriter() : new RecordBatchStreamWriter();
  for (const batch of batches) writer.write(batch);
  fs.writeFileSync(file, writer.finish().toUint8Array(true));
  return file;
}

async function planned(paths: string[], chunkBytes: number): Promise<Chunk[]> {
  const source = await open(...paths);
  const chunks: Chunk[] = [];
  for await (const chunk of source.chunks({ chunkBytes })) chunks.push(chunk);
  await source.close();
  return chunks;
}

const feedXY: BindingPlan = {
  inputs: [
    {
      input: "features",
      type: "float32",
      rowShape: [2],
      rowSize: 2,
      from: { kind: "columns", columns: ["x", "y"].map((name, k) => ({ name, index: k + 1, missing: "nan" as const })) },
    },
  ],
  constants: [],
  keep: [{ name: "id", column: "id", index: 0, type: "source" }],
  onError: "reject",
};

describe("an Arrow file", () => {
  it("says its columns, exact rows and first rows", async () => {
    const { description } = await open(write("a.arrow", [people(0, 3), people(3, 4)]));
    expect(description.columns.map(({ name, type, role }) => `${name} ${type} ${role}`)).toEqual([
      "id int64 number",
      "x float64 number",
      "y float64 number",
      "city text text",
    ]);
    expect([description.format, description.rows]).toEqual(["arrow", 7]);
    expect(description.preview).toEqual(
      [0, 1, 2].map((id) => [String(id), String(id / 2), id === 0 ? "-0" : String(-id), `city ${id}`]),
    );
  });

  it.each([1, 100, 1000, 1 << 20])("gives every row once and in order in chunks of %i bytes", async (chunkBytes) => {
    const file = write("a.arrow", [people(0, 10), people(10, 0), people(10, 33)]);
    const source = await open(file);
    const chunks = await readChunks(source, chunkBytes, feedXY);
    expect(chunks.map(({ chunk }) => chunk.index)).toEqual(chunks.map((_, at) => at));
    if (chunkBytes === 1) expect(chunks.every(({ decoded }) => decoded.rows === 1)).toBe(true);
    if (chunkBytes === 1 << 20) expect(chunks).toHaveLength(2);
    expect(chunks.flatMap(({ decoded }) => [...decoded.tensors[0]!.data])).toEqual(
      Array.from({ length: 43 }, (_, id) => [id / 2, -id]).flat(),
    );
    expect(columnTexts(chunks, 1)[0]).toEqual(Array.from({ length: 43 }, (_, id) => String(id)));
    // Bytes are shares of the batches: they add up whatever the chunks are.
    const bytes = chunks.reduce((sum, { decoded }) => sum + decoded.bytes, 0);
    expect(bytes).toBe(
      (await readChunks(await open(file), 1 << 20, feedXY)).reduce((sum, { decoded }) => sum + decoded.bytes, 0),
    );
  });

  it.each(["file", "stream"] as const)("(%s) is read by ranges of the rows and columns that are asked for", async (format) => {
    const rows = 100_000;
    const file = write("big.arrow", [people(0, rows)], format);
    const source = await open(file);
    const [first] = await planned([file], 1 << 30);
    const reader = await openArrowReader(source.description, feedXY);
    const readSync = vi.spyOn(fs, "readSync");
    await reader.read({ ...(first as RowChunk), rowStart: 50_001, rowEnd: 51_001 });
    const bytes = readSync.mock.results.reduce((sum, { value }) => sum + (value as number), 0);
    expect(fs.statSync(file).size).toBeGreaterThan(3_000_000);
    expect(bytes).toBeGreaterThan(1000 * 3 * 8);
    expect(bytes).toBeLessThan(1000 * 3 * 8 + 8000);
    await reader.close();
  });

  it.each(["file", "stream"] as const)(
    "(%s) reads each chunk as if it were the first, and looks rows up beside it",
    async (format) => {
      // Bodies of some MB, whose parts are read into memory that is used again.
      const file = write("big.arrow", [people(0, 90_000), people(90_000, 60_000)], format);
      const source = await open(file);
      const chunks = await planned([file], 1 << 20);
      expect(chunks.length).toBeGreaterThan(3);
      const plan = { ...feedXY, keep: keepAll(source.description).keep };
      const reader = await openArrowReader(source.description, plan);
      const order = [...chunks, ...chunks.toReversed(), chunks[2]!, chunks[0]!] as RowChunk[];
      for (const chunk of order) {
        const base = chunk.unit * 90_000 + chunk.rowStart;
        const { kept, tensors, rows } = await reader.read(chunk);
        const ids = Array.from({ length: rows }, (_, row) => base + row);
        expect(JSON.parse((await reader.locate(chunk, rows - 1)).raw!)).toMatchObject({
          id: ids.at(-1),
          city: `city ${ids.at(-1)! % 3}`,
        });
        expect([...tensors[0]!.data]).toEqual(ids.flatMap((id) => [id / 2, -id]));
        expect(texts(kept[0]!)).toEqual(ids.map(String));
        expect(texts(kept[3]!)).toEqual(ids.map((id) => `city ${id % 3}`));
      }
      await reader.close();
    },
  );

  it("rejects a bad row with the whole row as JSON and its column in the file", async () => {
    const file = write("a.arrow", [batchOf({ city: column(new Utf8(), ["a", "b"]), id: column(new Int64(), [1n, 2n ** 60n]) })]);
    const source = await open(file);
    const from = { kind: "columns" as const, columns: [{ name: "id", index: 1, missing: "reject" as const }] };
    const plan: BindingPlan = {
      inputs: [{ input: "k", type: "int32", rowShape: [1], rowSize: 1, from }],
      constants: [],
      keep: [],
      onError: "reject",
    };
    const [first] = await readChunks(source, 1 << 20, plan);
    expect(first!.decoded.rejects).toMatchObject([
      { rowInChunk: 1, column: "id", columnIndex: 2, code: "BP_SOURCE_CELL", raw: '{"city":"b","id":1152921504606846976}' },
    ]);
    const reader = await openArrowReader(source.description, plan);
    expect((await reader.locate(first!.chunk, 0)).raw).toBe('{"city":"a","id":1}');
    await reader.close();
  });

  it("that changed since it was planned is refused", async () => {
    const file = write("a.arrow", [people(0, 3)]);
    const source = await open(file);
    write("a.arrow", [people(0, 4)]);
    await expect(readChunks(source, 1 << 20)).rejects.toMatchObject({ code: "BP_INPUT_CHANGED", details: { where: { file } } });
  });

  it.each(["file", "stream"] as const)("(%s) without rows still tells the types of its columns", async (format) => {
    const source = await open(write("a.arrow", format === "file" ? [people(0, 0)] : [people(0, 0), people(0, 0)], format));
    const reader = await openArrowReader(source.description, feedXY);
    // What a run reads when a source has no chunk at all.
    const none = { kind: "rows", index: 0, file: 0, unit: -1, rowStart: 0, rowEnd: 0 } as const;
    const decoded = await reader.read(none);
    expect(await readChunks(source, 100, feedXY)).toHaveLength(0);
    expect([decoded.rows, decoded.tensors[0]!.data.length, String(decoded.kept[0]!.type)]).toEqual([0, 0, "Int64"]);
    await reader.close();
  });

  it("with text that is not UTF-8 is refused, and the column named", async () => {
    const file = path.join(folder, "latin1.arrow");
    const writer = new RecordBatchFileWriter();
    writer.write(batchOf({ id: column(new Int32(), [1, 2]), city: column(new Utf8(), ["Köln", "Bonn"]) }));
    writer.finish();
    const bytes = Buffer.from(writer.toUint8Array(true));
    bytes[bytes.indexOf("ö") + 1] = 0x20;
    fs.writeFileSync(file, bytes);
    await expect(open(file)).rejects.toMatchObject({
      code: "BP_INPUT_FORMAT",
      message: expect.stringContaining('column "city" is damaged: its text is not UTF-8'),
    });
  });

  it("with two columns of one name is refused", async () => {
    const fields = [new Field("x", new Int32(), true), new Field("x", new Int32(), true)];
    const children = [column(new Int32(), [1]), column(new Int32(), [2])];
    const struct = makeData({ type: new Struct(fields), length: 1, nullCount: 0, children });
    const file = write("dup.arrow", [new RecordBatch(new Schema(fields), struct)]);
    await expect(open(file)).rejects.toMatchObject({
      code: "BP_SOURCE_SCHEMA",
      message: `${file} names two columns "x" (columns 1 and 2)`,
    });
  });

  it.each<[string, Buffer, RegExp, RegExp]>([
    ["empty", Buffer.alloc(0), /it is empty \(0 bytes\)/, /written completely/],
    ["Feather version 1", Buffer.from("FEA1 and more"), /Feather version 1/, /read_feather/],
    ["Parquet", Buffer.from("PAR1 and more"), /a Parquet file/, /--input-format parquet/],
    ["CSV", Buffer.from("a,b\n1,2\n3,4\n"), /no Arrow stream/, /--input-format csv/],
    ["cut off", Buffer.from("ARROW1\0\0some bytes without an end"), /its end is missing/, /again/],
  ])("that is no such file is refused: %s", async (name, bytes, message, hint) => {
    const file = path.join(folder, `${name}.arrow`);
    fs.writeFileSync(file, bytes);
    await expect(open(file)).rejects.toMatchObject({ code: "BP_INPUT_FORMAT", message: expect.stringMatching(message) });
    const error = (await open(file).catch((caught: unknown) => caught)) as { details: { hints: string[] } };
    expect(error.details.hints.join()).toMatch(hint);
  });

  it("that is not there is BP_INPUT_NOT_FOUND", async () => {
    await expect(open(path.join(folder, "no.arrow"))).rejects.toMatchObject({ code: "BP_INPUT_NOT_FOUND" });
  });
});

describe("several files", () => {
  it.each(["file", "stream"] as const)("(%s) follow each other", async (format) => {
    const files = [write("1", [people(0, 5)], format), write("2", [people(5, 2), people(7, 3)], format)];
    const chunks = await readChunks(await open(...files), 1 << 20);
    expect(columnTexts(chunks, 4)[0]).toEqual(Array.from({ length: 10 }, (_, id) => String(id)));
    expect(chunks.map(({ chunk }) => [chunk.file, chunk.kind === "rows" ? chunk.unit : -1])).toEqual([
      [0, 0],
      [1, 0],
      [1, 1],
    ]);
  });

  it.each(["file", "stream"] as const)("(%s) of different columns are refused, naming file and column", async (format) => {
    const other = batchOf({ id: column(new Int32(), [1]) });
    const files = [write("1", [people(0, 5)], format), write("2", [other], format)];
    await expect(open(...files)).rejects.toMatchObject({
      code: "BP_SOURCE_SCHEMA",
      details: { where: { file: files[1], column: "id", columnIndex: 1 }, expected: "id: int64", actual: "id: int32" },
    });
  });
});

describe("an Arrow stream", () => {
  const fromStdin = (bytes: Uint8Array, piece: number) => {
    const pieces = Array.from({ length: Math.ceil(bytes.length / piece) }, (_, at) =>
      Buffer.from(bytes.subarray(at * piece, (at + 1) * piece)),
    );
    return openArrowSource([{ path: "-", sizeBytes: null, mtimeMs: null }], { csv: {} }, Readable.from(pieces));
  };

  it.each([1, 7, 4096])("is read from stdin in pieces of %i bytes", async (piece) => {
    const bytes = fs.readFileSync(write("s", [people(0, 10), people(10, 0), people(10, 5)], "stream"));
    const source = await fromStdin(bytes, piece);
    expect([source.description.format, source.description.rows, source.description.bytes]).toEqual(["arrow-stream", null, null]);
    expect(source.description.preview[1]).toEqual(["1", "0.5", "-1", "city 1"]);
    expect(columnTexts(await readChunks(source, 1), 4)[0]).toEqual(Array.from({ length: 15 }, (_, id) => String(id)));
  });

  it("without rows still tells the types of its columns when it comes from stdin", async () => {
    const bytes = fs.readFileSync(write("s", [people(0, 0), people(0, 0)], "stream"));
    const [only] = await readChunks(await fromStdin(bytes, 64), 100, feedXY);
    const { decoded } = only!;
    expect([decoded.rows, decoded.tensors[0]!.data.length, String(decoded.kept[0]!.type)]).toEqual([0, 0, "Int64"]);
  });

  it.each(["stdin", "disk"])("that is cut off inside of a message is refused when it gets there (%s)", async (from) => {
    const file = write("s", [people(0, 10), people(10, 5)], "stream");
    const bytes = fs.readFileSync(file);
    // Within the last body, and within the metadata of the second batch.
    for (const left of [bytes.length - 100, bytes.length / 2 + 300]) {
      const cut = bytes.subarray(0, left & ~3);
      fs.writeFileSync(file, cut);
      const source = from === "stdin" ? await fromStdin(cut, 64) : await open(file);
      await expect(readChunks(source, 1)).rejects.toMatchObject({
        code: "BP_INPUT_FORMAT",
        message: expect.stringContaining("its end is missing"),
      });
    }
  });

  it("gives the same from disk, in parts of its batches, as from stdin", async () => {
    const file = write("s", [people(0, 1000), people(1000, 0), people(1000, 777)], "stream");
    const [disk, stdin] = [
      await readChunks(await open(file), 4000),
      await readChunks(await fromStdin(fs.readFileSync(file), 999), 1),
    ];
    expect([disk.length > 10, stdin.length]).toEqual([true, 2]);
    expect(columnTexts(disk, 4)).toEqual(columnTexts(stdin, 4));
  });

  it("on disk that changed since it was planned is refused", async () => {
    const file = write("s", [people(0, 3)], "stream");
    const source = await open(file);
    write("s", [people(0, 4)], "stream");
    await expect(readChunks(source, 1 << 20)).rejects.toMatchObject({ code: "BP_INPUT_CHANGED", details: { where: { file } } });
  });

  it("carries the dictionaries as they stand at each batch: new ones, longer ones, others in their place", async () => {
    const type = new Dictionary(new Utf8(), new Int32(), 1);
    const words = (...values: string[]): Data<Utf8> => vectorFromArray(values, new Utf8()).data[0]!;
    const coded = (codes: number[], ...chunks: Data<Utf8>[]): RecordBatch =>
      batchOf({ w: makeData({ type, length: codes.length, data: Int32Array.from(codes), dictionary: new Vector(chunks) }) });
    const first = words("a", "b");
    const batches = [coded([0, 1], first), coded([2, 0], first, words("c")), coded([0, 1], words("x", "y"))];
    const file = write("d", batches, "stream");
    const chunks = await readChunks(await open(file), 1);
    expect(columnTexts(chunks, 1)[0]).toEqual(["a", "b", "c", "a", "x", "y"]);
    const piped = await readChunks(await fromStdin(fs.readFileSync(file), 100), 1);
    expect(columnTexts(piped, 1)).toEqual(columnTexts(chunks, 1));
    expect(Buffer.from((piped.at(-1)!.chunk as { inline: Uint8Array }).inline).includes("c")).toBe(false);
  });

  it("can be planned twice from a file", async () => {
    const file = write("s", [people(0, 3)], "stream");
    const source = await open(file);
    for (let time = 0; time < 2; time++) {
      const chunks: Chunk[] = [];
      for await (const chunk of source.chunks({ chunkBytes: 1 })) chunks.push(chunk);
      expect(chunks).toHaveLength(3);
    }
    await source.close();
  });

  it("stops planning when asked to", async () => {
    const files = [write("s", [people(0, 3), people(3, 3)], "stream"), write("f", [people(0, 3), people(3, 3)])];
    for (const file of files) {
      const stop = new AbortController();
      const source = await open(file);
      let chunks = 0;
      for await (const _ of source.chunks({ chunkBytes: 1 << 20, signal: stop.signal })) {
        chunks++;
        stop.abort();
      }
      expect(chunks).toBe(1);
      await source.close();
    }
    expect(await planned([files[1]!], 1 << 20)).toHaveLength(2);
  });
});

describe("a real dataset", () => {
  const scenario = path.resolve(import.meta.dirname, "../../../../shared/material/scenarios/1_adult_income_lightgbm");

  it("gives the same tensors and columns from Arrow and from lz4-compressed Feather", async () => {
    if (!fs.existsSync(scenario)) {
      console.warn("SKIPPED: ../shared/material/scenarios is not here");
      return;
    }
    const about = JSON.parse(fs.readFileSync(path.join(scenario, "about.json"), "utf8")) as {
      inputs: { name: string; type: string; columns: string[] }[];
    };
    const results = await Promise.all(
      ["input.arrow", "input.lz4.feather"].map(async (name) => {
        const source = await open(path.join(scenario, name));
        const { columns } = source.description;
        const inputs = about.inputs.map((input): BindingPlan["inputs"][number] => {
          const text = input.type.includes("string");
          const bound = input.columns.map((wanted) => ({
            name: wanted,
            index: columns.findIndex((found) => found.name === wanted),
            missing: text ? { value: "" } : ("nan" as const),
          }));
          return {
            input: input.name,
            type: text ? "string" : "float32",
            rowShape: [bound.length],
            rowSize: bound.length,
            from: { kind: "columns", columns: bound },
          };
        });
        const chunks = await readChunks(source, 50_000, { ...keepAll(source.description), inputs });
        expect(chunks.length).toBeGreaterThan(3);
        return {
          rows: chunks.reduce((sum, { decoded }) => sum + decoded.rows, 0),
          tensors: inputs.map((_, k) => chunks.flatMap(({ decoded }) => [...decoded.tensors[k]!.data])),
          kept: columnTexts(chunks, columns.length),
        };
      }),
    );
    expect(results[0]!.rows).toBeGreaterThan(5000);
    expect(results[1]).toEqual(results[0]);
  });
});
