import { statSync } from "node:fs";
import type { BindingPlan } from "../../src/core/binding-plan.ts";
import type { Chunk } from "../../src/core/chunk.ts";
import { openCsvSource } from "../../src/sources/csv/index.ts";
import { openCsvReader } from "../../src/sources/csv/reader.ts";
import { FEATURES } from "./models.ts";

const CHUNK_BYTES = 1 << 20;

/** MB/s of processor time on one core: file bytes into tensors, with the kernel and by the reference (on its first chunks). */
export async function kernelSpeed(file: string): Promise<{ kernel: number; reference: number }> {
  const { size, mtimeMs } = statSync(file);
  const source = await openCsvSource([{ path: file, sizeBytes: size, mtimeMs }], { csv: {} });
  const columns = Array.from({ length: FEATURES }, (_, at) => ({ name: `f${at}`, index: at + 1, missing: "nan" as const }));
  const plan: BindingPlan = {
    inputs: [{ input: "x", type: "float32", rowShape: [FEATURES], rowSize: FEATURES, from: { kind: "columns", columns } }],
    constants: [],
    keep: [{ name: "id", column: "id", index: 0, type: "int64" }],
    onError: "fail",
  };
  const chunks: Chunk[] = [];
  for await (const chunk of source.chunks({ chunkBytes: CHUNK_BYTES })) chunks.push(chunk);
  await source.close();
  const speed = async (kernel: boolean, limit: number): Promise<number> => {
    const reader = await openCsvReader(source.description, plan, { kernel });
    for (const chunk of chunks.slice(0, 5)) await reader.read(chunk);
    const before = process.cpuUsage();
    let bytes = 0;
    for (const chunk of chunks.slice(0, limit)) bytes += (await reader.read(chunk)).bytes;
    const { user, system } = process.cpuUsage(before);
    await reader.close();
    return bytes / (user + system);
  };
  return { kernel: await speed(true, chunks.length), reference: await speed(false, 25) };
}
