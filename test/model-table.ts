/** A vitest reporter: what became of every model that a walk ran or saw refused, by the tool that made it and by feature. */
import type { Reporter, TestModule } from "vitest/node";

export interface ModelResult {
  /** Which collection: "models", "models_bad", "onnx_backend", "scenarios". */
  from: string;
  name: string;
  exporter: string;
  features: string[];
  /** "equal", or "refused: CODE". */
  result: string;
}

declare module "vitest" {
  interface TaskMeta {
    model?: ModelResult;
  }
}

export default class ModelTable implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const results: ModelResult[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { model } = test.meta();
        if (model) results.push(test.result().state === "passed" ? model : { ...model, result: "FAILED" });
      }
    }
    if (results.length > 0) console.info(modelTable(results));
  }
}

export function modelTable(results: readonly ModelResult[]): string {
  const words = [...new Set(results.map(({ result }) => result))].sort();
  const section = (title: string, groupsOf: (model: ModelResult) => string[]): string[] => {
    const groups = new Map<string, number[]>();
    for (const model of results) {
      for (const group of groupsOf(model)) {
        const counts = groups.get(group) ?? words.map(() => 0);
        counts[words.indexOf(model.result)]!++;
        groups.set(group, counts);
      }
    }
    const lines = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
    return [title, ...lines.map(([group, counts]) => `  ${group.padEnd(34)} ${described(counts)}`)];
  };
  const described = (counts: number[]): string =>
    counts.flatMap((count, at) => (count === 0 ? [] : [`${count} ${words[at]}`])).join(", ");
  return [
    "",
    `${results.length} models: what became of each (floats within 1e-4 relative, |y| < 1 counted as 1; labels, integers and texts exactly)`,
    ...section("by collection", ({ from }) => [from]),
    ...section("by exporter", ({ exporter }) => [exporter]),
    ...section("by feature", ({ features }) => features),
    "",
  ].join("\n");
}
