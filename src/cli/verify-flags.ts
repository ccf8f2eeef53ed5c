/** The flags of `verify` beside those of a run. */
import type { Command } from "commander";

export function addVerifyFlags(command: Command): Command {
  return command
    .optionsGroup("Expected predictions:")
    .option("--expected <file>", "CSV, Parquet, Arrow or JSON Lines: columns named like predictions or like model outputs")
    .option("--expected-format <format>", "when the name does not tell")
    .option("--abs-tolerance <x>", "floats may differ by this (default: 0) ...")
    .option("--rel-tolerance <x>", "... plus this times max(1, |expected|) (default: 1e-4)")
    .option("--label-mismatches <limit>", "rows or percent (1%) whose labels, integers or texts may differ (default: 0)");
}
