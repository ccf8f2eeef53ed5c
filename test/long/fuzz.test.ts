/**
 * Damaged files of every kind we read. Most are read in child processes through the product's own sources and model loader, a part
 * through the binary. Whatever the bytes: an error has a code, nothing crashes, nothing takes 10 seconds, no process takes 1 GB.
 *
 * BATCHPREDICT_FUZZ_CASES sets how many in all (200,000), BATCHPREDICT_FUZZ_SEED where they begin. A finding names kind and seed.
 */
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ERROR_CODES } from "../../src/core/errors.ts";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { FIXTURES, ROOT } from "../corpora.ts";
import { readParquet } from "../parquet.ts";
import { mutate, random } from "./mutate.mjs";

const KINDS = ["csv", "jsonl", "arrow", "parquet", "onnx"] as const;
type Kind = (typeof KINDS)[number];

const CASES = Number(process.env.BATCHPREDICT_FUZZ_CASES ?? 200_000);
const FIRST_SEED = Number(process.env.BATCHPREDICT_FUZZ_SEED ?? 1);
/** One in so many goes through the binary as well. */
const BINARY_SHARE = 500;
const CHILDREN = 2;
const BATCH = 50;
const HANG_MS = 10_000;
const MAX_BYTES = 1024 ** 3;
/** Larger files only slow the fuzzer down. */
const MAX_SEED_BYTES = 100_000;

interface Item {
  kind: Kind;
  seed: number;
}

interface Finding extends Item {
  what: string;
}

type Message =
  | { idle: true }
  | { started: Item }
  | { finished: Item; code: string | null; stack?: string; from?: string; rss: number };

let dir: Workdir;
let corpus: Record<Kind, string[]>;

/** dist is bundled; the children want sources and the model loader by themselves. */
const MODULES = path.join(ROOT, ".bench/fuzz");

beforeAll(async () => {
  const options = ["--emitDeclarationOnly", "false", "--declaration", "false", "--outDir", MODULES];
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json", ...options], { cwd: ROOT });
  dir = workdir();
  corpus = await seedFiles(dir);
  writeFileSync(dir.file("corpus.json"), JSON.stringify(corpus));
});
afterAll(() => dir.remove());

describe(`${CASES} damaged files`, () => {
  it("end in a coded error or are read", async () => {
    const { findings, codes, peakBytes } = await fuzz(CASES, FIRST_SEED);
    const told = Object.entries(codes).sort(([, a], [, b]) => b - a);
    console.info(
      `fuzz: ${CASES} cases, peak ${Math.round(peakBytes / 2 ** 20)} MB\n${told.map(([code, count]) => `  ${code} ${count}`).join("\n")}`,
    );
    expect(findings).toEqual([]);
  });

  it("end the binary with 0, 1, 2 or 3 and a coded message", async () => {
    const findings: Finding[] = [];
    const outcomes: Record<string, number> = {};
    for (let n = 0; n < CASES / BINARY_SHARE; n++) {
      // No multiple of the number of kinds, so that every kind has its turn.
      const item = itemAt(FIRST_SEED + n * (BINARY_SHARE + 1));
      const { what, code } = await throughBinary(item);
      outcomes[code] = (outcomes[code] ?? 0) + 1;
      if (what !== null) findings.push({ ...item, what });
    }
    console.info(`fuzz through the binary: ${JSON.stringify(outcomes)}`);
    expect(findings).toEqual([]);
  });
});

function itemAt(seed: number): Item {
  return { kind: KINDS[seed % KINDS.length]!, seed };
}

/** Fixtures, and the rows of fixtures/formats as JSON Lines. */
async function seedFiles({ file }: Workdir): Promise<Record<Kind, string[]>> {
  const all = readdirSync(FIXTURES, { recursive: true, encoding: "utf8" }).map((name) => path.join(FIXTURES, name));
  const ending = (pattern: RegExp): string[] =>
    all.filter((name) => pattern.test(name) && statSync(name).isFile() && statSync(name).size <= MAX_SEED_BYTES).sort();
  const rows = await readParquet(path.join(FIXTURES, "formats/rows.parquet"));
  const plain = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);
  const records = rows
    .slice(0, 60)
    .map((row, at) => JSON.stringify({ ...row, v: [at, at + 0.5, null], o: { a: [at], b: `é\n"` } }, plain));
  mkdirSync(file("seeds"));
  const jsonl = ["a", "b"].map((name) => file(`seeds/${name}.jsonl`));
  writeFileSync(jsonl[0]!, `${records.join("\n")}\n`);
  writeFileSync(
    jsonl[1]!,
    `${records.slice(0, 5).join("\r\n")}\r\n\r\n{"x":1e5,"y":-0.25,"z":[[1,2],[3,4]],"s":"\\ud83d\\ude00"}`,
  );
  return {
    csv: ending(/\.(csv|tsv|csv\.gz)$/),
    jsonl,
    arrow: ending(/\.(arrow|arrows|feather)$/),
    parquet: ending(/\.parquet$/),
    onnx: ending(/\.(onnx|ort)$/),
  };
}

interface Outcome {
  findings: Finding[];
  codes: Record<string, number>;
  peakBytes: number;
}

async function fuzz(cases: number, firstSeed: number): Promise<Outcome> {
  const outcome: Outcome = { findings: [], codes: {}, peakBytes: 0 };
  let next = firstSeed;
  const end = firstSeed + cases;
  const take = (): Item[] => {
    const items: Item[] = [];
    while (next < end && items.length < BATCH) items.push(itemAt(next++));
    return items;
  };
  await Promise.all(Array.from({ length: CHILDREN }, () => feed(take, outcome)));
  return outcome;
}

/** Children one after the other: the next takes over where one died. */
async function feed(take: () => Item[], outcome: Outcome): Promise<void> {
  let left: Item[] = take();
  while (left.length > 0) left = await oneChild(left, take, outcome);
}

function oneChild(first: Item[], take: () => Item[], outcome: Outcome): Promise<Item[]> {
  const child: ChildProcess = fork(path.join(ROOT, "test/long/fuzz-child.mjs"), [MODULES, dir.file("corpus.json")], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execArgv: [],
  });
  let pending = first;
  let current: Item | null = null;
  let errorText = "";
  let tired = false;
  let timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
  const watch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (current !== null) outcome.findings.push({ ...current, what: `took longer than ${HANG_MS} ms` });
      current = null;
      child.kill("SIGKILL");
    }, HANG_MS);
  };
  child.stderr!.on("data", (bytes: Buffer) => {
    errorText = (errorText + bytes.toString()).slice(-2000);
  });
  child.on("message", (message: Message) => {
    watch();
    if ("started" in message) current = message.started;
    else if ("finished" in message) {
      const { finished, code, stack, from, rss } = message;
      current = null;
      pending = pending.filter(({ seed }) => seed !== finished.seed);
      const counted = `${finished.kind} ${code ?? "read"}`;
      outcome.codes[counted] = (outcome.codes[counted] ?? 0) + 1;
      outcome.peakBytes = Math.max(outcome.peakBytes, rss);
      if (code === "UNCODED") outcome.findings.push({ ...finished, what: `${path.basename(from ?? "")}: ${stack}` });
      if (rss > MAX_BYTES && !tired) {
        tired = true;
        outcome.findings.push({ ...finished, what: `${Math.round(rss / 2 ** 20)} MB` });
      }
    } else {
      if (pending.length === 0) pending = take();
      if (pending.length === 0 || tired) child.disconnect();
      else child.send(pending);
    }
  });
  return new Promise((resolve) => {
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      if (current !== null) {
        const { seed } = current;
        outcome.findings.push({ ...current, what: `the process ended with ${signal ?? code}: ${errorText}` });
        pending = pending.filter((item) => item.seed !== seed);
      } else if (signal === "SIGKILL" && pending.length > 0) pending = pending.slice(1);
      resolve(pending.length > 0 ? pending : take());
    });
  });
}

const MODEL = path.join(FIXTURES, "models/features4_linear/model.onnx");
const DATA = path.join(FIXTURES, "formats/rows.csv");

async function throughBinary({ kind, seed }: Item): Promise<{ what: string | null; code: string }> {
  const rng = random(seed);
  // Files whose columns the model takes, so that most damage meets a run and not the binding.
  const fitting = corpus[kind].filter((name) => kind === "onnx" || /formats.rows|a\.jsonl/.test(name));
  const pick = (): string => fitting[Math.floor(rng() * fitting.length)]!;
  const from = pick();
  const file = dir.file(`case${kind === "onnx" ? ".onnx" : path.basename(from).slice(path.basename(from).indexOf("."))}`);
  writeFileSync(file, mutate(readFileSync(from), readFileSync(pick()), rng, kind));
  const files = kind === "onnx" ? ["-m", file, "-i", DATA] : ["-m", MODEL, "-i", file];
  const output = dir.file(`${seed}.parquet`);
  let timedOut = false;
  const flags = ["--features", "sepal_length..petal_width", "--on-error", "reject"];
  const { code, signal, stderr } = await batchpredict(["run", ...files, "-o", output, ...flags], {
    onStart: (child) => {
      const timer = setTimeout(() => {
        timedOut = true;
        child.kill("SIGKILL");
      }, 3 * HANG_MS);
      child.on("exit", () => clearTimeout(timer));
    },
  });
  const told = /error (BP_\w+)/.exec(stderr)?.[1];
  const outcome = told ?? `exit ${code}`;
  if (timedOut) return { what: "hangs", code: "hang" };
  if (code === 0) return { what: null, code: outcome };
  if (code === null || ![1, 2, 3].includes(code))
    return { what: `ended with ${signal ?? code}: ${stderr.slice(-1500)}`, code: outcome };
  const coded = told !== undefined && told !== "BP_INTERNAL" && (ERROR_CODES as readonly string[]).includes(told);
  return { what: coded ? null : `exit ${code} says: ${stderr.slice(-1500)}`, code: outcome };
}
