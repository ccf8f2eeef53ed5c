/** Inputs made to hurt, of any size, and what the binary makes of them within a memory limit. */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import path from "node:path";
import { batchpredict, type Finished, type Workdir } from "../cli/batchpredict.ts";
import { FIXTURES } from "../corpora.ts";

const MODEL = path.join(FIXTURES, "models/features4_linear/model.onnx");
const BLOCK = 1 << 20;

export interface Measured extends Finished {
  seconds: number;
  peakBytes: number;
}

/** @param parts text, or a text repeated up to so many bytes */
export function writeLarge(file: string, parts: readonly (string | { repeat: string; bytes: number })[]): void {
  const fd = openSync(file, "w");
  try {
    for (const part of parts) {
      if (typeof part === "string") {
        writeSync(fd, part);
        continue;
      }
      const block = part.repeat.repeat(Math.max(1, Math.floor(BLOCK / part.repeat.length)));
      for (let left = part.bytes; left > 0; left -= block.length) writeSync(fd, block);
    }
  } finally {
    closeSync(fd);
  }
}

/** Peak memory by the kernel's own count, polled while the process lives. */
export async function score(dir: Workdir, input: string, flags: readonly string[] = []): Promise<Measured> {
  const started = performance.now();
  let peakBytes = 0;
  const finished = await batchpredict(
    ["run", "-m", MODEL, "-i", input, "-o", dir.file("out.parquet"), "--if-exists", "replace", ...flags],
    {
      onStart: (child) => {
        const timer = setInterval(() => {
          peakBytes = Math.max(peakBytes, highWater(child.pid!));
        }, 20);
        child.on("exit", () => clearInterval(timer));
      },
    },
  );
  return { ...finished, seconds: (performance.now() - started) / 1000, peakBytes };
}

function highWater(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** What each input is, and what the binary must say of it. */
export interface Hostile {
  name: string;
  /** Extension of the file. */
  ending: string;
  parts(bytes: number): (string | { repeat: string; bytes: number })[];
  flags?: string[];
  code: number;
  says: (string | RegExp)[];
}

const HEADER = "f0,f1,f2,f3\n";
const ROW = "1,2,3,4\n";

export const HOSTILE: Hostile[] = [
  {
    name: "an unclosed quote",
    ending: "csv",
    parts: (bytes) => [HEADER, ROW, '1,2,3,"4\n', { repeat: ROW, bytes }],
    code: 2,
    says: ["error BP_SOURCE_LIMIT", "not closed|never closed", "line 3", "byte 26", "--quote none"].map(
      (text) => new RegExp(text),
    ),
  },
  {
    name: "an unclosed quote in the header",
    ending: "csv",
    parts: (bytes) => ['f0,f1,f2,"f3\n', { repeat: ROW, bytes }],
    code: 2,
    says: [/error BP_SOURCE_LIMIT/, /line 1\b/, /byte 9\b/],
  },
  {
    name: "one line of CSV",
    ending: "csv",
    parts: (bytes) => [HEADER, ROW, { repeat: "1,", bytes }, "\n"],
    code: 1,
    says: [/error BP_SOURCE_LIMIT|error BP_SOURCE_RECORD/, /line 3\b/, /byte 20\b/],
  },
  {
    name: "one line that is the header",
    ending: "csv",
    parts: (bytes) => [{ repeat: "x", bytes }],
    code: 2,
    says: [/error BP_/, /line 1\b|only 0 numeric|column/],
  },
  {
    name: "NUL bytes",
    ending: "csv",
    parts: (bytes) => [HEADER, ROW, { repeat: "\0", bytes }],
    code: 1,
    says: [/error BP_SOURCE_LIMIT|error BP_SOURCE_RECORD/, /line 3\b/, /byte 20\b/],
  },
  {
    name: "one line of JSON Lines",
    ending: "jsonl",
    parts: (bytes) => ['{"f0":1,"f1":2,"f2":3,"f3":4}\n', '{"f0":"', { repeat: "x", bytes }, '"}\n'],
    code: 1,
    says: [/error BP_SOURCE_(LIMIT|CELL)/, /line 2\b/, /byte 30\b/],
  },
  {
    name: "an array that never ends",
    ending: "jsonl",
    parts: (bytes) => [{ repeat: "[", bytes }],
    code: 2,
    says: [/error BP_INPUT_FORMAT/, /one JSON array, not JSON Lines/, /line 1\b/],
  },
  {
    name: "an object that never ends",
    ending: "jsonl",
    parts: (bytes) => ['{"f0":', { repeat: "[", bytes }],
    code: 2,
    says: [/error BP_(SOURCE_LIMIT|INPUT_FORMAT)/, /line 1\b/, /byte 0\b/],
  },
];
