import { Field, Float64, Int32, makeData, RecordBatch, RecordBatchStreamWriter, Schema, Struct } from "apache-arrow";
import { expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import { readMessage, readPrefix } from "../../src/formats/arrow-messages.ts";

/** Schema message of two columns, with metadata of the table and of a column. */
function schemaMessage(): Uint8Array {
  const notes = new Map([["key", "value"]]);
  const schema = new Schema([new Field("a", new Int32(), true, notes), new Field("b", new Float64(), true)], notes);
  const data = makeData({ type: new Struct(schema.fields), length: 0, nullCount: 0 });
  const writer = new RecordBatchStreamWriter();
  writer.write(new RecordBatch(schema, data));
  writer.finish();
  const bytes = writer.toUint8Array(true);
  const { prefixBytes, metadataBytes } = readPrefix(bytes)!;
  return bytes.slice(prefixBytes, prefixBytes + metadataBytes);
}

it("no count in a schema message, however large, makes it be read for long", () => {
  const sound = schemaMessage();
  expect(readMessage("sound.arrow", sound).kind).toBe("schema");
  let refused = 0;
  for (let at = 0; at < sound.length; at += 4) {
    for (const count of [0x7fffffff, 0xffffffff, 0x00080829]) {
      const damaged = sound.slice();
      new DataView(damaged.buffer).setUint32(at, count, true);
      const started = performance.now();
      try {
        readMessage("damaged.arrow", damaged);
      } catch (error) {
        expect(error).toBeInstanceOf(BatchPredictError);
        refused++;
      }
      expect(performance.now() - started, `word at ${at}`).toBeLessThan(10_000);
    }
  }
  expect(refused).toBeGreaterThan(20);
});
