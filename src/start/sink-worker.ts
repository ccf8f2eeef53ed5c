/** What the sink's thread starts with. */
import { workerData } from "node:worker_threads";
import type { SinkThreadData } from "../sinks/sink-protocol.ts";
import { loadBundle } from "./load-bundle.ts";

const { keepCode } = loadBundle("sink-worker", (workerData as SinkThreadData).format);
process.once("exit", keepCode);
