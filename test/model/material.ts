/** The shared test material lies beside the project; without it, the tests that walk it say so and are skipped. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../shared/material", import.meta.url));

export const hasMaterial = existsSync(`${root}/models`);
if (!hasMaterial)
  console.warn("SKIPPED: the tests of real models need ../shared/material beside the project, and it is not there");

export interface About {
  name: string;
  sha256: string;
  model_file?: string;
  runnable?: boolean;
  why_not?: string;
  fixed_batch: number | null;
  opset?: Record<string, number>;
  inputs: { name: string; type: string; shape: (number | string | null)[]; columns: string[]; row_shape: number[] }[];
  outputs: { name: string; type: string; shape: (number | string | null)[]; zipmap_classes?: (string | number)[] }[];
}

export interface MaterialModel {
  name: string;
  folder: string;
  path: string;
  about: About;
}

export function models(set: "models" | "models_bad"): MaterialModel[] {
  if (!hasMaterial) return [];
  return readdirSync(`${root}/${set}`).map((name) => {
    const folder = `${root}/${set}/${name}`;
    const about = JSON.parse(readFileSync(`${folder}/about.json`, "utf8")) as About;
    return { name, folder, path: `${folder}/${about.model_file ?? "model.onnx"}`, about };
  });
}

export function model(name: string): MaterialModel {
  const found = models("models").find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no model ${name} in the material`);
  return found;
}

/** Text models need a locale; the runtime reads this variable when it loads one, so it is set before. */
export function usePrivateLocale(): void {
  process.env.LOCPATH = `${root}/locale`;
}
