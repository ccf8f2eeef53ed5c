import { statSync } from "node:fs";
import type { BindingPlan } from "../../src/core/binding-plan.ts";
import type { ByteChunk } from "../../src/core/chunk.ts";
import { ChunkBytes } from "../../src/sources/csv/chunk-bytes.ts";
import { CsvParseDecoder } from "../../src/sources/csv/csv-parse-decoder.ts";
import type { CsvDecoder } from "../../src/sources/csv/decoder.ts";
import { openCsvSource } from "../../src/sources/csv/index.ts";
import { makeKernelDecoder } from "../../src/sources/csv/kernel-decoder.ts";
import { FEATURES } from "./models.ts";

/** As a run of this size chooses it. */
const CHUNK_BYTES = 6 << 20;

/** MB/s of processor time on one core. */
export interface DecoderSpeed {
  /** Bytes in memory into tensors. */
  decoder: number;
  /** The same with the reading of the file. */
  reader: number;
}

/** File bytes into tensors, with the kernel and by the reference (on its first chunks). */
export async function kernelSpeed(file: string): Promise<{ kernel: DecoderSpeed; reference: DecoderSpeed }> {
  const { size, mtimeMs } = statSync(file);
  const source = await openCsvSource([{ path: file, sizeBytes: size, mtimeMs }], { csv: {} });
  const columns = Array.from({ length: FEATURES }, (_, at) => ({ name: `f${at}`, index: at + 1, missing: "nan" as const }));
  const plan: BindingPlan = {
    inputs: [{ input: "x", type: "float32", rowShape: [FEATURES], rowSize: FEATURES, from: { kind: "columns", columns } }],
    constants: [],
    keep: [{ name: "id", column: "id", index: 0, type: "int64" }],
    onError: "fail",
  };
  const chunks: ByteChunk[] = [];
  for await (const chunk of source.chunks({ chunkBytes: CHUNK_BYTES })) if (chunk.kind === "bytes") chunks.push(chunk);
  await source.close();
  const speed = async (kernel: boolean, limit: number): Promise<DecoderSpeed> => {
    const decoder: CsvDecoder = kernel
      ? makeKernelDecoder(source.description, plan)
      : new CsvParseDecoder(source.description, plan);
    const reader = new ChunkBytes(source.description.files, decoder.reserve && ((length) => decoder.reserve!(length)));
    let [bytes, reading, decoding] = [0, 0, 0];
    const pass = async (chunk: ByteChunk): Promise<void> => {
      const start = processorUs();
      const data = await reader.read(chunk);
      const read = processorUs();
      bytes += decoder.decode(data, chunk.byteStart, chunk.linesBefore ?? 0).bytes;
      decoding += processorUs() - read;
      reading += read - start;
    };
    for (const chunk of chunks.slice(0, 5)) await pass(chunk);
    [bytes, reading, decoding] = [0, 0, 0];
    for (const chunk of chunks.slice(0, limit)) await pass(chunk);
    await reader.close();
    return { decoder: bytes / decoding, reader: bytes / (reading + decoding) };
  };
  return { kernel: await speed(true, chunks.length), reference: await speed(false, 12) };
}

/** Both kinds: how the system splits them is an estimate over times this short. */
function processorUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
