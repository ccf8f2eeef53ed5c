/** `jobs validate`: what is wrong with the job files, all at once. */
import { errorJson } from "../report/error-json.ts";
import { validationText } from "../report/jobs-text.ts";
import { validateJobs } from "../schedule/process/validate-jobs.ts";
import { nodeHost } from "./node-host.ts";
import type { Terminal } from "./terminal.ts";

export async function jobsValidateCommand(terminal: Terminal, _args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const jobsDir = (flags.jobsDir as string | undefined) ?? "jobs";
  const validation = validateJobs({ jobsDir, cwd: host.cwd, env: host.env, now: host.date() });
  const { errors, warnings, jobs } = validation;
  if (terminal.json) {
    const plain = (list: typeof errors): object[] => list.map((error) => errorJson(error, terminal.debug));
    terminal.printJson({ valid: errors.length === 0, jobs, errors: plain(errors), warnings: plain(warnings) });
  }
  const text = validationText(validation, terminal.paint);
  if (errors.length > 0) terminal.complain(text);
  else terminal.say(text);
  return errors.length > 0 ? 2 : 0;
}
