/** Short runs in a row must all end by themselves: a thread, a handle or a module that keeps the process alive shows here. BATCHPREDICT_SHORT_RUNS=300 runs more. */

import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";
import { FEATURES, FLOWERS, MODEL, run, TREE } from "./iris.ts";

const RUNS = Number(process.env.BATCHPREDICT_SHORT_RUNS ?? 24);
/** A run takes about half a second; one that hangs takes for ever, so the bound may be far away from busy machines. */
const WITHIN_MS = 30_000;

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
});
afterAll(() => dir.remove());

interface Kind {
  args(output: string): string[];
  code: number;
  stdin?: Uint8Array;
}

const tree = (file: string, ending: string, ...more: string[]): Kind => ({
  code: 0,
  args: (output) => [
    ...["run", "-m", path.join(TREE, "model.onnx"), "-i", path.join(TREE, file), "-o", `${output}.${ending}`],
    ...[...FEATURES, ...more],
  ],
});

const KINDS: Kind[] = [
  { code: 0, args: (output) => run(FLOWERS, `${output}.parquet`) },
  { code: 0, args: (output) => run(FLOWERS, `${output}.db`, "--workers", "2") },
  { code: 0, args: (output) => run("-", `${output}.csv`), stdin: readFileSync(FLOWERS) },
  tree("input_zstd.arrow", "arrow"),
  tree("input_lz4.arrow", "parquet", "--workers", "2"),
  tree("input.arrows", "csv"),
  tree("input.parquet", "db"),
  {
    code: 1,
    args: (output) => ["run", "-m", MODEL, "-i", FLOWERS, "-o", `${output}.parquet`, "--features", "sepal_width..species"],
  },
  { code: 2, args: (output) => run(FLOWERS, `${output}.xls`) },
  { code: 2, args: (output) => run("nosuch.csv", `${output}.db`) },
  { code: 0, args: () => ["inspect", path.join(TREE, "input.parquet")] },
  { code: 0, args: (output) => ["plan", ...tree("input_zstd.arrow", "csv").args(output).slice(1)] },
];
it(
  `${RUNS} short runs end by themselves`,
  async () => {
    let slowest = 0;
    for (let at = 0; at < RUNS; at++) {
      const kind = KINDS[at % KINDS.length]!;
      const started = performance.now();
      let late: NodeJS.Timeout | undefined;
      const finished = await batchpredict([...kind.args(dir.file(`out${at}`)), "--quiet"], {
        ...(kind.stdin ? { stdin: kind.stdin } : {}),
        onStart: (child) => {
          late = setTimeout(() => child.kill("SIGKILL"), WITHIN_MS);
        },
      });
      clearTimeout(late);
      slowest = Math.max(slowest, performance.now() - started);
      const what = `run ${at}: ${kind.args("out").join(" ")}\n${finished.stderr}`;
      expect({ what, code: finished.code, signal: finished.signal }).toEqual({ what, code: kind.code, signal: null });
    }
    console.info(`${RUNS} runs, the slowest took ${Math.round(slowest)} ms`);
  },
  RUNS * WITHIN_MS,
);
