/** A run must not write over what it reads, whatever leads to it: a glob, a folder, a link. */
import { stat } from "node:fs/promises";
import { BatchPredictError } from "../core/errors.ts";
import type { RunSettings } from "../core/settings.ts";
import { expandInputs } from "../sources/expand-inputs.ts";

interface Target {
  flag: string;
  path: string;
}

/**
 * Files are compared by device and inode, not by name. A target that does not exist yet overwrites nothing.
 * @throws BP_CONFIG; BP_INPUT_NOT_FOUND, BP_INPUT_UNREADABLE from looking at the inputs
 */
export async function refuseOverwrite(
  settings: Pick<RunSettings, "inputs" | "model">,
  targets: readonly Target[],
): Promise<void> {
  const existing: (Target & { identity: string })[] = [];
  for (const target of targets) {
    const identity = await identityOf(target.path);
    if (identity !== null) existing.push({ ...target, identity });
  }
  if (existing.length === 0) return;
  const inputs = (await expandInputs(settings.inputs)).map(({ path }) => ({ what: "input", path }));
  for (const { what, path } of [{ what: "model", path: settings.model }, ...inputs]) {
    const identity = path === "-" ? null : await identityOf(path);
    const same = existing.find((target) => identity !== null && target.identity === identity);
    if (!same) continue;
    const alias = same.path === path ? "" : ` (the same file as ${path})`;
    throw new BatchPredictError("BP_CONFIG", `${same.flag} ${same.path} would overwrite the ${what} it is made from${alias}`, {
      where: { file: same.path },
      hints: [
        `give ${same.flag} another path`,
        ...(what === "input" ? ["or name the inputs so that it is not among them: a glob or a folder takes every file"] : []),
      ],
    });
  }
}

async function identityOf(path: string): Promise<string | null> {
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}
