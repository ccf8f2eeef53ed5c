/** What a predict worker's thread starts with. */
import { workerData } from "node:worker_threads";
import type { WorkerAhead } from "../predict/protocol.ts";
import { loadBundle } from "./load-bundle.ts";

const { keepCode } = loadBundle("predict-worker", (workerData as WorkerAhead).format ?? "any");
process.once("exit", keepCode);
