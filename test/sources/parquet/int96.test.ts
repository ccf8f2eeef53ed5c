/** INT96 timestamps, written by pyarrow 25 without a stored Arrow schema, as Impala and older Sparks do. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openParquetReader, openParquetSource } from "../../../src/sources/parquet/index.ts";
import { textReader } from "../../../src/values/arrow-text.ts";

/** at: 2024-01-02T03:04:05.123456, null, 9999-12-31T23:59:59.999999, 0001-01-01; l: [1600-01-01], [], null, [null, 2300-01-01]. */
const FAR =
  "UEFSMRUEFUgVSEwVBhUAEgAAAPyopAsKAACYiiUAGPxOkZROAAAs/lEAAAAAAAAAAABSRBoAFQAVFBUULBUIFRAVBhUGHAAAAAIAAAADDQIDJAAVBBUwFTBMFQQVABIAAAAAAAAAAAAAqC0jAAAAAAAAAAAAXhQnABUAFSAVICwVChUQFQYVBhwAAAACAAAAAxADAAAAA4cDAQMCFQQZXDUAGAZzY2hlbWEVBAAVBiUCGAJhdAA1AhgBbBUCFQZMPAAAADUEGARsaXN0FQIAFQYlAhgHZWxlbWVudAAWCBkcGSwmABwVBhk1AAYQGRgCYXQVABYIFp4BFp4BJmwmCCksFQQVABUCABUAFRAVAgA8KQYZJgIGAAAAJgAcFQYZNQAGEBk4AWwEbGlzdAdlbGVtZW50FQAWChaSARaSASbyASamASksFQQVABUCABUAFRAVAgA8KSYIAhlGAgICBAAAABawAhYIJggWsAIAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI1LjAuMRksHAAAHAAAAP0AAABQQVIx";
/** at: 2024-01-01T20:34:56.123456789, 1970-01-01. */
const NANOSECONDS =
  "UEFSMRUEFTAVMEwVBBUAEgAAFS0e2WNDAACXiiUAAAAAAAAAAACMPSUAFQAVEhUSLBUEFRAVBhUGHAAAAAIAAAAEAQEDAhUEGSw1ABgGc2NoZW1hFQIAFQYlAhgCYXQAFgQZHBkcJgAcFQYZNQAGEBkYAmF0FQAWBBaEARaEASZUJggpLBUEFQAVAgAVABUQFQIAPCkGGSYABAAAABaEARYEJggWhAEAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI1LjAuMRkcHAAAAIoAAABQQVIx";

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "parquet-int96-"));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

async function read(base64: string): Promise<Record<string, (string | null)[]>> {
  const file = path.join(folder, "int96.parquet");
  fs.writeFileSync(file, Buffer.from(base64, "base64"));
  const source = await openParquetSource([{ path: file, sizeBytes: null, mtimeMs: null }], { csv: {} });
  const keep = source.description.columns.map(({ name, index }) => ({ name, column: name, index, type: "source" as const }));
  const reader = await openParquetReader(source.description, { inputs: [], constants: [], keep, onError: "fail" });
  const columns: Record<string, (string | null)[]> = {};
  try {
    for await (const chunk of source.chunks({ chunkBytes: 1 << 20 })) {
      const { kept, rows } = await reader.read(chunk);
      for (const [k, data] of kept.entries()) {
        const text = textReader(data);
        columns[keep[k]!.name] = Array.from({ length: rows }, (_, row) => text(row));
      }
    }
  } finally {
    await reader.close();
    await source.close();
  }
  return columns;
}

it("come out exactly in every century, also inside of lists", async () => {
  expect(await read(FAR)).toEqual({
    at: ["2024-01-02T03:04:05.123456", null, "9999-12-31T23:59:59.999999", "0001-01-01T00:00:00.000000"],
    l: ['["1600-01-01T00:00:00.000000"]', "[]", null, '[null,"2300-01-01T00:00:00.000000"]'],
  });
});

it("with digits below a microsecond are refused, not cut", async () => {
  await expect(read(NANOSECONDS)).rejects.toMatchObject({
    code: "BP_SOURCE_CELL",
    message: 'column "at" holds a timestamp that timestamp[us] cannot hold exactly',
    details: { where: { column: "at" }, actual: "about 2024-01-01T20:34:56" },
  });
});
