/**
 * `--bind`, `--const` and `--outputs` are texts `NAME=REST`, and both sides may hold a `=`. Which one is the border only the model's names tell:
 * the longest name that it has wins. Texts with one `=` only never come here.
 */
import { BatchPredictError } from "../core/errors.ts";
import type { ResolvedRun, RunSettings, UndecidedPair } from "../core/settings.ts";
import * as read from "./setting-parsers.ts";

/** Every way to cut the text, the longest name first. */
function cuts(text: string): { name: string; rest: string }[] {
  const found: { name: string; rest: string }[] = [];
  for (let at = text.lastIndexOf("="); at > 0; at = text.lastIndexOf("=", at - 1)) {
    found.push({ name: text.slice(0, at).trim(), rest: text.slice(at + 1) });
  }
  return found;
}

/**
 * Undecided texts in their places. One that fits no name is cut at its first `=`, and refused with the others by binding.
 * @throws BP_USAGE: an input given twice, columns or values that cannot be read
 */
export function nameByModel(resolved: ResolvedRun, inputs: readonly string[], outputs: readonly string[]): ResolvedRun {
  const { settings } = resolved;
  const bind = { ...settings.bind };
  const constants = { ...settings.constants };
  const origins = { ...resolved.origins };
  for (const { flag, text } of settings.undecided ?? []) {
    const all = cuts(text);
    const { name, rest } = all.find((cut) => inputs.includes(cut.name)) ?? all.at(-1)!;
    const given = [origins[`bind.${name}`], origins[`constants.${name}`]].find((origin) => origin?.startsWith("flag"));
    if (given !== undefined)
      throw usage(`model input "${name}" is given by ${given.slice(5)} and by ${flag} ${text}`, "keep one of the two");
    delete bind[name];
    delete constants[name];
    delete origins[`bind.${name}`];
    delete origins[`constants.${name}`];
    if (flag === "--bind") bind[name] = parsed({ flag, text }, read.list("column")(rest));
    else constants[name] = parsed({ flag, text }, read.constant(rest));
    origins[`${flag === "--bind" ? "bind" : "constants"}.${name}`] = `flag ${flag}`;
  }
  const renamed = settings.outputs?.map((chosen) => cutOutput(chosen, outputs)) ?? null;
  return { settings: { ...settings, bind, constants, outputs: renamed, undecided: [] }, origins };
}

function cutOutput(
  { name, alias }: NonNullable<RunSettings["outputs"]>[number],
  outputs: readonly string[],
): NonNullable<RunSettings["outputs"]>[number] {
  if (alias === null || outputs.includes(`${name}=${alias}`))
    return { name: alias === null ? name : `${name}=${alias}`, alias: null };
  const found = cuts(`${name}=${alias}`).find((cut) => outputs.includes(cut.name));
  return found ? { name: found.name, alias: found.rest.trim() } : { name, alias };
}

function parsed<T>({ flag, text }: UndecidedPair, result: read.Parsed<T>): T {
  if ("value" in result) return result.value;
  throw usage(`${flag} ${JSON.stringify(text)} ${result.is}`, ...(result.hints ?? []));
}

function usage(message: string, ...hints: string[]): BatchPredictError {
  return new BatchPredictError("BP_USAGE", message, { hints });
}
