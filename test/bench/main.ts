/**
 * `npm run bench [-- --rows N] [--runs N] [--only NAME] [--profile] [--readme]`, or `npm run bench -- --throughput [--readme]`: one case, 1 to 10
 * million rows.
 *
 * Makes its data, checks the predictions against a slow version in JavaScript, then times whole processes in alternation with what users
 * would write instead. Python peers take part when BATCHPREDICT_BENCH_PYTHON names an interpreter that has them.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import path from "node:path";
import { readParquet } from "../parquet.ts";
import { featureRows, mixedCsv, names, numericArrow, numericCsv } from "./data.ts";
import { kernelSpeed } from "./kernel-speed.ts";
import { type Contestant, type Measured, measure, middle } from "./measure.ts";
import { type BenchModel, FEATURES, linear, mlp, trees } from "./models.ts";
import { throughputTable } from "./throughput.ts";

const ROOT = process.cwd();
const BINARY = path.join(ROOT, "bin/batchpredict.js");
const SCRATCH = process.env.BATCHPREDICT_BENCH_DIR ?? path.join(tmpdir(), "batchpredict-bench");
const PYTHON = process.env.BATCHPREDICT_BENCH_PYTHON;
const CHECKED_ROWS = 20_000;
const HOOK = ["--require", path.join(ROOT, "test/bench/usage-hook.cjs")];

const option = (name: string, otherwise: string): string => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : (process.argv[at + 1] ?? otherwise);
};
const rows = Number(option("--rows", "2000000"));
const runs = Number(option("--runs", "5"));
const only = option("--only", "");

interface Case {
  name: string;
  model: BenchModel;
  input: () => Promise<string>;
  output: "parquet" | "db";
  peers: string[];
  naive?: boolean;
  /** Ourselves with other flags. */
  also?: { name: string; flags: string[] };
}

const csv = (): Promise<string> => numericCsv(SCRATCH, rows);
const CASES: Case[] = [
  { name: "CSV -> Parquet, linear", model: linear(), input: csv, output: "parquet", peers: ["polars", "pyarrow", "pandas"] },
  { name: "CSV -> Parquet, MLP", model: mlp(), input: csv, output: "parquet", peers: ["polars", "pyarrow", "pandas"] },
  { name: "CSV -> Parquet, trees", model: trees(), input: csv, output: "parquet", peers: ["polars", "pyarrow", "pandas"] },
  { name: "CSV -> SQLite, MLP", model: mlp(), input: csv, output: "db", peers: ["pandas"], naive: true },
  {
    name: "mixed CSV -> Parquet, linear",
    model: linear(),
    input: () => mixedCsv(SCRATCH, rows),
    output: "parquet",
    peers: ["polars", "pyarrow", "pandas"],
  },
  {
    name: "CSV -> Parquet, 400 trees",
    model: trees(400),
    input: csv,
    output: "parquet",
    peers: [],
    also: { name: "one worker", flags: ["--workers", "1"] },
  },
  {
    name: "Arrow -> Parquet, MLP",
    model: mlp(),
    input: () => numericArrow(SCRATCH, rows),
    output: "parquet",
    peers: ["pyarrow"],
  },
  {
    name: "Parquet -> Parquet, MLP",
    model: mlp(),
    input: () => numericParquet(),
    output: "parquet",
    peers: ["polars", "pyarrow"],
  },
];

async function main(): Promise<void> {
  mkdirSync(SCRATCH, { recursive: true });
  if (process.argv.includes("--throughput")) return growth();
  const lines = [
    "| case | rows | batchpredict | the fastest peer | ratio | CPU s (peer) | peak memory (peer) |",
    "|---|---|---|---|---|---|---|",
  ];
  const profile: string[] = [];
  for (const bench of chosen(only)) {
    const input = await bench.input();
    const model = path.join(SCRATCH, `${bench.model.name}.onnx`);
    writeFileSync(model, bench.model.bytes);
    await check(bench, model, input);
    const measured = await measure(contestants(bench, model, input), runs, SCRATCH);
    lines.push(tableLine(bench, measured));
    console.error(
      measured
        .map(({ name, seconds, cpuSeconds }) => `  ${name}: ${seconds.toFixed(2)} s, CPU ${cpuSeconds.toFixed(2)} s`)
        .join("\n"),
    );
    if (process.argv.includes("--profile")) profile.push(stages(bench, model, input));
  }
  if (only === "") lines.push(...(await smallFigures()));
  const report = [...lines, "", `Medians of ${runs} whole processes in alternation, after one warm-up; ${machine()}.`].join("\n");
  console.log(report);
  if (profile.length > 0) console.log(`\n${profile.join("\n")}`);
  if (process.argv.includes("--readme")) writeReadme("bench", report);
}

/** The case of that name, or all whose names hold it. */
function chosen(name: string): Case[] {
  const exact = CASES.filter((bench) => bench.name === name);
  return exact.length > 0 ? exact : CASES.filter((bench) => bench.name.includes(name));
}

function machine(): string {
  return `${cpus()[0]?.model ?? "unknown processor"}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
}

/** The linear model over more and more rows of the numeric CSV. */
async function growth(): Promise<void> {
  const model = path.join(SCRATCH, "linear.onnx");
  writeFileSync(model, linear().bytes);
  const output = path.join(SCRATCH, "ours.parquet");
  const lines = await throughputTable({
    runs,
    scratch: SCRATCH,
    input: (count) => numericCsv(SCRATCH, count),
    contestant: (name, input) => ({
      name,
      command: [process.execPath, ...HOOK, BINARY, ...flags(model, input, output), "--quiet"],
      output,
      node: true,
    }),
  });
  const report = lines.join("\n");
  console.log(report);
  if (process.argv.includes("--readme")) writeReadme("throughput", report);
}

function flags(model: string, input: string, output: string): string[] {
  return [
    "run",
    "-m",
    model,
    "-i",
    input,
    "-o",
    output,
    "--features",
    `${names[0]}..${names.at(-1)}`,
    "--keep",
    "id",
    "--if-exists",
    "replace",
  ];
}

function contestants(bench: Case, model: string, input: string): Contestant[] {
  const ours = path.join(SCRATCH, `ours.${bench.output}`);
  const list: Contestant[] = [
    {
      name: "batchpredict",
      command: [process.execPath, ...HOOK, BINARY, ...flags(model, input, ours), "--quiet"],
      output: ours,
      node: true,
    },
  ];
  if (bench.also) {
    const { name, flags: more } = bench.also;
    const command = [process.execPath, ...HOOK, BINARY, ...flags(model, input, ours), "--quiet", ...more];
    list.push({ name, command, output: ours, node: true });
  }
  for (const peer of PYTHON ? bench.peers : []) {
    const output = path.join(SCRATCH, `${peer}.${bench.output}`);
    list.push({
      name: peer,
      command: [PYTHON!, path.join(ROOT, "test/bench/peers.py"), peer, model, input, output],
      output,
      node: false,
    });
  }
  if (bench.naive) {
    const output = path.join(SCRATCH, "naive.db");
    list.push({
      name: "naive Node script",
      command: [process.execPath, ...HOOK, path.join(ROOT, "test/bench/naive.mjs"), model, input, output],
      output,
      node: true,
    });
  }
  return list;
}

/** The first rows of the output against the model's slow version; a benchmark of wrong results is worth nothing. */
async function check(bench: Case, model: string, input: string): Promise<void> {
  const output = path.join(SCRATCH, "check.parquet");
  execFileSync(process.execPath, [BINARY, ...flags(model, input, output), "--quiet", "--limit", String(CHECKED_ROWS)]);
  const got = await readParquet(output);
  let at = 0;
  const mixed = bench.name.startsWith("mixed");
  for (const row of featureRows(Math.min(CHECKED_ROWS, rows))) {
    const { id, y } = got[at]!;
    const expected = bench.model.predict(Float32Array.from(row));
    // Missing cells of the mixed data are NaN, and so are their predictions.
    const wrong = mixed && Number.isNaN(y) ? false : Math.abs(Number(y) - expected) > 1e-4 * Math.max(1, Math.abs(expected));
    if (Number(id) !== at || wrong)
      throw new TypeError(`${bench.name}: row ${at} is ${String(id)} with ${String(y)}, expected ${expected}`);
    at++;
  }
  rmSync(output);
}

function tableLine({ name }: Case, [ours, ...peers]: Measured[]): string {
  const best = peers.filter((peer) => Number.isFinite(peer.seconds)).sort((a, b) => a.seconds - b.seconds)[0];
  const ratio = best && middle(ours!.samples.map((sample, at) => best.samples[at]!.seconds / sample.seconds));
  const size = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  const count = rows.toLocaleString("en-US");
  return `| ${name} | ${count} | ${ours!.seconds.toFixed(2)} s | ${best ? `${best.name} ${best.seconds.toFixed(2)} s` : "-"} | ${ratio ? `${ratio.toFixed(2)}x` : "-"} | ${ours!.cpuSeconds.toFixed(2)}${best ? ` (${best.cpuSeconds.toFixed(2)})` : ""} | ${size(ours!.peakBytes)}${best ? ` (${size(best.peakBytes)})` : ""} |`;
}

async function numericParquet(): Promise<string> {
  const file = path.join(SCRATCH, `numeric-${rows}.parquet`);
  const model = path.join(SCRATCH, "linear.onnx");
  writeFileSync(model, linear().bytes);
  const args = [
    "run",
    "-m",
    model,
    "-i",
    await numericArrow(SCRATCH, rows),
    "-o",
    file,
    "--features",
    `f0..f${FEATURES - 1}`,
    "--keep",
    "*",
  ];
  execFileSync(process.execPath, [BINARY, ...args, "--if-exists", "replace", "--quiet"]);
  return file;
}

function stages(bench: Case, model: string, input: string): string {
  const output = path.join(SCRATCH, `profile.${bench.output}`);
  const json = execFileSync(process.execPath, [BINARY, ...flags(model, input, output), "--json", "--quiet"], {
    encoding: "utf8",
  });
  const {
    seconds,
    stages: times,
    workers,
  } = JSON.parse(json) as { seconds: number; workers: number; stages: Record<string, number> };
  return `${bench.name}: ${seconds.toFixed(2)} s with ${workers} workers: ${Object.entries(times)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ")}`;
}

/** Start-up and the kernel alone: figures that are no contest. */
async function smallFigures(): Promise<string[]> {
  const one = await numericCsv(SCRATCH, 1);
  const model = path.join(SCRATCH, "linear.onnx");
  const output = path.join(SCRATCH, "one.parquet");
  const node = (name: string, ...args: string[]): Contestant => ({
    name,
    command: [process.execPath, ...HOOK, ...args],
    output,
    node: true,
  });
  const small = await measure(
    [
      node("node -e 0", "-e", "0"),
      node("--help", BINARY, "--help"),
      node("one row", BINARY, ...flags(model, one, output), "--quiet"),
    ],
    runs,
    SCRATCH,
  );
  const [bare, help, row] = small.map(({ seconds }) => Math.round(seconds * 1000));
  const { kernel, reference } = await kernelSpeed(await numericCsv(SCRATCH, rows));
  const times = (kernel.decoder / reference.decoder).toFixed(0);
  return [
    "",
    `\`--help\` takes ${help} ms (\`node -e 0\`: ${bare} ms), a one-row run ${row} ms. The CSV decoder alone, on bytes in memory: ${Math.round(kernel.decoder)} MB/s on one core with the kernel (${Math.round(kernel.reader)} MB/s with the reading of the file), ${Math.round(reference.decoder)} MB/s by csv-parse (${times}x).`,
  ];
}

function writeReadme(part: "bench" | "throughput", report: string): void {
  const file = path.join(ROOT, "README.md");
  const text = readFileSync(file, "utf8");
  writeFileSync(
    file,
    text.replace(
      new RegExp(`(<!-- ${part} -->\\n)[\\s\\S]*?(\\n<!-- /${part} -->)`),
      (_, start: string, end: string) => `${start}${report}${end}`,
    ),
  );
}

await main();
