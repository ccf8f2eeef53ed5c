/** Every model that cannot be served, through the real binary: refused in our words, with a mend, before anything is written. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { foldersOf, readJson } from "../corpora.ts";
import { exporterOf } from "./about.ts";

/** What the runtime says when its own words get through; ours name the file, the input or the output. */
const RUNTIME_WORDS = /onnxruntime_src|Load model from|Protobuf parsing|Exception|\bat .*\.(?:js|ts|cc):\d|::|\x1b\[/;

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
});
afterAll(() => dir.remove());

describe.concurrent("models that must be refused", () => {
  for (const { name, folder } of foldersOf("models_bad")) {
    it(name, async ({ task }) => {
      const about = readJson<{ source?: { repo: string } | null; why: string }>(path.join(folder, "about.json"));
      const place = dir.file(name);
      mkdirSync(place);
      const input = path.join(place, "numbers.csv");
      writeFileSync(input, "a,b,c,d\n1,2,3,4\n5,6,7,8\n");
      const model = path.join(folder, "model.onnx");
      const { code, signal, stdout, stderr } = await batchpredict(["run", "-m", model, "-i", input, "-o", "out.parquet"], {
        cwd: place,
      });
      const result = `refused: ${/^error (BP_[A-Z_]+)/.exec(stderr)?.[1]}`;
      task.meta.model = { from: "models_bad", name, exporter: exporterOf(about), features: [`bad: ${about.why}`], result };
      expect(stderr).toMatch(/^error BP_(?:MODEL_[A-Z_]+|BINDING): \S.+\n(?: {2}.+\n)+$/);
      expect(stderr).toMatch(/^ +fix: \S/m);
      expect(stderr).not.toMatch(RUNTIME_WORDS);
      expect(saidByRuntime(folder, stderr)).toBe(false);
      expect({ code, signal, stdout }).toEqual({ code: 2, signal: null, stdout: "" });
      expect(readdirSync(place)).toEqual(["numbers.csv"]);
    });
  }
});

/** Whether the sentence that the catalogue recorded from the runtime is repeated as the message. */
function saidByRuntime(folder: string, stderr: string): boolean {
  const about = JSON.parse(readFileSync(path.join(folder, "about.json"), "utf8")) as { onnxruntime_node?: { error?: string } };
  const said = about.onnxruntime_node?.error?.replace(/^Error: /, "") ?? "";
  return said.length > 20 && stderr.split("\n")[0]!.includes(said.slice(0, 60));
}
