import { BatchPredictError } from "../core/errors.ts";
import { suggest } from "../core/suggest.ts";

/** A flag that only the command line knows. @throws BP_USAGE when it has none of the values */
export function oneOf<T extends string>(choices: readonly T[], flag: string, text: string): T {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  const near = suggest(text, choices);
  throw new BatchPredictError("BP_USAGE", `${flag}: "${text}" is not one of the choices`, {
    expected: choices.join(", "),
    actual: `"${text}"`,
    hints: [near.length > 0 ? `did you mean ${near.join(" or ")}?` : `give ${flag} one of ${choices.join(", ")}`],
  });
}
