/**
 * Fixed-size lists that are null: Parquet stores them as lists of no elements, and pyarrow refuses to read such a column back as
 * fixed-size (also when it wrote the file itself). Whether there are any is known when the run ends; the stored Arrow schema
 * then calls the column a list, for the values are stored the same way.
 */
import { type Data, Field, List, type RecordBatch, Schema, Type } from "apache-arrow";
import { nestedType } from "./adapt-columns.ts";
import { arrowSchemaText } from "./encode-row-group.ts";

export function hasNullFixedSizeLists(batch: RecordBatch): boolean {
  return batch.data.children.some((data) => hasNulls(data, false));
}

/** @param absent a parent is null in some row, and with it the list */
function hasNulls(data: Data, absent: boolean): boolean {
  const nulls = absent || data.nullCount > 0;
  if (data.type.typeId === Type.FixedSizeList && nulls) return true;
  return data.children.some((child) => hasNulls(child, nulls && data.type.typeId === Type.Struct));
}

/** Base64 text of the Arrow schema with lists in place of fixed-size lists. */
export function arrowSchemaOf(schema: Schema): string {
  return arrowSchemaText(new Schema(schema.fields.map(loosened), schema.metadata));
}

function loosened(field: Field): Field {
  const children = ((field.type.children ?? []) as Field[]).map(loosened);
  if (children.length === 0) return field;
  const type = field.type.typeId === Type.FixedSizeList ? new List(children[0]!) : nestedType(field.type, children);
  return new Field(field.name, type, field.nullable, field.metadata);
}
