/** Words that settings take, apart from the job schema so that a run by flags does not load it. */
export const SOURCE_FORMATS = ["csv", "jsonl", "arrow", "arrow-stream", "parquet"] as const;
export const SINK_FORMATS = ["parquet", "sqlite", "csv", "jsonl", "arrow"] as const;
export const IF_EXISTS = ["fail", "replace", "append", "upsert"] as const;
