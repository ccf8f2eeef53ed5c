import path from "node:path";
import { SOURCE_FORMATS } from "../config/enumerations.ts";
import { maxRejects, type Parser } from "../config/setting-parsers.ts";
import { BatchPredictError } from "../core/errors.ts";
import { verifyText } from "../report/verify-text.ts";
import { verifyRun } from "../verify/verify-run.ts";
import { nodeHost } from "./node-host.ts";
import { oneOf } from "./one-of.ts";
import { jobOf, resolveFlags } from "./resolve-flags.ts";
import { watchSignals } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

/** Exit 0: equal. 3: not. Whatever stops the run: as for run. */
export async function verifyCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const watch = watchSignals(terminal);
  try {
    const { expected, expectedFormat, absTolerance, relTolerance, labelMismatches, ...runFlags } = flags;
    if (expected === undefined) {
      throw new BatchPredictError("BP_USAGE", "--expected is missing", {
        hints: ["name the file of expected predictions: --expected expected.parquet"],
      });
    }
    const resolved = resolveFlags(await jobOf(args[0], runFlags, host), runFlags, host, { outputOptional: true });
    if (resolved.settings.inputs.includes("-")) {
      throw new BatchPredictError("BP_USAGE", "verify reads its input more than once, so it cannot be standard input", {
        hints: ["give --input a file"],
      });
    }
    const report = await verifyRun(
      {
        resolved,
        expected: path.resolve(host.cwd, String(expected)),
        expectedFormat: expectedFormat === undefined ? null : oneOf(SOURCE_FORMATS, "--expected-format", String(expectedFormat)),
        tolerances: {
          absolute: parsed("--abs-tolerance", absTolerance, tolerance, 0),
          relative: parsed("--rel-tolerance", relTolerance, tolerance, 1e-4),
        },
        labelMismatches: parsed("--label-mismatches", labelMismatches, maxRejects, { rows: 0 }) ?? { rows: 0 },
      },
      host,
      watch.signal,
    );
    if (terminal.json) terminal.printJson(report);
    terminal.say(verifyText(report, terminal.paint));
    return report.status === "equal" ? 0 : 3;
  } finally {
    watch.release();
  }
}

const tolerance: Parser<number> = (text) => {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  return value >= 0 && Number.isFinite(value)
    ? { value }
    : { is: "is no tolerance", expected: "a number from 0, for example 1e-5" };
};

function parsed<T>(flag: string, given: unknown, parse: Parser<T>, otherwise: T): T {
  if (given === undefined) return otherwise;
  const result = parse(String(given));
  if ("value" in result) return result.value;
  throw new BatchPredictError("BP_USAGE", `${flag}: "${String(given)}" ${result.is}`, {
    ...(result.expected === undefined ? {} : { expected: result.expected }),
    ...(result.hints === undefined ? {} : { hints: result.hints }),
  });
}
