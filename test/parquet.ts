/** Reads Parquet by a library that shares no code with ours. */
import { readFileSync } from "node:fs";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";

export async function readParquet(file: string): Promise<Record<string, unknown>[]> {
  return parquetReadObjects({ file: bytesOf(file), compressors, utf8: true });
}

export function parquetKeyValues(file: string): Record<string, string> {
  const { key_value_metadata = [] } = parquetMetadata(bytesOf(file));
  return Object.fromEntries(key_value_metadata.map(({ key, value }) => [key, value ?? ""]));
}

function bytesOf(file: string): ArrayBuffer {
  const bytes = readFileSync(file);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}
