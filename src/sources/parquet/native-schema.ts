/**
 * The Arrow types of plain columns (numbers, booleans, UTF-8 texts), as the general decoder would give them, so that files of nothing else are
 * planned and read without loading it. Where a type could be something else, the decoder is asked.
 * Source: parquet.thrift (SchemaElement, ConvertedType, LogicalType).
 */
import { Bool, type DataType, Field, Float32, Float64, Int32, Int64, Schema, Utf8 } from "apache-arrow";
import { BatchPredictError } from "../../core/errors.ts";
import { readMessage, readPrefix } from "../../formats/arrow-messages.ts";
import { pruneArrowSchema } from "../../formats/parquet-arrow-schema.ts";
import { int, type ParquetFooter } from "../../formats/parquet-footer.ts";
import type { ParquetField } from "../../formats/parquet-schema.ts";
import { Thrift, type ThriftStruct } from "../../formats/thrift-compact.ts";

const SchemaElement = { repetition: 3, converted: 6, logical: 10 } as const;
const [REQUIRED, OPTIONAL] = [0n, 1n];
const Converted = { utf8: 0, int32: 17, int64: 18 } as const;
const Logical = { string: 1, integer: 10 } as const;
const Physical = { boolean: 0, int32: 1, int64: 2, float: 4, double: 5, byteArray: 6 } as const;

/** @param stored base64 of the Arrow schema in the footer @returns null unless every column is plain, and the stored schema says the same */
export function nativeSchema(
  { schema, file }: ParquetFooter,
  columns: readonly ParquetField[],
  stored: string | null,
): { schema: Schema; hint: string | null } | null {
  const types = columns.map((column) => (column.flat ? nativeType(column.physical, schema[column.elementStart]!) : null));
  if (columns.length === 0 || types.some((type) => type === null)) return null;
  const all = columns.map((_, at) => at);
  // A stored schema of other columns is no one's.
  const hint = stored !== null && pruneArrowSchema(stored, all, columns.length) !== null ? stored : null;
  const hinted = hint === null ? null : storedFields(hint, file);
  if (hint !== null && hinted?.length !== columns.length) return null;
  const fields = columns.map((column, at) => new Field(column.name, types[at]!, column.optional));
  const same = hinted?.every((field, at) => field.name === fields[at]!.name && String(field.type) === String(types[at])) ?? true;
  return same ? { schema: new Schema(fields), hint } : null;
}

function nativeType(physical: number, element: ThriftStruct): DataType | null {
  const repetition = int(element, SchemaElement.repetition);
  if (repetition !== REQUIRED && repetition !== OPTIONAL) return null;
  const converted = int(element, SchemaElement.converted);
  const logical = element.get(SchemaElement.logical);
  const isPlain = converted === undefined && logical === undefined;
  switch (physical) {
    case Physical.boolean:
      return isPlain ? new Bool() : null;
    case Physical.float:
      return isPlain ? new Float32() : null;
    case Physical.double:
      return isPlain ? new Float64() : null;
    case Physical.int32:
      return isPlain || isSigned(converted, logical, Converted.int32, 32) ? new Int32() : null;
    case Physical.int64:
      return isPlain || isSigned(converted, logical, Converted.int64, 64) ? new Int64() : null;
    case Physical.byteArray: {
      const isText = logical === undefined || (logical.type === Thrift.Struct && logical.value.has(Logical.string));
      return converted === BigInt(Converted.utf8) && isText ? new Utf8() : null;
    }
    default:
      return null;
  }
}

/** "A signed integer as wide as it is stored" says nothing that the physical type does not. */
function isSigned(
  converted: bigint | undefined,
  logical: ReturnType<ThriftStruct["get"]>,
  expected: number,
  bits: number,
): boolean {
  if (converted !== undefined && converted !== BigInt(expected)) return false;
  if (logical === undefined) return true;
  const about = logical.type === Thrift.Struct ? logical.value.get(Logical.integer) : undefined;
  if (about?.type !== Thrift.Struct) return false;
  const signed = about.value.get(2);
  return int(about.value, 1) === BigInt(bits) && signed?.type === Thrift.True && signed.value;
}

function storedFields(base64: string, file: string): readonly Field[] | null {
  const bytes = new Uint8Array(Buffer.from(base64, "base64"));
  const prefix = readPrefix(bytes);
  if (prefix === null) return null;
  try {
    const message = readMessage(file, bytes.subarray(prefix.prefixBytes, prefix.prefixBytes + prefix.metadataBytes));
    return message.kind === "schema" ? message.schema.fields : null;
  } catch (error) {
    if (error instanceof BatchPredictError) return null;
    throw error;
  }
}
