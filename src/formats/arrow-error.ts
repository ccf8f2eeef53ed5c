import { BatchPredictError } from "../core/errors.ts";

/** An Arrow file that cannot be used: corrupt, truncated, or beyond what can be read. */
export function refuseArrow(file: string, why: string, hints: string[] = [], cause?: unknown): BatchPredictError {
  const error = cause === undefined ? {} : { cause };
  return new BatchPredictError("BP_INPUT_FORMAT", `${file} cannot be read as Arrow: ${why}`, {
    where: { file },
    hints,
    ...error,
  });
}

/** Errors of ours pass; whatever a decoder throws over damaged bytes becomes a refusal. */
export function refusing<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof BatchPredictError || error instanceof DecoderNotLoaded) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw refuseArrow(file, `it is damaged (${message})`, DAMAGED_HINTS, error);
  }
}

export const DAMAGED_HINTS = ["fetch or write the file again: it was cut off or changed on its way"];

/** Bytes that cannot be what they are said to be; `refusing` and the loader make a refusal of it that names file and column. */
export class DamagedData extends Error {}

/** Compressed bytes are met before their decoder is loaded, which takes a promise: see withCodecs in arrow-codecs.ts. */
export class DecoderNotLoaded extends Error {}
