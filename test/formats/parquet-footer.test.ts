import fs from "node:fs";
import { open } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import { footerOf, footerStart, readFooter, readFooterSync } from "../../src/formats/parquet-footer.ts";
import { readColumnChunk, readRowGroup } from "../../src/formats/parquet-row-group.ts";
import { fieldsOf } from "../../src/formats/parquet-schema.ts";
import { decodeStruct, encodeStruct } from "../../src/formats/thrift-compact.ts";
import { MATERIAL, materialFiles, sampleParquet } from "../sources/parquet/sample-files.ts";

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "parquet-footer-"));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function fileOf(name: string, content: Uint8Array): string {
  const file = path.join(folder, name);
  fs.writeFileSync(file, content);
  return file;
}

async function codeAndMessage(file: string): Promise<string> {
  const handle = await open(file);
  try {
    await readFooter(handle, file);
    return "read";
  } catch (error) {
    expect(error).toBeInstanceOf(BatchPredictError);
    const { code, message, details } = error as BatchPredictError;
    expect(details.where?.file).toBe(file);
    return `${code} ${message}`;
  } finally {
    await handle.close();
  }
}

describe("Parquet footer", () => {
  it("tells row groups, columns and metadata, by handle, by descriptor and from memory", async () => {
    const bytes = sampleParquet({ rows: 10, rowGroupRows: 4 });
    const file = fileOf("ok.parquet", bytes);
    const handle = await open(file);
    const footer = await readFooter(handle, file);
    await handle.close();
    const fd = fs.openSync(file, "r");
    expect(readFooterSync(fd, file)).toEqual(footer);
    fs.closeSync(fd);
    expect(footerOf(bytes, file)).toEqual(footer);
    expect(footer.rows).toBe(10);
    expect(footer.rowGroups.map((group) => readRowGroup(group, file).rows)).toEqual([4, 4, 2]);
    expect(fieldsOf(footer).map(({ name, leafStart, leafEnd }) => [name, leafStart, leafEnd])).toEqual([
      ["id", 0, 1],
      ["größe.m", 1, 2],
      ["name", 2, 3],
      ["pair", 3, 5],
      ["values", 5, 6],
    ]);
    expect(footer.keyValues.has("ARROW:schema")).toBe(true);
    const [first] = readRowGroup(footer.rowGroups[0]!, file).chunks.map((chunk) => readColumnChunk(chunk, file, bytes.length));
    expect(first!.start).toBe(4);
  });

  it("says what is wrong with a file that is none", async () => {
    const good = sampleParquet({ rows: 3, rowGroupRows: 3 });
    const encrypted = Buffer.concat([good.subarray(0, good.length - 4), Buffer.from("PARE")]);
    const longer = Buffer.from(good);
    longer.writeUInt32LE(good.length, good.length - 8);
    const cases: [string, Uint8Array, RegExp][] = [
      ["empty.parquet", new Uint8Array(0), /BP_INPUT_FORMAT.*empty \(0 bytes\)/],
      ["short.parquet", Buffer.from("PAR1"), /BP_INPUT_FORMAT.*cut off/],
      ["cut.parquet", good.subarray(0, good.length - 10), /BP_INPUT_FORMAT.*cut off/],
      ["text.parquet", Buffer.from("a,b\n1,2\n3,4\n5,6\n"), /BP_INPUT_FORMAT.*no Parquet file/],
      ["encrypted.parquet", encrypted, /BP_INPUT_FORMAT.*encrypted/],
      ["length.parquet", longer, /BP_INPUT_FORMAT.*does not fit/],
    ];
    for (const [name, content, expected] of cases) expect(await codeAndMessage(fileOf(name, content))).toMatch(expected);
  });

  it("survives every single byte of a footer being wrong", () => {
    const good = sampleParquet({ rows: 3, rowGroupRows: 2 });
    const start = footerStart(good);
    let refused = 0;
    for (let at = start; at < good.length - 4; at++) {
      for (const bits of [0xff, 0x01, 0x80]) {
        const bad = Buffer.from(good);
        bad[at]! ^= bits;
        try {
          const footer = footerOf(bad, "bad.parquet");
          fieldsOf(footer);
          for (const group of footer.rowGroups) {
            for (const chunk of readRowGroup(group, "bad.parquet").chunks) readColumnChunk(chunk, "bad.parquet", bad.length);
          }
        } catch (error) {
          expect(error).toMatchObject({ code: "BP_INPUT_FORMAT", details: { where: { file: "bad.parquet" } } });
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(100);
  });

  it("encodes to the same bytes what it decoded, for every file of the collection", () => {
    const files = materialFiles();
    let same = 0;
    for (const { file, path: full } of files) {
      const bytes = fs.readFileSync(full);
      let orig: Uint8Array;
      try {
        const footer = footerOf(bytes, file);
        orig = bytes.subarray(footerStart(bytes)).subarray(0, footer.metaBytes);
      } catch (error) {
        expect(error, file).toMatchObject({ code: "BP_INPUT_FORMAT" });
        continue;
      }
      try {
        const { struct } = decodeStruct(orig);
        expect(Buffer.compare(orig, encodeStruct(struct)), file).toBe(0);
        same++;
      } catch (error) {
        if (!(error instanceof BatchPredictError)) throw error;
      }
    }
    if (fs.existsSync(MATERIAL)) expect(same).toBeGreaterThan(380);
  });
});
