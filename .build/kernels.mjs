/** src/kernels -> dist/kernels: each file that exports what the others do not is one WebAssembly module. */
import fs from "node:fs";
import { main } from "assemblyscript/asc";

const KERNELS = ["borders", "csv", "parquet", "rows", "trees"];
const FLAGS = ["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd,bulk-memory"];

fs.mkdirSync("dist/kernels", { recursive: true });
for (const name of KERNELS) {
  const { error, stderr } = await main([`src/kernels/${name}.ts`, "--outFile", `dist/kernels/${name}.wasm`, ...FLAGS]);
  if (!error) continue;
  process.stderr.write(stderr.toString());
  throw error;
}
