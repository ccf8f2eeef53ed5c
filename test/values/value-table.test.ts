/** Every cell of the table in src/values/README.md, through every source. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  type Data,
  type DataType,
  Dictionary,
  Field,
  Int32,
  LargeUtf8,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { afterAll, describe, expect, it } from "vitest";
import type { BindingPlan, MissingPolicy } from "../../src/core/binding-plan.ts";
import type { SourceOptions } from "../../src/core/source.ts";
import type { TensorType } from "../../src/core/tensor-types.ts";
import { openReader, openSource } from "../../src/sources/registry.ts";
import { float16Value } from "../../src/values/text-numbers.ts";
import { ROOT } from "../corpora.ts";
import { parquetOf } from "../sources/parquet/sample-files.ts";

const folder = mkdtempSync(path.join(tmpdir(), "batchpredict-values-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Entry {
  text: string;
  /** Type -> what the document says. */
  says: Record<string, string>;
}

function documented(): { types: TensorType[]; entries: Entry[] } {
  const lines = readFileSync(path.join(ROOT, "src/values/README.md"), "utf8").split("\n");
  const start = lines.findIndex((line) => line.startsWith("| text |"));
  const cells = (line: string): string[] => line.slice(2, -2).split(" | ");
  const types = cells(lines[start]!)
    .slice(1)
    .map((cell) => cell.replaceAll("`", "") as TensorType);
  const entries: Entry[] = [];
  for (let at = start + 2; lines[at]?.startsWith("| "); at++) {
    const [text, ...says] = cells(lines[at]!);
    entries.push({
      text: JSON.parse(text!.slice(1, -1)) as string,
      says: Object.fromEntries(types.map((t, k) => [t, says[k]!])),
    });
  }
  return { types, entries };
}

const { types, entries } = documented();

/** What stands in place of a missing value. */
const MISSING: Record<string, { policy: MissingPolicy; value: unknown }> = {
  float64: { policy: "nan", value: Number.NaN },
  float32: { policy: { value: "7" }, value: 7 },
  float16: { policy: "nan", value: Number.NaN },
  int64: { policy: { value: "7" }, value: 7n },
  int32: { policy: { value: "7" }, value: 7 },
  uint8: { policy: { value: "7" }, value: 7 },
  bool: { policy: { value: "true" }, value: 1 },
  string: { policy: "reject", value: null },
};

interface Outcome {
  /** Per text: the value, or "rejected". */
  values: unknown[];
  counts: Record<string, number>;
}

function expectation(type: TensorType, chosen: readonly Entry[]): Outcome {
  const counts: Record<string, number> = {};
  const values = chosen.map(({ says }) => {
    const [, value, note] = /^(?:`(.*)` ?)?(.*)$/.exec(says[type]!)!;
    if (note !== "" && note !== "rejected") counts[note!] = (counts[note!] ?? 0) + 1;
    if (value === undefined) return note === "missing" ? MISSING[type]!.value : note;
    if (type === "string") return JSON.parse(value);
    if (type === "int64") return BigInt(value);
    if (type === "bool") return Number(value === "true");
    return value.endsWith("inf") ? Number(value.replace("inf", "Infinity")) : Number(value);
  });
  return { values, counts };
}

async function outcome(file: string, type: TensorType, options: Partial<SourceOptions>, kernel = true): Promise<Outcome> {
  const source = await openSource([file], { csv: {}, ...options }, () => process.stdin);
  const column = source.description.columns.find(({ name }) => name === "v")!;
  const plan: BindingPlan = {
    inputs: [
      {
        input: "x",
        type,
        rowShape: [],
        rowSize: 1,
        from: { kind: "columns", columns: [{ name: "v", index: column.index, missing: MISSING[type]!.policy }] },
      },
    ],
    constants: [],
    keep: [],
    onError: "reject",
  };
  const reader = await openReader(JSON.parse(JSON.stringify(source.description)), plan, { kernel });
  const values: unknown[] = [];
  const counts: Record<string, number> = {};
  try {
    for await (const chunk of source.chunks({ chunkBytes: 1 << 20 })) {
      const { rowsRead, sourceRows, rows, tensors, rejects, ...rest } = await reader.read(chunk);
      const first = values.length;
      values.length = first + rowsRead;
      for (let row = 0; row < rows; row++) {
        const value = tensors[0]!.data[row];
        values[first + (sourceRows === null ? row : sourceRows[row]!)] =
          type === "float16" ? float16Value(value as number) : value;
      }
      for (const { rowInChunk, code } of rejects) values[first + rowInChunk] = code === "BP_SOURCE_CELL" ? "rejected" : code;
      for (const { kind, count } of rest.counts) counts[kind] = (counts[kind] ?? 0) + count;
    }
  } finally {
    await reader.close();
    await source.close();
  }
  return { values, counts };
}

function write(name: string, content: string | Uint8Array): string {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return file;
}

const csvOptions = { csv: { delimiter: ",", quote: '"', header: true, encoding: "utf-8" } };
const quoted = (text: string): string => `"${text}"`;
const csv = (cell: (text: string) => string): string =>
  `id,v\n${entries.map(({ text }, at) => `${at},${cell(text)}\n`).join("")}`;

function tableOf(data: Data<DataType>): Table {
  const fields = [new Field("v", data.type, true)];
  return new Table([
    new RecordBatch(
      new Schema(fields),
      makeData({ type: new Struct(fields), length: data.length, nullCount: 0, children: [data] }),
    ),
  ]);
}
const texts = entries.map(({ text }) => text);
const column = (type: DataType): Data => vectorFromArray(texts, type).data[0]!;
const jsonNumbers = entries.filter(({ text }) => /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text));

const SOURCES: Record<string, { file: () => string; options?: Partial<SourceOptions>; kernel?: boolean }> = {
  "CSV by the kernel": {
    file: () =>
      write(
        "plain.csv",
        csv((text) => (text.includes(",") ? quoted(text) : text)),
      ),
    options: csvOptions,
  },
  "CSV by the reference": {
    file: () =>
      write(
        "plain.csv",
        csv((text) => (text.includes(",") ? quoted(text) : text)),
      ),
    options: csvOptions,
    kernel: false,
  },
  "quoted CSV by the kernel": { file: () => write("quoted.csv", csv(quoted)), options: csvOptions },
  "quoted CSV by the reference": { file: () => write("quoted.csv", csv(quoted)), options: csvOptions, kernel: false },
  "JSON strings": { file: () => write("strings.jsonl", entries.map(({ text }) => `${JSON.stringify({ v: text })}\n`).join("")) },
  "Arrow utf8": { file: () => write("utf8.arrow", tableToIPC(tableOf(column(new Utf8())), "file")) },
  "Arrow large_utf8": { file: () => write("large.arrow", tableToIPC(tableOf(column(new LargeUtf8())), "file")) },
  "Arrow dictionary": {
    file: () => write("dictionary.arrow", tableToIPC(tableOf(column(new Dictionary(new Utf8(), new Int32()))), "file")),
  },
  "Parquet strings": { file: () => write("strings.parquet", parquetOf(tableOf(column(new Utf8())), 1000)) },
};

describe("the value table of the documentation", () => {
  it("has all the types and the odd texts", () => {
    expect(types).toEqual(["float64", "float32", "float16", "int64", "int32", "uint8", "bool", "string"]);
    expect(texts).toEqual(
      expect.arrayContaining(["1e400", "0x10", "1_000", " 3 ", "NaN", "-inf", "TRUE", "1,000", "١", "--1", ""]),
    );
    expect(new Set(texts).size).toBe(texts.length);
  });

  describe.each(Object.keys(SOURCES))("holds for %s", (name) => {
    const { file, options = {}, kernel } = SOURCES[name]!;
    it.each(types)("to %s", async (type) => {
      expect(byText(await outcome(file(), type, options, kernel), entries)).toEqual(byText(expectation(type, entries), entries));
    });
  });

  // JSON's own numbers, but for strings (rejected), whole numbers with an exponent (read) and -0 (it is 0).
  it.each(types.filter((type) => type !== "string"))("holds for JSON numbers to %s", async (type) => {
    const asNumber = ({ text }: Entry): boolean => !/e\d/.test(text) && !(type === "bool" && text === "-0");
    const chosen = type.startsWith("float") ? jsonNumbers : jsonNumbers.filter(asNumber);
    expect(chosen.length).toBeGreaterThan(10);
    const file = write("numbers.jsonl", chosen.map(({ text }) => `{"v":${text}}\n`).join(""));
    expect(byText(await outcome(file, type, {}), chosen)).toEqual(byText(expectation(type, chosen), chosen));
  });
});

/** Named by text, so that a difference says which. */
function byText({ values, counts }: Outcome, of: readonly Entry[]): unknown {
  return { counts, values: Object.fromEntries(of.map(({ text }, at) => [`<${text}>`, values[at]])) };
}
