/** Figures about jobs in Prometheus' text format (version 0.0.4), for a textfile collector or a port. Pure. */

export interface JobFigures {
  job: string;
  /** Seconds since the epoch; null: never. */
  lastSuccess: number | null;
  lastEnd: number | null;
  lastState: string | null;
  lastSeconds: number | null;
  lastRows: { read: number; predicted: number; rejected: number } | null;
  paused: boolean;
}

export interface SchedulerFigures {
  jobs: readonly JobFigures[];
  active: number;
  outboxDue: number;
  outboxGivenUp: number;
  /** Seconds since the epoch of the last look. */
  lastTick: number;
}

export function prometheusText({ jobs, active, outboxDue, outboxGivenUp, lastTick }: SchedulerFigures): string {
  const per = (value: (job: JobFigures) => number | null): [string, number][] =>
    jobs.flatMap((job) => {
      const number = value(job);
      return number === null ? [] : [[`{job="${label(job.job)}"}`, number] as [string, number]];
    });
  return [
    metric(
      "batchpredict_job_last_success_timestamp_seconds",
      "When the job last succeeded.",
      per((job) => job.lastSuccess),
    ),
    metric(
      "batchpredict_job_last_end_timestamp_seconds",
      "When the last run of the job ended.",
      per((job) => job.lastEnd),
    ),
    metric(
      "batchpredict_job_last_run_succeeded",
      "1 when the last run that ended succeeded.",
      per((job) => (job.lastState === null ? null : Number(job.lastState === "succeeded"))),
    ),
    metric(
      "batchpredict_job_last_duration_seconds",
      "How long the last run took.",
      per((job) => job.lastSeconds),
    ),
    metric(
      "batchpredict_job_last_rows_predicted",
      "Rows that the last run predicted.",
      per((job) => job.lastRows?.predicted ?? null),
    ),
    metric(
      "batchpredict_job_last_rows_rejected",
      "Rows that the last run rejected.",
      per((job) => job.lastRows?.rejected ?? null),
    ),
    metric(
      "batchpredict_job_paused",
      "1 while the job is paused.",
      per((job) => Number(job.paused)),
    ),
    metric("batchpredict_runs_active", "Runs that are going on.", [["", active]]),
    metric("batchpredict_outbox_due", "Messages that wait to be delivered.", [["", outboxDue]]),
    metric("batchpredict_outbox_given_up", "Messages that could not be delivered.", [["", outboxGivenUp]]),
    metric("batchpredict_scheduler_last_tick_timestamp_seconds", "When the scheduler last looked.", [["", lastTick]]),
  ].join("");
}

function metric(name: string, help: string, samples: readonly [string, number][]): string {
  if (samples.length === 0) return "";
  const lines = samples.map(([labels, value]) => `${name}${labels} ${value}`);
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join("\n")}\n`;
}

function label(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
