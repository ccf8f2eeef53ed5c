/** `jobs ...` and `scheduler ...` on the command line: arguments, flags, help. */
import { type Command, Option } from "commander";
import { addCommonFlags } from "./run-flags.ts";
import type { Terminal } from "./terminal.ts";

type Action = (terminal: Terminal, args: string[], flags: Record<string, never>) => Promise<number>;
type Act = (load: () => Promise<Action>) => (...given: unknown[]) => Promise<void>;

export function registerJobs(program: Command, act: Act): void {
  const jobs = program.command("jobs").description("named jobs: what there is, when it runs, what became of it");
  const add = (name: string, about: string, ...examples: string[]): Command => {
    const command = jobs.command(name).description(about);
    command.addHelpText("after", `\nExamples:\n${examples.map((example) => `  batchpredict jobs ${example}`).join("\n")}`);
    command.option("--jobs-dir <dir>", "where job files live (default: jobs)");
    return command;
  };
  const finish = (command: Command, load: () => Promise<Action>): void => {
    addCommonFlags(command).action(act(load));
  };

  finish(
    add(
      "validate",
      "check all job files and tell every problem of every file",
      "validate",
      "validate --jobs-dir other/jobs --json",
    ),
    async () => (await import("./jobs-command.ts")).jobsValidateCommand,
  );
  finish(add("list", "all jobs: schedule, next slot, last run", "list", "list --json"), async () => {
    return (await import("./jobs-list-command.ts")).jobsListCommand;
  });
  finish(add("show", "one job in words", "show income-risk-daily").argument("<job>"), async () => {
    return (await import("./jobs-list-command.ts")).jobsShowCommand;
  });
  finish(
    add(
      "next",
      "the next slots, local and UTC, with what daylight saving does to them",
      "next income-risk-daily -n 5 --from 2026-10-20",
    )
      .argument("<job>")
      .option("-n, --count <n>", "how many (default: 10)")
      .option("--from <instant>", "after this date or instant (default: now)"),
    async () => (await import("./jobs-history-command.ts")).jobsNextCommand,
  );
  finish(
    add(
      "history",
      "what became of the runs of a job, newest first",
      "history income-risk-daily",
      "history income-risk-daily --json",
    )
      .argument("<job>")
      .option("--limit <n>", "how many (default: 20)"),
    async () => (await import("./jobs-history-command.ts")).jobsHistoryCommand,
  );
  finish(
    add("gaps", "slots without an output, and the command that fills them", "gaps", "gaps income-risk-daily --since 2026-11-01")
      .argument("[job]")
      .option("--since <instant>", "from this date or instant on (default: since the job is known)"),
    async () => (await import("./jobs-history-command.ts")).jobsGapsCommand,
  );
  finish(
    add(
      "run",
      "do one slot now, in the same history and under the same lock as the scheduler",
      "run income-risk-daily",
      "run income-risk-daily --date 2026-11-21 --if-needed --wait",
    )
      .argument("<job>")
      .option("--date <date>", "logical date, or a run key (default: the newest slot that is due)")
      .option("--if-needed", "do nothing when the slot has succeeded: a pipeline step that may be repeated")
      .option("--wait", "wait for another run of the job instead of exiting with 75")
      .option("--junit <path>", "write the result as a JUnit file")
      .option("--progress <when>", "auto, always or never", "auto"),
    async () => (await import("./jobs-run-command.ts")).jobsRunCommand,
  );
  finish(
    add(
      "backfill",
      "run every slot of a range of dates that has no success; run again, it goes on",
      "backfill income-risk-daily --from 2026-11-01 --to 2026-11-20",
    )
      .argument("<job>")
      .option("--from <date>", "first logical date")
      .option("--to <date>", "last logical date, included"),
    async () => (await import("./jobs-backfill-command.ts")).jobsBackfillCommand,
  );
  finish(add("pause", "skip the slots of a job until it is resumed", "pause income-risk-daily").argument("<job>"), async () => {
    return (await import("./jobs-list-command.ts")).jobsPauseCommand;
  });
  finish(add("resume", "let a paused job go on with its next slot", "resume income-risk-daily").argument("<job>"), async () => {
    return (await import("./jobs-list-command.ts")).jobsResumeCommand;
  });

  // Without it `scheduler` itself would take the flags of `scheduler start --state-dir X`.
  program.enablePositionalOptions();
  const scheduler = program
    .command("scheduler")
    .description("run jobs when they are due")
    .enablePositionalOptions()
    .option("--once", "do everything that is due, to its end, then exit: for cron and Kubernetes CronJobs");
  addSchedulerFlags(scheduler);
  scheduler
    .addHelpText("after", "\nExamples:\n  batchpredict scheduler start\n  batchpredict scheduler --once")
    .action(act(async () => (await import("./scheduler-command.ts")).schedulerCommand));

  const start = scheduler.command("start").description("keep running jobs when they are due, in the foreground");
  start.option("--standby", "when another scheduler is at work, wait and take over when it ends");
  start.option("--once", "do everything that is due, to its end, then exit");
  addSchedulerFlags(start);
  start
    .addHelpText("after", SCHEDULER_EXAMPLES)
    .action(act(async () => (await import("./scheduler-command.ts")).schedulerStartCommand));

  addCommonFlags(
    scheduler.command("status").description("who is at work, what runs, what waits (exit code 1: nobody is at work)"),
  )
    .addHelpText("after", "\nExamples:\n  batchpredict scheduler status --json")
    .action(act(async () => (await import("./scheduler-command.ts")).schedulerStatusCommand));

  program.commands
    .find((command) => command.name() === "run")
    ?.option("--junit <path>", "write the result as a JUnit file")
    .addOption(new Option("--recorded-run <fence>").hideHelp());
}

function addSchedulerFlags(command: Command): void {
  command
    .option("--jobs-dir <dir>", "where job files live (default: jobs)")
    .option("--parallel <n>", "runs at once, over all jobs (default: 2)")
    .option("--metrics-port <port>", "figures for Prometheus at http://127.0.0.1:PORT/metrics, and /healthz")
    .option("--metrics-file <path>", "the same figures as a file, for a textfile collector");
  addCommonFlags(command);
}

const SCHEDULER_EXAMPLES = `
Examples:
  batchpredict scheduler start
  batchpredict scheduler start --standby --metrics-port 9464

Exit codes: 0 stopped by a signal, 2 usage, 75 another scheduler is at work.`;
