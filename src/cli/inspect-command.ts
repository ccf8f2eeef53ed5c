import path from "node:path";
import { BatchPredictError } from "../core/errors.ts";
import type { SourceFormat } from "../core/source.ts";
import { inspectText } from "../report/inspect-text.ts";
import { inspectFile } from "../run/inspect.ts";
import { nodeHost } from "./node-host.ts";
import type { Terminal } from "./terminal.ts";

const FORMATS: readonly SourceFormat[] = ["csv", "jsonl", "arrow", "arrow-stream", "parquet"];

export async function inspectCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const format = (flags.inputFormat as SourceFormat | undefined) ?? null;
  if (format !== null && !FORMATS.includes(format)) {
    throw new BatchPredictError("BP_USAGE", `--input-format: "${format}" is not known`, { expected: FORMATS.join(", ") });
  }
  const [file = ""] = args;
  const report = await inspectFile(file === "-" ? file : path.resolve(host.cwd, file), format, host);
  if (terminal.json) terminal.printJson(report);
  else terminal.print(inspectText(report, terminal.paint));
  if (file === "-") process.stdin.destroy();
  return 0;
}
