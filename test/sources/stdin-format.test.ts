import { readFileSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { openSource } from "../../src/sources/registry.ts";
import { FIXTURES } from "../corpora.ts";

/** In pieces as small as a pipe may give them. */
async function piped(bytes: Buffer, pieceBytes: number): Promise<{ format: string; columns: string[] }> {
  const pieces = function* (): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  };
  const source = await openSource(["-"], { csv: {} }, () => Readable.from(pieces(), { objectMode: false }));
  const { format, columns } = source.description;
  await source.close();
  return { format, columns: columns.map(({ name }) => name) };
}

describe("stdin without --input-format", () => {
  const rows = (ending: string): Buffer => readFileSync(path.join(FIXTURES, "formats", `rows.${ending}`));

  it.each([1, 3, 1 << 16])("is known by its first bytes, which are read again (pieces of %d bytes)", async (pieceBytes) => {
    const csv = await piped(rows("csv").subarray(0, 4000), pieceBytes);
    expect(csv).toMatchObject({
      format: "csv",
      columns: ["id", "sepal_length", "sepal_width", "petal_length", "petal_width", "note", "flag", "day", "at"],
    });
    expect(await piped(rows("arrows"), Math.max(pieceBytes, 64))).toEqual({ ...csv, format: "arrow-stream" });
    expect(await piped(Buffer.from('{"a": 1, "b": "x"}\n{"a": 2}\n'), pieceBytes)).toEqual({
      format: "jsonl",
      columns: ["a", "b"],
    });
    expect(await piped(Buffer.from("a\n1\n"), pieceBytes)).toEqual({ format: "csv", columns: ["a"] });
  });

  it("refuses a pipe that ends before it begins", async () => {
    await expect(piped(Buffer.alloc(0), 1)).rejects.toMatchObject({ code: "BP_INPUT_FORMAT" });
  });
});
