import { statSync } from "node:fs";
import { autoWorkers } from "./machine.ts";

/** Loading a larger one in vain would cost more than it gains. */
const SMALL_MODEL_BYTES = 64 << 20;

/**
 * The model that workers open a session of before they are told how.
 * @param wantedSha256 hash that the model must have: none is loaded that was not checked
 */
export function modelAhead(model: string, wantedSha256: string | null, kernel: boolean): { model?: string } {
  if (wantedSha256 !== null || !kernel) return {};
  const stats = statSync(model, { throwIfNoEntry: false });
  return stats?.isFile() && stats.size <= SMALL_MODEL_BYTES ? { model } : {};
}

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
