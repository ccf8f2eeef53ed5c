/**
 * Inputs and models that change under a run. What is written into the file while it is read fails the run; a file that is renamed
 * over it, or removed, does not: the run reads on in the file that it opened, as all programs of the system do.
 */
import fs from "node:fs";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { MODEL } from "../cli/iris.ts";
import { CAN_FREEZE, COMMITS, convert, freeze, ROWS, score, writeInput } from "./frozen.ts";

/** Every format; a sample of them in `npm test`. */
const ALL_KINDS = process.env.BATCHPREDICT_FAULTS !== undefined;

let dir: Workdir;
let expected: Buffer;
const given: Record<string, string> = {};
beforeAll(async () => {
  dir = workdir();
  const csv = writeInput(dir);
  given.csv = csv;
  given.gz = `${csv}.gz`;
  fs.writeFileSync(given.gz, gzipSync(fs.readFileSync(csv)));
  for (const ending of ALL_KINDS ? ["parquet", "arrow", "jsonl"] : ["parquet", "arrow"])
    given[ending] = await convert(dir, csv, ending);
  const whole = await batchpredict(score(csv, dir.file("expected.csv"), "--keep", "id"), { env: COMMITS });
  expect(whole.code).toBe(0);
  expected = fs.readFileSync(dir.file("expected.csv"));
});
afterAll(() => dir.remove());

const CHANGES: Record<string, (file: string) => void> = {
  truncated: (file) => fs.truncateSync(file, Math.floor(fs.statSync(file).size * 0.9)),
  grown: (file) => fs.appendFileSync(file, fs.readFileSync(file).subarray(-1000)),
  "written into": (file) => {
    const fd = fs.openSync(file, "r+");
    fs.writeSync(fd, "9", fs.fstatSync(fd).size - 200);
    fs.closeSync(fd);
  },
};

/** Its own copy of an input, in a folder of its own. */
function place(name: string, ending: string): { folder: string; input: string } {
  const folder = dir.file(`${name}-${ending}`.replaceAll(" ", "-"));
  fs.mkdirSync(folder);
  fs.copyFileSync(given[ending]!, `${folder}/in.${ending === "gz" ? "csv.gz" : ending}`);
  return { folder, input: `in.${ending === "gz" ? "csv.gz" : ending}` };
}

const IN_CI = [
  ["truncated", "csv"],
  ["written into", "parquet"],
  ["written into", "arrow"],
];
const ALL = Object.keys(CHANGES).flatMap((change) => ["csv", "jsonl", "parquet", "arrow"].map((ending) => [change, ending]));

describe.skipIf(!CAN_FREEZE)("an input that changes under the run", () => {
  it.each(ALL_KINDS ? ALL : IN_CI)("%s .%s: exit 1, the file is named, no output", async (change, ending) => {
    const { folder, input } = place(change!, ending!);
    const frozen = await freeze(folder, score(input, "out.csv", "--keep", "id"), "chunk-accounted:3");
    CHANGES[change!]!(`${folder}/${input}`);
    const { code, stderr } = await frozen.thaw();
    expect(stderr).toMatch(/^error BP_INPUT_CHANGED: .*changed while it was (being )?read\n/);
    expect(stderr).toContain(`at ${folder}/${input}`);
    expect(stderr).toContain("\n  fix: ");
    expect(code).toBe(1);
    expect(fs.readdirSync(folder)).toEqual([input]);
  });

  it.each(ALL_KINDS ? ["csv", "gz", "jsonl", "parquet", "arrow"] : ["csv"])(
    "another file renamed over the .%s: the run ends with the rows of the file it began with",
    async (ending) => {
      const { folder, input } = place("renamed", ending);
      const frozen = await freeze(folder, score(input, "out.csv", "--keep", "id"), "chunk-accounted:3");
      fs.writeFileSync(`${folder}/other`, "not the same at all\n");
      fs.renameSync(`${folder}/other`, `${folder}/${input}`);
      const { code, stderr } = await frozen.thaw();
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(fs.readFileSync(`${folder}/out.csv`).equals(expected)).toBe(true);
    },
  );

  it("a model renamed over the one of the run: the predictions are those of the model it began with", async () => {
    const { folder, input } = place("model", "csv");
    fs.copyFileSync(MODEL, `${folder}/model.onnx`);
    const args = [...score(input, "out.csv", "--keep", "id"), "-m", "model.onnx", "--json"];
    const frozen = await freeze(folder, args, "chunk-accounted:3");
    fs.writeFileSync(`${folder}/other`, "no model");
    fs.renameSync(`${folder}/other`, `${folder}/model.onnx`);
    const finished = await frozen.thaw();
    expect(finished.json()).toMatchObject({ status: "succeeded", rows: { read: ROWS, predicted: ROWS } });
    expect(fs.readFileSync(`${folder}/out.csv`).equals(expected)).toBe(true);
  });

  it("a model that is another one when an interrupted run is gone on with: refused, with both hashes", async () => {
    const { folder, input } = place("resumed", "csv");
    fs.copyFileSync(MODEL, `${folder}/model.onnx`);
    const args = [...score(input, "out.csv", "--keep", "id"), "-m", "model.onnx"];
    await (await freeze(folder, args, "chunk-accounted:20")).kill("SIGKILL");
    // Bytes behind a message are an unknown field that runtimes pass over: the same model under another hash.
    fs.appendFileSync(`${folder}/model.onnx`, Buffer.from([0xfa, 0x3f, 0x00]));
    const { code, stderr } = await batchpredict(args, { cwd: folder, env: COMMITS });
    expect(stderr).toMatch(/^error BP_RESUME_MISMATCH: .*out\.csv is \d+ rows far/);
    expect(stderr).toMatch(/actual: the model was SHA-256 [0-9a-f]{64}, is now SHA-256 [0-9a-f]{64}\n/);
    expect(code).toBe(2);
    expect(fs.existsSync(`${folder}/out.csv`)).toBe(false);
  });
});
