/** Cutting by a guess, with readers that notice a wrong one, comes to the cuts and the errors of the careful plan. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { BindingPlan } from "../../../src/core/binding-plan.ts";
import { type ByteChunk, WrongCut } from "../../../src/core/chunk.ts";
import { BatchPredictError } from "../../../src/core/errors.ts";
import type { ChunkPlanOptions, ChunkReader, SourceDescription } from "../../../src/core/source.ts";
import { CsvParseDecoder } from "../../../src/sources/csv/csv-parse-decoder.ts";
import { openCsvSource } from "../../../src/sources/csv/index.ts";
import { makeKernelDecoder } from "../../../src/sources/csv/kernel-decoder.ts";
import { planChunks } from "../../../src/sources/csv/plan-chunks.ts";
import { csvReader } from "../../../src/sources/csv/reader.ts";
import { scanRecord, tokensOf } from "../../../src/sources/csv/records.ts";
import { fileOf } from "./harness.ts";

const folder = mkdtempSync(path.join(tmpdir(), "batchpredict-guess-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PLAN: BindingPlan = {
  inputs: [
    {
      input: "x",
      type: "float32",
      rowShape: [1],
      rowSize: 1,
      from: { kind: "columns", columns: [{ name: "a", index: 0, missing: "nan" }] },
    },
  ],
  constants: [],
  keep: [{ name: "text", column: "text", index: 1, type: "utf8" }],
  onError: "reject",
};

interface Cuts {
  cuts: [start: number, end: number][];
  guessed: number;
  recuts: number;
  error: string | null;
}

const told = (error: unknown): string => {
  if (!(error instanceof BatchPredictError)) throw error;
  return JSON.stringify([error.code, error.message, error.details.where]);
};

/** As a run goes about it: chunks in order, each read, cut anew where a reader says so. */
async function follow(
  description: SourceDescription,
  dataStart: number,
  reader: ChunkReader,
  options: ChunkPlanOptions,
): Promise<Cuts> {
  const tokens = tokensOf(description.dialect!);
  const planned = [{ file: description.files[0]!, dataStart, linesBefore: 1, stream: null, plainLines: true }];
  const plan = (more: Partial<ChunkPlanOptions>): AsyncIterator<ByteChunk> =>
    planChunks(planned, description.dialect!, tokens, { ...options, ...more })[Symbol.asyncIterator]();
  const found: Cuts = { cuts: [], guessed: 0, recuts: 0, error: null };
  let chunks = plan({});
  try {
    for (;;) {
      const { value: chunk, done } = await chunks.next();
      if (done) return found;
      expect(chunk.index).toBe(found.cuts.length);
      try {
        await reader.read(chunk);
      } catch (error) {
        if (!(error instanceof WrongCut)) throw error;
        expect(chunk.guessed).toBe(true);
        found.recuts++;
        await chunks.return?.();
        chunks = plan({ mayGuess: false, from: { index: chunk.index, file: chunk.file, byte: chunk.byteStart } });
        continue;
      }
      found.cuts.push([chunk.byteStart, chunk.byteEnd]);
      if (chunk.guessed) found.guessed++;
    }
  } catch (error) {
    found.error = told(error);
    return found;
  }
}

/** Header "a,text"; the first record is plain, so that the columns are what the plan says. */
async function described(body: string, csv: object, file = path.join(folder, "input.csv")): Promise<SourceDescription> {
  writeFileSync(file, `a,text\n1,x\n`);
  const source = await openCsvSource([fileOf(file)], {
    csv: { delimiter: ",", quote: '"', header: true, encoding: "utf-8", columnTypes: { text: "utf8" }, ...csv },
  });
  await source.close();
  writeFileSync(file, `a,text\n${body}`);
  return { ...source.description, files: [fileOf(file)] };
}

const DATA_START = "a,text\n".length;
const cell = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("plain", "", "a b", 'in"side', "é") },
  { weight: 2, arbitrary: fc.constantFrom('"quoted"', '"a,b"', '"say ""hi"""', '"a\\"') },
  { weight: 1, arbitrary: fc.constantFrom('"two\nlines"', '"1,x\n2,y\n3,z"', '"\n"', '""",\n"""', '"a"\n"b"') },
);
const record = fc.tuple(fc.constantFrom("1", "-2.5", "", "bad"), cell).map(([number, text]) => `${number},${text}`);
const bodies = fc
  .tuple(
    fc.array(record, { maxLength: 60, size: "max" }),
    fc.constantFrom("\n", "\r\n"),
    fc.constantFrom("", "7,end", '7,"open', '"'),
  )
  .map(([records, newline, end]) => records.map((one) => one + newline).join("") + end);

describe.each([
  ["the kernel", makeKernelDecoder],
  ["the reference", ((...given) => new CsvParseDecoder(...given)) as typeof makeKernelDecoder],
])("with %s", (_, make) => {
  it("comes to the careful plan's cuts and errors, and cuts anew just where a record goes on", async () => {
    let recuts = 0;
    let guessed = 0;
    const sizes = fc.record({ chunkBytes: fc.integer({ min: 1, max: 120 }), maxRecordBytes: fc.constantFrom(20, 60, 1000) });
    await fc.assert(
      fc.asyncProperty(bodies, sizes, async (body, { chunkBytes, maxRecordBytes }) => {
        const description = await described(body, { maxRecordBytes });
        const reader = csvReader(description, PLAN, make);
        const careful = await follow(description, DATA_START, reader, { chunkBytes });
        const quick = await follow(description, DATA_START, reader, { chunkBytes, mayGuess: true });
        await reader.close();
        expect({ cuts: quick.cuts, error: quick.error }).toEqual({ cuts: careful.cuts, error: careful.error });
        // Once cut anew, the rest is cut with care.
        expect(quick.recuts).toBeLessThanOrEqual(1);
        if (!body.includes('"')) expect(quick.recuts).toBe(0);
        recuts += quick.recuts;
        guessed += quick.guessed;
      }),
      { numRuns: 300 },
    );
    expect(recuts).toBeGreaterThan(25);
    expect(guessed).toBeGreaterThan(250);
  });

  it("says of a chunk that it was cut wrongly when, and only when, a quote is open at its end", async () => {
    let open = 0;
    await fc.assert(
      fc.asyncProperty(bodies, fc.integer({ min: 0, max: 1000 }), async (body, where) => {
        const description = await described(body, {});
        const newlines = [...Buffer.from(body).entries()].filter(([, byte]) => byte === 10).map(([at]) => at + 1);
        const length = newlines[where % Math.max(1, newlines.length)] ?? Buffer.byteLength(body);
        const bytes = Buffer.from(body).subarray(0, length);
        let at = 0;
        let openQuote = -1;
        while (at < bytes.length) {
          const scan = scanRecord(bytes, at, bytes.length, tokensOf(description.dialect!), false);
          if (scan.kind === "incomplete") {
            openQuote = scan.openQuote;
            break;
          }
          at = scan.next;
        }
        const chunk = { kind: "bytes", index: 0, file: 0, byteStart: DATA_START, byteEnd: DATA_START + length } as const;
        const reader = csvReader(description, PLAN, make);
        const wrong = await reader.read({ ...chunk, guessed: true }).then(
          () => false,
          (error: unknown) => error instanceof WrongCut,
        );
        await reader.close();
        expect(wrong).toBe(openQuote >= 0);
        if (wrong) open++;
      }),
      { numRuns: 600 },
    );
    expect(open).toBeGreaterThan(30);
  });
});

it("does not guess in a dialect whose newlines may lie in a comment, nor where a record may not be as long as a chunk", async () => {
  const body = "1,x\n".repeat(200);
  const guesses = async (csv: object, chunkBytes: number): Promise<number> => {
    const description = await described(body, csv);
    const reader = csvReader(description, PLAN, makeKernelDecoder);
    const { guessed, cuts, error } = await follow(description, DATA_START, reader, { chunkBytes, mayGuess: true });
    await reader.close();
    expect(error).toBeNull();
    expect(cuts.length).toBeGreaterThan(3);
    return guessed;
  };
  expect(await guesses({}, 100)).toBeGreaterThan(3);
  expect(await guesses({ comment: "#" }, 100)).toBe(0);
  expect(await guesses({ maxRecordBytes: 60 }, 100)).toBe(0);
  // Where there are no quotes nothing is a guess.
  expect(await guesses({ quote: null }, 100)).toBe(0);
});
