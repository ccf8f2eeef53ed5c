/** The house keeps its own rules: imports point down, libraries stay in their room, only the command line touches the process. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../corpora.ts";

const SRC = path.join(ROOT, "src");

/** Rooms by height; a room imports only from lower ones (and itself). Rooms of the same height do not know each other. */
const HEIGHT: Record<string, number> = {
  core: 0,
  values: 1,
  formats: 1,
  // AssemblyScript, compiled on its own: imports nothing of ours.
  kernels: 0,
  config: 2,
  model: 2,
  binding: 2,
  sources: 2,
  sinks: 2,
  transform: 2.5,
  predict: 3,
  schedule: 3,
  run: 4,
  history: 4,
  init: 5,
  verify: 5,
  report: 6,
  cli: 7,
  library: 8,
  start: 8,
};

/** Libraries with one home. */
const HOMES: Record<string, string[]> = {
  "onnxruntime-node": ["model"],
  "better-sqlite3": ["sinks", "schedule", "cli"],
  "csv-parse": ["sources", "sinks"],
  "parquet-wasm": ["sources", "sinks", "formats", "cli"],
  commander: ["cli"],
  "node-cron": ["config", "schedule"],
  yaml: ["config"],
  zod: ["config"],
};

/** Places that may touch the process: the command line, and thread or lock code that is about processes. */
const PROCESS_ALLOWED = /^(cli\/|start\/|sinks\/partial-file\.ts$|sinks\/process-|core\/failpoint\.ts$|schedule\/process\/)/;

interface SourceFile {
  file: string;
  room: string;
  text: string;
  imports: string[];
}

const files: SourceFile[] = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => {
    const file = name.split(path.sep).join("/");
    const text = readFileSync(path.join(SRC, name), "utf8");
    const imports = [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1]!);
    return { file, room: file.includes("/") ? file.split("/")[0]! : "", text, imports };
  });

describe("imports", () => {
  it("finds the house it checks", () => {
    expect(files.length).toBeGreaterThan(50);
    expect(files.flatMap((file) => file.imports).length).toBeGreaterThan(200);
  });

  it("point down only", () => {
    const wrong: string[] = [];
    for (const { file, room, imports } of files) {
      for (const target of imports.filter((name) => name.startsWith("."))) {
        const to = path.posix.join(path.posix.dirname(file), target);
        const toRoom = to.includes("/") ? to.split("/")[0]! : "";
        if (room === "" || toRoom === "" || room === toRoom) continue;
        if (!(HEIGHT[toRoom]! < HEIGHT[room]!)) wrong.push(`${file} -> ${to}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("know every room", () => {
    expect([...new Set(files.map(({ room }) => room).filter((room) => room !== ""))].filter((room) => !(room in HEIGHT))).toEqual(
      [],
    );
  });

  it("keep libraries in their rooms", () => {
    const wrong = files.flatMap(({ file, room, imports }) =>
      imports
        .map((name) => Object.keys(HOMES).find((library) => name === library || name.startsWith(`${library}/`)))
        .filter((library) => library !== undefined && !HOMES[library]!.includes(room))
        .map((library) => `${file} imports ${library}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe("files", () => {
  it("stay under 400 lines", () => {
    expect(files.filter(({ text }) => text.split("\n").length > 400).map(({ file }) => file)).toEqual([]);
  });

  it("touch process and console only in the command line", () => {
    const code = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
    const wrong = files.filter(({ file, text }) => !PROCESS_ALLOWED.test(file) && /\b(process|console)\.\w/.test(code(text)));
    expect(wrong.map(({ file }) => file)).toEqual([]);
  });

  it("throw no error without a code", () => {
    expect(files.filter(({ text }) => /throw new (Error|TypeError|RangeError)\(/.test(text)).map(({ file }) => file)).toEqual([]);
  });

  it("have no room called utils, helpers or types", () => {
    expect(files.filter(({ file }) => /(^|\/)(utils?|helpers?|types)(\/|\.ts$)/.test(file)).map(({ file }) => file)).toEqual([]);
  });
});
