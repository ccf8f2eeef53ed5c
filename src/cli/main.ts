/** The command line: which commands there are, what is said about mistakes, exit codes. Each command is loaded when it is used. */
import { Command, CommanderError } from "commander";
import { toWire, type WireError } from "../core/errors.ts";
import type { ThreadsAhead } from "../core/thread.ts";
import { PACKAGE_VERSION } from "../version.ts";
import { addInitFlags } from "./init-flags.ts";
import { useThreadsAhead } from "./node-host.ts";
import { registerJobs } from "./register-jobs.ts";
import { registerRuns } from "./register-runs.ts";
import { addCommonFlags, addRunFlags } from "./run-flags.ts";
import { type CommonFlags, Terminal } from "./terminal.ts";
import { addVerifyFlags } from "./verify-flags.ts";

type Action = (terminal: Terminal, args: string[], flags: Record<string, never>) => Promise<number>;

/**
 * @param ahead threads that were started for a run
 * @returns the exit code; never throws
 */
export async function main(argv: readonly string[], ahead?: ThreadsAhead): Promise<number> {
  ignoreClosedPipes();
  if (ahead) useThreadsAhead(ahead);
  let exitCode = 0;
  const program = buildProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return exitCode;
  } catch (error) {
    const terminal = new Terminal(earlyFlags(argv));
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : terminal.fail(usageError(error));
    return terminal.fail({ exitCode: 2, ...toWire(error) });
  }
}

function buildProgram(done: (exitCode: number) => void): Command {
  const act = (load: () => Promise<Action>) => {
    return async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      const flags = given.at(-2) as Record<string, never> & CommonFlags;
      const terminal = new Terminal(flags);
      try {
        const action = await load();
        done(await action(terminal, command.args, flags));
      } catch (error) {
        done(terminal.fail({ exitCode: 2, ...toWire(error) }));
      }
    };
  };

  const program = new Command("batchpredict")
    .description("Score large CSV, Arrow and Parquet datasets with an ONNX model.")
    .version(PACKAGE_VERSION, "-V, --version", "show the version")
    .helpOption("-h, --help", "show this text")
    .addHelpText("after", MAIN_EXAMPLES);

  const run = program.command("run").argument("[job]", "name of a job in the jobs folder, or path of a job file");
  run.description("score a dataset: a named job, flags, or a job with flags over it");
  addCommonFlags(
    addRunFlags(run)
      .optionsGroup("This run:")
      .option("--fresh", "ignore an interrupted run of the same work")
      .option("--progress <when>", "auto, always or never", "auto")
      .option("--dry-run", "check everything, write nothing"),
  );
  run.addHelpText("after", RUN_EXAMPLES).action(act(async () => (await import("./run-command.ts")).runCommand));

  const plan = program.command("plan").argument("[job]", "name of a job in the jobs folder, or path of a job file");
  plan.description("show everything that run decides before the first row, and why; writes nothing");
  addCommonFlags(addRunFlags(plan));
  plan.addHelpText("after", PLAN_EXAMPLES).action(act(async () => (await import("./plan-command.ts")).planCommand));

  const inspect = program.command("inspect").argument("<file>", "an ONNX model, or a dataset");
  inspect.description("show what a model takes and gives, or what a dataset holds");
  inspect.option("--input-format <format>", "csv, jsonl, arrow, arrow-stream or parquet, when the name does not tell");
  addCommonFlags(inspect);
  inspect.addHelpText("after", INSPECT_EXAMPLES).action(act(async () => (await import("./inspect-command.ts")).inspectCommand));

  const init = program.command("init").description("write a commented job file from a model and a dataset");
  addInitFlags(init);
  addCommonFlags(init);
  init.addHelpText("after", INIT_EXAMPLES).action(act(async () => (await import("./init-command.ts")).initCommand));

  const verify = program.command("verify").argument("[job]", "name of a job in the jobs folder, or path of a job file");
  verify.description("score, and compare with expected predictions; writes nothing");
  addCommonFlags(addRunFlags(addVerifyFlags(verify)));
  verify.addHelpText("after", VERIFY_EXAMPLES).action(act(async () => (await import("./verify-command.ts")).verifyCommand));

  const doctor = program.command("doctor").description("check versions, native parts, and the state folder");
  addCommonFlags(doctor);
  doctor
    .addHelpText("after", "\nExample:\n  batchpredict doctor --json")
    .action(act(async () => (await import("./doctor-command.ts")).doctorCommand));

  const schema = program
    .command("schema")
    .argument("<what>", "job")
    .description("print the JSON Schema of a job file (draft-07)");
  addCommonFlags(schema);
  schema
    .addHelpText("after", "\nExample:\n  batchpredict schema job > .batchpredict/job.schema.json")
    .action(act(async () => (await import("./schema-command.ts")).schemaCommand));

  registerJobs(program, act);
  registerRuns(program, act);

  for (const command of [program, ...program.commands, ...program.commands.flatMap((parent) => parent.commands)]) {
    command
      .exitOverride()
      .showSuggestionAfterError(true)
      .configureOutput({ writeErr: () => {} })
      .allowExcessArguments(false);
  }
  return program;
}

/** "error: unknown option '--modle'\n(Did you mean --model?)" in the shape of all other errors. */
function usageError(error: CommanderError): WireError {
  if (error.code === "commander.help") {
    return { code: "BP_USAGE", message: "say what to do", hints: ["batchpredict --help lists the commands"], exitCode: 2 };
  }
  const [first = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const near = rest.map((line) => line.replace(/^\((.*)\)$/, "$1").replace(/^Did you mean/, "did you mean"));
  const hints = near.length > 0 ? near : ["batchpredict COMMAND --help lists the options, with examples"];
  return { code: "BP_USAGE", message: first, hints, exitCode: 2 };
}

/** Flags that shape how a usage error is told, found without the parser that just failed. */
function earlyFlags(argv: readonly string[]): CommonFlags {
  const at = argv.indexOf("--color");
  const color = argv[at + 1];
  return {
    json: argv.includes("--json"),
    debug: argv.includes("--debug"),
    ...(at >= 0 && (color === "always" || color === "never") ? { color } : {}),
  };
}

/** `batchpredict ... | head` closes our stdout early: that is no error of ours. */
function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}

const MAIN_EXAMPLES = `
Examples:
  batchpredict run --model churn.onnx --input customers.csv --output scores.parquet
  batchpredict run income-risk-daily
  batchpredict inspect churn.onnx`;

const RUN_EXAMPLES = `
Examples:
  batchpredict run -m model.onnx -i data.csv -o predictions.parquet
  batchpredict run -m model.onnx -i 'data/*.parquet' -o scores.db --table churn --keep customer_id
  batchpredict run -m model.onnx -i data.csv -o out.db --features age..income --on-error reject --max-rejects 1%
  zcat big.csv.gz | batchpredict run -m model.onnx -i - -o out.parquet
  batchpredict run income-risk-daily --limit 100 -o sample.csv

Exit codes: 0 done, 1 failed after it began, 2 found before the first row, 3 too many rejects,
75 busy, 130 and 143 interrupted.`;

const PLAN_EXAMPLES = `
Examples:
  batchpredict plan -m model.onnx -i data.csv
  batchpredict plan income-risk-daily --json`;

const INIT_EXAMPLES = `
Examples:
  batchpredict init -m churn.onnx -i customers.csv
  batchpredict init -m churn.onnx -i 'data/*.parquet' -o scores.db --output-job jobs/churn-daily.yaml

Exit codes: 0 written and tried on the first rows, 2 written with something to fill in, or not written.`;

const VERIFY_EXAMPLES = `
Examples:
  batchpredict verify income-risk-daily --expected expected.parquet --key row_id
  batchpredict verify -m model.onnx -i data.csv --expected expected.csv --rel-tolerance 1e-5
  batchpredict verify -m model.onnx -i data.csv --expected expected.csv --label-mismatches 0.1% --json

Floats are equal when |got - expected| <= abs + rel * max(1, |expected|), everything else when it is the same. Also compared: one row
per call with many; more than the tolerance between them is not equal either.

Exit codes: 0 equal, 3 not, 1 and 2 as for run.`;

const INSPECT_EXAMPLES = `
Examples:
  batchpredict inspect model.onnx
  batchpredict inspect data.csv --json`;
