/**
 * "ARROW:schema": the Arrow schema that Arrow writers store in a Parquet footer (base64 of an IPC schema message), which tells
 * time zones, dictionaries and fixed-size lists that Parquet has no words for. A file of fewer columns needs it without the
 * others, and without losing what a decoder might not know: so only the flatbuffer's vector of fields is rewritten in place.
 * Source: Arrow format/Message.fbs and Schema.fbs; FlatBuffers internals (tables, vtables, vectors of offsets).
 */
import { BatchPredictError } from "../core/errors.ts";
export const ARROW_SCHEMA_KEY = "ARROW:schema";

/** Slots of Message.header and Schema.fields in their vtables. */
const MESSAGE_HEADER = 2;
const SCHEMA_FIELDS = 1;

/**
 * @param columns positions of the fields to keep, ascending
 * @param total number of fields the schema must have
 * @returns null when the text is not such a schema; Parquet's own types then decide alone
 */
export function pruneArrowSchema(base64: string, columns: readonly number[], total: number): string | null {
  const bytes = Buffer.from(base64, "base64");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    // Messages since Arrow 0.15 start with a continuation mark before their length.
    const start = view.getUint32(0, true) === 0xffffffff ? 8 : 4;
    const message = start + view.getUint32(start, true);
    const schema = follow(view, message, MESSAGE_HEADER);
    const fields = follow(view, schema, SCHEMA_FIELDS);
    if (view.getUint32(fields, true) !== total) return null;
    const slot = (k: number): number => fields + 4 + 4 * k;
    view.setUint32(fields, columns.length, true);
    // Offsets count from their own slot, and fields move only towards the front, so no unread slot is overwritten.
    for (const [k, column] of columns.entries())
      view.setUint32(slot(k), slot(column) + view.getUint32(slot(column), true) - slot(k), true);
    return bytes.toString("base64");
  } catch (error) {
    if (error instanceof RangeError || error instanceof BatchPredictError) return null;
    throw error;
  }
}

/** Position of the table or vector that field `slot` of a table refers to. @throws RangeError outside of the bytes, BP_INPUT_FORMAT for an absent field */
function follow(view: DataView, table: number, slot: number): number {
  const vtable = table - view.getInt32(table, true);
  const entry = vtable + 4 + 2 * slot;
  const offset = entry + 2 <= vtable + view.getUint16(vtable, true) ? view.getUint16(entry, true) : 0;
  if (offset === 0) throw new BatchPredictError("BP_INPUT_FORMAT", "a Parquet file holds an Arrow schema that lacks a field");
  return table + offset + view.getUint32(table + offset, true);
}
