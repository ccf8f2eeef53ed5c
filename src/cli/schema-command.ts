import { jobJsonSchema } from "../config/job-json-schema.ts";
import { BatchPredictError } from "../core/errors.ts";
import type { Terminal } from "./terminal.ts";

export async function schemaCommand(terminal: Terminal, args: string[]): Promise<number> {
  if (args[0] !== "job") {
    throw new BatchPredictError("BP_USAGE", `there is no schema of "${args[0]}"`, {
      expected: "job",
      hints: ["batchpredict schema job"],
    });
  }
  terminal.printJson(jobJsonSchema());
  return 0;
}
