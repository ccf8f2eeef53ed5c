/**
 * One process of the fuzzer: takes {kind, seed} by message, damages a real file by that seed, and reads it to its end through the
 * product's own sources or model loader. Answers with what became of it; a crash or a hang is for the parent to see.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { mutate, random } from "./mutate.mjs";

const [modules, corpusFile] = process.argv.slice(2);
const load = (file) => import(path.join(modules, file));
const { BatchPredictError } = await load("core/errors.js");
const { openSource, openReader } = await load("sources/registry.js");
const { loadSignature } = await load("model/load-signature.js");
const { openSession } = await load("model/session.js");
const { textReader } = await load("values/arrow-text.js");

const corpus = JSON.parse(readFileSync(corpusFile, "utf8"));
const folder = mkdtempSync(path.join(tmpdir(), "batchpredict-fuzz-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
process.on("disconnect", () => process.exit());

/** Rows per chunk whose kept values are read one by one. */
const SHOWN_ROWS = 20;

function planFor({ columns }) {
  const keep = columns.map(({ name, index, keptType }) => ({ name, column: name, index, type: keptType }));
  const scalars = columns.filter(({ role }) => role === "text" || role === "number" || role === "bool").slice(0, 4);
  const bound = scalars.map(({ name, index }) => ({ name, index, missing: "nan" }));
  const wide = {
    input: "x",
    type: "float32",
    rowShape: [bound.length],
    rowSize: bound.length,
    from: { kind: "columns", columns: bound },
  };
  const [first] = columns.filter(({ role }) => role === "number");
  const whole = first && {
    input: "n",
    type: "int64",
    rowShape: [],
    rowSize: 1,
    from: { kind: "columns", columns: [{ name: first.name, index: first.index, missing: "reject" }] },
  };
  const list = columns.find(({ role }) => role === "list");
  const vector = list && {
    input: "v",
    type: "float32",
    rowShape: [list.listSize ?? 3],
    rowSize: list.listSize ?? 3,
    from: { kind: "list", column: { name: list.name, index: list.index, missing: "nan" } },
  };
  const inputs = [bound.length > 0 ? wide : null, whole, vector].filter(Boolean);
  return { inputs, constants: [], keep, onError: "reject" };
}

async function readData(file, chunkBytes) {
  const source = await openSource([file], { csv: {} }, () => process.stdin);
  let reader;
  try {
    const plan = planFor(source.description);
    reader = await openReader(source.description, plan);
    for await (const chunk of source.chunks({ chunkBytes })) {
      const decoded = await reader.read(chunk);
      const { rows, rowsRead, rejects } = decoded;
      if (rows + new Set(rejects.map(({ rowInChunk }) => rowInChunk)).size !== rowsRead) throw new Error(`${rowsRead} rows became ${rows} and ${rejects.length} rejects`);
      decoded.kept.forEach((data, at) => {
        if (data.length !== rows) throw new Error(`kept column ${at} has ${data.length} of ${rows} rows`);
        const read = textReader(data);
        for (let row = 0; row < Math.min(rows, SHOWN_ROWS); row++) read(row);
      });
      decoded.tensors.forEach(({ data }, at) => {
        if (data.length !== rows * plan.inputs[at].rowSize) throw new Error(`tensor ${at} has ${data.length} elements`);
      });
    }
  } finally {
    await reader?.close();
    await source.close();
  }
}

async function readModel(file) {
  const model = await loadSignature(file);
  const session = await openSession(model, { threads: 1 });
  await session.release();
}

async function one({ kind, seed, keepFile }) {
  const rng = random(seed);
  const seeds = corpus[kind];
  const pick = () => seeds[Math.floor(rng() * seeds.length)];
  const from = pick();
  const bytes = mutate(readFileSync(from), readFileSync(pick()), rng, kind);
  const ending = kind === "onnx" ? ".onnx" : path.basename(from).slice(path.basename(from).indexOf("."));
  const file = keepFile ?? path.join(folder, `case${ending}`);
  writeFileSync(file, bytes);
  const chunkBytes = rng() < 0.5 ? 1 << 20 : 1 + Math.floor(rng() * 500);
  try {
    await (kind === "onnx" ? readModel(file) : readData(file, chunkBytes));
    return { code: null };
  } catch (error) {
    if (error instanceof BatchPredictError && error.code !== "BP_INTERNAL") return { code: error.code };
    return { code: "UNCODED", from, stack: String(error?.stack ?? error) };
  }
}

process.on("message", async (batch) => {
  for (const item of batch) {
    process.send({ started: item });
    const result = await one(item);
    process.send({ finished: item, ...result, rss: process.memoryUsage.rss() });
  }
  process.send({ idle: true });
});
process.send({ idle: true });
