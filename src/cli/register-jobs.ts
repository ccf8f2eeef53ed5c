/** `jobs ...` and `scheduler ...` on the command line: arguments, flags, help. */
import type { Command } from "commander";
import { addCommonFlags } from "./run-flags.ts";
import type { Terminal } from "./terminal.ts";

type Action = (terminal: Terminal, args: string[], flags: Record<string, never>) => Promise<number>;
type Act = (load: () => Promise<Action>) => (...given: unknown[]) => Promise<void>;

export function registerJobs(program: Command, act: Act): void {
  const jobs = program.command("jobs").description("named jobs: what there is, when it runs, what became of it");
  const add = (name: string, about: string, example: string): Command => {
    const command = jobs.command(name).description(about).addHelpText("after", `\nExamples:\n${example}`);
    command.option("--jobs-dir <dir>", "where job files live (default: jobs)");
    return addCommonFlags(command);
  };

  add("validate", "check all job files and tell every problem of every file", "  batchpredict jobs validate").action(
    act(async () => (await import("./jobs-command.ts")).jobsValidateCommand),
  );
}
