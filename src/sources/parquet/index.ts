export { openParquetReader } from "./parquet-reader.ts";
export { openParquetSource } from "./parquet-source.ts";
