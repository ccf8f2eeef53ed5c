import { statSync } from "node:fs";
import { autoWorkers } from "./machine.ts";

export interface WorkersAhead {
  workers: number | "auto";
  model: string;
  inputs: readonly string[];
  cores: number;
}

/** How many workers the plan will want, by the sizes of the files alone. One too many, or too few, costs its start and nothing else. */
export function workersAhead({ workers, model, inputs, cores }: WorkersAhead): number {
  if (workers !== "auto") return workers;
  const sizeOf = (file: string): number | null => {
    const stats = statSync(file, { throwIfNoEntry: false });
    return stats?.isFile() ? stats.size : null;
  };
  const sizes = inputs.map(sizeOf);
  // Pipes, folders and patterns are large until more is known.
  const bytes = sizes.includes(null) ? null : sizes.reduce((sum: number, size) => sum + size!, 0);
  return autoWorkers(sizeOf(model) ?? 0, bytes, cores)[0];
}
