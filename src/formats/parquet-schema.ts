/**
 * The top-level columns of a Parquet schema. The file lists SchemaElements depth first; each column of the table owns a run of
 * elements and, in the same order, a run of leaves, which are the column chunks of every row group.
 */
import { FileMetaData, int, type ParquetFooter, refuse, text } from "./parquet-footer.ts";
import { encodeStruct, Thrift, type ThriftStruct, type ThriftValue } from "./thrift-compact.ts";

const SchemaElement = { type: 1, typeLength: 2, repetition: 3, name: 4, children: 5 } as const;
const REQUIRED = 0n;
const REPEATED = 2n;
const MAX_DEPTH = 60;

export interface ParquetField {
  name: string;
  /** SchemaElements of this column in ParquetFooter.schema, end exclusive. */
  elementStart: number;
  elementEnd: number;
  /** Column chunks of this column within a row group, end exclusive. */
  leafStart: number;
  leafEnd: number;
  /** Bytes of one row once decoded, strings and repeated values not counted. */
  rowBytes: number;
  /** Per leaf: it is INT96, a timestamp as Impala and older Sparks write it. */
  int96: boolean[];
  /** One value (or null) per row: no group, nothing repeated. */
  flat: boolean;
  /** Physical type of a flat column (Type of parquet.thrift), and whether it may hold nulls. */
  physical: number;
  optional: boolean;
}

/** A group without any leaf holds no values and is no column. @throws BP_INPUT_FORMAT when the elements do not form a tree */
export function fieldsOf({ schema, file }: ParquetFooter): ParquetField[] {
  const fields: ParquetField[] = [];
  let columns = 0n;
  let leaf = 0;
  for (let element = 1; element < schema.length; ) {
    const field: ParquetField = {
      name: text(schema[element]!, SchemaElement.name) ?? "",
      elementStart: element,
      elementEnd: element,
      leafStart: leaf,
      leafEnd: leaf,
      rowBytes: 0,
      int96: [],
      flat: false,
      physical: Number(int(schema[element]!, SchemaElement.type) ?? -1n),
      optional: int(schema[element]!, SchemaElement.repetition) !== REQUIRED,
    };
    // Open groups: how many children each still awaits.
    const awaited = [1];
    for (; awaited.length > 0; element++) {
      const node = schema[element];
      if (node === undefined || awaited.length > MAX_DEPTH)
        throw refuse(file, `the schema of column ${field.name} is not a tree`);
      awaited[awaited.length - 1]!--;
      const children = Number(int(node, SchemaElement.children) ?? 0n);
      if (children > 0) awaited.push(children);
      else if (int(node, SchemaElement.type) !== undefined) {
        leaf++;
        field.rowBytes += widthOf(node);
        field.int96.push(int(node, SchemaElement.type) === INT96);
      } else if (children < 0) throw refuse(file, `the schema of column ${field.name} is not a tree`);
      while (awaited.at(-1) === 0) awaited.pop();
    }
    field.elementEnd = element;
    field.flat = element - field.elementStart === 1 && int(schema[field.elementStart]!, SchemaElement.repetition) !== REPEATED;
    field.leafEnd = leaf;
    columns++;
    if (leaf > field.leafStart) fields.push(field);
  }
  if (int(schema[0]!, SchemaElement.children) !== columns) throw refuse(file, "its schema is not a tree");
  return fields;
}

/** The schema list with only these columns, in the given order. */
export function pruneSchema(schema: readonly ThriftStruct[], fields: readonly ParquetField[]): ThriftValue {
  const root: ThriftStruct = new Map(schema[0]);
  root.set(SchemaElement.children, { type: Thrift.I32, value: fields.length });
  const elements = [root, ...fields.flatMap((field) => schema.slice(field.elementStart, field.elementEnd))];
  return { type: Thrift.List, of: Thrift.Struct, raw: elements.map(encodeStruct) };
}

/** Row groups of one output file must agree byte for byte. */
export function sameSchema(a: ParquetFooter, b: ParquetFooter): boolean {
  const bytes = (footer: ParquetFooter): Uint8Array =>
    encodeStruct(new Map([[FileMetaData.schema, footer.meta.get(FileMetaData.schema)!]]));
  return Buffer.compare(bytes(a), bytes(b)) === 0;
}

const INT96 = 3n;

/** Physical types: 0 BOOLEAN, 1 INT32, 2 INT64, 3 INT96, 4 FLOAT, 5 DOUBLE, 6 BYTE_ARRAY, 7 FIXED_LEN_BYTE_ARRAY. */
function widthOf(leaf: ThriftStruct): number {
  const fixed = Math.max(0, Number(int(leaf, SchemaElement.typeLength) ?? 0n));
  return [1, 4, 8, 8, 4, 8, 8, fixed][Number(int(leaf, SchemaElement.type))] ?? 8;
}
