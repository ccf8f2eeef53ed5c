import { sinkConformance } from "./sinks.ts";

sinkConformance({ format: "sqlite", extension: ".db", keepsNaN: false });
sinkConformance({ format: "csv", extension: ".csv", keepsNaN: true });
sinkConformance({ format: "jsonl", extension: ".jsonl", keepsNaN: true });
sinkConformance({ format: "parquet", extension: ".parquet", keepsNaN: true });
sinkConformance({ format: "arrow", extension: ".arrow", keepsNaN: true });
