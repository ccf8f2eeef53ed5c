/** Flag over job file over environment over default, for every setting by the same rule, collecting problems instead of stopping. */
import type { WireError } from "../core/errors.ts";
import type { Origin } from "../core/settings.ts";
import type { JobFile } from "./read-job.ts";
import type { Parsed, Parser, Refusal } from "./setting-parsers.ts";

export interface Given<T> {
  value: T;
  origin: Origin;
  /** What relative paths are relative to. */
  from: "flag" | "job" | "environment" | "default";
}

/** Where a setting may be given. `flag` is undefined when it was not. */
export interface Places {
  /** Long name with dashes, as users type it. */
  flagName: string;
  flag?: string | boolean | readonly string[] | undefined;
  /** Dotted path in the job file. */
  jobPath?: string;
  environment?: string;
}

export class Layers {
  readonly problems: WireError[] = [];
  readonly origins: Record<string, Origin> = {};
  readonly #job: JobFile | null;
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(job: JobFile | null, env: Readonly<Record<string, string | undefined>>) {
    this.#job = job;
    this.#env = env;
  }

  /** The value of the highest layer that gives one, as text; a bad value counts as given, so that it is not silently passed over. */
  one<T>(setting: string, places: Places, parse: Parser<T>): Given<T> | null {
    const { flag, flagName, jobPath, environment } = places;
    if (flag !== undefined) return this.#parse(setting, String(flag), parse, `flag ${flagName}`, flagName, "flag");
    const job = jobPath === undefined ? undefined : this.jobValue(jobPath);
    if (job !== undefined) {
      const text = job === null ? "none" : String(job);
      return this.#parse(setting, text, parse, this.jobOrigin(jobPath!), jobPath!, "job");
    }
    const text = environment === undefined ? undefined : this.#env[environment];
    if (text !== undefined && text !== "")
      return this.#parse(setting, text, parse, `environment ${environment}`, environment!, "environment");
    return null;
  }

  /** As `one`, with a last resort. */
  or<T>(setting: string, places: Places, parse: Parser<T>, otherwise: T): T {
    const given = this.one(setting, places, parse);
    if (given) return given.value;
    this.origins[setting] ??= "default";
    return otherwise;
  }

  /** Lists: a flag is comma separated and repeatable; the job file has real lists, or one text that reads as the flag would. */
  list(setting: string, places: Places, parse: Parser<string[]>): Given<string[]> | null {
    if (places.flag !== undefined && !(Array.isArray(places.flag) && places.flag.length === 0)) {
      const texts = typeof places.flag === "string" ? [places.flag] : (places.flag as readonly string[]);
      const parsed = texts.map((text) => this.#parse(setting, text, parse, `flag ${places.flagName}`, places.flagName, "flag"));
      return { value: parsed.flatMap((part) => part?.value ?? []), origin: `flag ${places.flagName}`, from: "flag" };
    }
    const job = places.jobPath === undefined ? undefined : this.jobValue(places.jobPath);
    if (job === undefined || job === null) return null;
    const origin = this.jobOrigin(places.jobPath!);
    if (!Array.isArray(job)) return this.#parse(setting, String(job), parse, origin, places.jobPath!, "job");
    this.origins[setting] = origin;
    return { value: job.map(String), origin, from: "job" };
  }

  jobValue(jobPath: string): unknown {
    return jobPath
      .split(".")
      .reduce<unknown>((at, key) => (at as Record<string, unknown> | null | undefined)?.[key], this.#job?.job);
  }

  jobOrigin(jobPath: string): Origin {
    const line = this.#job?.lines[jobPath];
    return `job file ${this.#job?.shown}${line === undefined ? "" : ` line ${line}`}`;
  }

  /** @param where the flag, key of the job file or environment variable, as users know it */
  refuse(where: string, from: Given<unknown>["from"], text: string, { is, expected, hints = [] }: Refusal): void {
    const problem: WireError = {
      code: from === "flag" ? "BP_USAGE" : from === "job" ? "BP_JOB_FILE" : "BP_CONFIG",
      message: `${where}: ${JSON.stringify(text)} ${is}`,
      actual: JSON.stringify(text),
    };
    if (from === "job" && this.#job) {
      const line = this.#job.lines[where];
      problem.where = { file: this.#job.shown, ...(line === undefined ? {} : { line }) };
    }
    if (expected !== undefined) problem.expected = expected;
    if (hints.length > 0) problem.hints = hints;
    this.problems.push(problem);
  }

  /** A contradiction between settings that are fine one by one. */
  conflict(message: string, hints: string[], code: WireError["code"] = "BP_CONFIG"): void {
    this.problems.push({ code, message, hints });
  }

  #parse<T>(
    setting: string,
    text: string,
    parse: Parser<T>,
    origin: Origin,
    where: string,
    from: Given<T>["from"],
  ): Given<T> | null {
    const parsed: Parsed<T> = parse(text);
    this.origins[setting] = origin;
    if ("value" in parsed) return { value: parsed.value, origin, from };
    this.refuse(where, from, text, parsed);
    return null;
  }
}
