import fs from "node:fs";
import path from "node:path";
import { type DataType, Dictionary, type Field, RecordBatchReader, Type } from "apache-arrow";
import { describe, expect, it } from "vitest";
import { BatchPredictError } from "../../../src/core/errors.ts";
import { columnTexts, open, readChunks, texts } from "./read-all.ts";

const material = path.resolve(import.meta.dirname, "../../../../shared/material");

interface ReadResult {
  file: string;
  js: { error?: string; timeout_25s?: true };
  pyarrow: { error?: string; rows?: number; nulls?: number[] };
}

type Outcome =
  | { refused: BatchPredictError }
  | { rows: number; declared: number | null; columns: (string | null)[][]; hasOwnNulls: boolean[] };

/** Readable by Arrow's C++ and refused here, each in our own words. */
const REFUSED_BY_DESIGN = [
  /big-endian/,
  /is run-end encoded, a layout/,
  /is a (large )?list view, a layout/,
  /Feather version 1/,
  /names two columns/,
  // A time unit that the format does not have, which pyarrow takes for seconds.
  /has an impossible type/,
];

/** pyarrow reads these and finds them invalid by its strictest check: dates with a time of day, decimals with too many digits. */
const ODD_VALUES = /generated_(datetime|decimal|decimal256)\./;

async function outcomeOf(file: string): Promise<Outcome> {
  try {
    const source = await open(file);
    const { columns, rows: declared } = source.description;
    const chunks = await readChunks(source, 4096);
    const types = chunks[0] ? await typesOf(file) : [];
    return {
      rows: chunks.reduce((sum, { decoded }) => sum + decoded.rows, 0),
      declared,
      columns: columnTexts(chunks, columns.length),
      hasOwnNulls: types.map(hasOwnNulls),
    };
  } catch (error) {
    // A corrupt file must never end in a TypeError of a library.
    expect(error, file).toBeInstanceOf(BatchPredictError);
    return { refused: error as BatchPredictError };
  }
}

async function typesOf(file: string): Promise<DataType[]> {
  try {
    return RecordBatchReader.from(fs.readFileSync(file))
      .open()
      .schema.fields.map((field: Field) => field.type);
  } catch {
    return [];
  }
}

/** pyarrow counts the nulls of codes and of unions' own slots, we those of values. */
function hasOwnNulls(type: DataType): boolean {
  return !(type instanceof Dictionary) && type.typeId !== Type.Union;
}

/** What apache-arrow makes of the file, value by value; null where it cannot. */
function byTheLibrary(file: string): (string | null)[][] | null {
  try {
    const batches = [...RecordBatchReader.from(fs.readFileSync(file))];
    return batches[0]!.schema.fields.map((_, column) =>
      batches.flatMap((batch) => (batch.numRows === 0 ? [] : texts(batch.data.children[column]!))),
    );
  } catch {
    return null;
  }
}

function listed(): ReadResult[] {
  const list = path.join(material, "arrow/READ_RESULTS.json");
  if (!fs.existsSync(list)) {
    console.warn("SKIPPED: ../shared/material/arrow is not here");
    return [];
  }
  const all = JSON.parse(fs.readFileSync(list, "utf8")) as ReadResult[];
  return all.filter(({ file }) => fs.existsSync(path.join(material, "arrow", file)));
}

describe("the collected Arrow files", () => {
  it("are read as pyarrow and apache-arrow read them, or refused with a reason", { timeout: 240_000 }, async () => {
    const seen = { read: 0, refused: 0, compared: 0 };
    for (const { file, js, pyarrow } of listed()) {
      const outcome = await outcomeOf(path.join(material, "arrow", file));
      if ("refused" in outcome) {
        seen.refused++;
        const { code, message } = outcome.refused;
        expect(["BP_INPUT_FORMAT", "BP_SOURCE_SCHEMA"], `${file}: ${message}`).toContain(code);
        if (!pyarrow.error)
          expect(
            REFUSED_BY_DESIGN.some((reason) => reason.test(message)),
            `${file}: ${message}`,
          ).toBe(true);
        continue;
      }
      seen.read++;
      if (pyarrow.error) expect(ODD_VALUES.test(file), `${file} was read, pyarrow: ${pyarrow.error}`).toBe(true);
      else expect(outcome.rows, file).toBe(pyarrow.rows);
      if (outcome.declared !== null) expect(outcome.declared, file).toBe(outcome.rows);
      outcome.hasOwnNulls.forEach((comparable, column) => {
        const nulls = outcome.columns[column]!.filter((text) => text === null).length;
        if (comparable && pyarrow.nulls) expect(nulls, `${file} column ${column}`).toBe(pyarrow.nulls[column]);
      });
      const library = js.error || js.timeout_25s ? null : byTheLibrary(path.join(material, "arrow", file));
      if (library === null) continue;
      seen.compared++;
      expect(JSON.stringify(outcome.columns) === JSON.stringify(library), `${file}: values differ`).toBe(true);
    }
    if (listed().length > 0) {
      expect(seen.read).toBeGreaterThan(200);
      expect(seen.refused).toBeGreaterThan(130);
      expect(seen.compared).toBeGreaterThan(190);
    }
  });

  it.each([
    ["made/alltypes_none.arrow", "made/alltypes_lz4.arrow"],
    ["made/plain_none.arrow", "made/plain_lz4_7batches.arrow"],
    ["made/plain_none.arrows", "made/plain_zstd.arrows"],
    ["made/plain_none_7batches.arrow", "made/plain_zstd_7batches.arrow"],
    ["made/feather_v2_uncompressed.feather", "made/feather_v2_zstd.feather"],
  ])("hold the same values plain and compressed: %s and %s", async (plain, compressed) => {
    if (listed().length === 0) return;
    const [a, b] = await Promise.all([plain, compressed].map((file) => outcomeOf(path.join(material, "arrow", file))));
    expect(a).toHaveProperty("rows", 1000);
    expect((b as { columns: unknown }).columns).toEqual((a as { columns: unknown }).columns);
  });
});
