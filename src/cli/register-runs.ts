/** `runs ...` on the command line: arguments, flags, help. */
import type { Command } from "commander";
import { addCommonFlags } from "./run-flags.ts";
import type { Terminal } from "./terminal.ts";

type Action = (terminal: Terminal, args: string[], flags: Record<string, never>) => Promise<number>;
type Act = (load: () => Promise<Action>) => (...given: unknown[]) => Promise<void>;

export function registerRuns(program: Command, act: Act): void {
  const runs = program.command("runs").description("every run: what became of it, and how it goes on");
  const add = (name: string, about: string, ...examples: string[]): Command => {
    const command = runs.command(name).description(about);
    return command.addHelpText("after", `\nExamples:\n${examples.map((each) => `  batchpredict runs ${each}`).join("\n")}`);
  };
  const finish = (command: Command, load: () => Promise<Action>): void => {
    addCommonFlags(command).action(act(load));
  };
  const ID = "id of the run, or enough of its beginning or end";

  finish(
    add(
      "list",
      "runs of every kind, newest first",
      "list",
      "list --state failed,interrupted -n 50",
      "list --job income-risk-daily --json",
    )
      .option("-n, --count <n>", "how many (default: 20)")
      .option("--state <states>", "only these: running, succeeded, failed, interrupted, cancelled, ...; comma separated")
      .option("--job <name>", "only runs of this job"),
    async () => (await import("./runs-list-command.ts")).runsListCommand,
  );
  finish(
    add("show", "everything about one run, and how to go on with it", "show 5f0c", "show 5f0c --json").argument("<id>", ID),
    async () => {
      return (await import("./runs-list-command.ts")).runsShowCommand;
    },
  );
  finish(
    add("logs", "what a run of the scheduler or of a backfill told", "logs 5f0c", "logs 5f0c -f")
      .argument("<id>", ID)
      .option("-f, --follow", "go on until the run has ended"),
    async () => (await import("./runs-logs-command.ts")).runsLogsCommand,
  );
  finish(
    add("cancel", "ask a run to stop where it can be resumed, and wait until it has", "cancel 5f0c").argument("<id>", ID),
    async () => (await import("./runs-cancel-command.ts")).runsCancelCommand,
  );
  finish(
    add("resume", "go on with an interrupted run behind its last committed rows", "resume 5f0c", "resume 5f0c < the-same.csv")
      .argument("<id>", ID)
      .option("--jobs-dir <dir>", "where named jobs live (default: where the run found its job)")
      .option("--progress <when>", "auto, always or never", "auto"),
    async () => (await import("./runs-again-command.ts")).runsResumeCommand,
  );
  finish(
    add("retry", "do a failed run again: a job under the same run key, another by its command", "retry 5f0c")
      .argument("<id>", ID)
      .option("--jobs-dir <dir>", "where named jobs live (default: where the run found its job)")
      .option("--progress <when>", "auto, always or never", "auto"),
    async () => (await import("./runs-again-command.ts")).runsRetryCommand,
  );
  finish(
    add(
      "clean",
      "remove what dead runs left beside their outputs, and old history; an interrupted run cannot be resumed after it",
      "clean --dry-run",
      "clean 5f0c",
      "clean --older-than 30d",
    )
      .argument("[id...]", "only these runs (default: all that no process is at)")
      .option("--dry-run", "say what would be removed")
      .option("--older-than <duration>", "history that ended longer ago goes too (default: 90d; with an id: none)"),
    async () => (await import("./runs-clean-command.ts")).runsCleanCommand,
  );
}
