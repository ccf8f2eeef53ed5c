/** Where a command talks: data to stdout, people's output to stderr. The only holder of the two streams. */
import { styleText } from "node:util";
import type { WireError } from "../core/errors.ts";
import { errorJson } from "../report/error-json.ts";
import { errorText, type Paint } from "../report/error-text.ts";
import { printable } from "../report/format.ts";
import { oneOf } from "./one-of.ts";

export interface CommonFlags {
  json?: boolean;
  quiet?: boolean;
  color?: string;
  stateDir?: string;
  debug?: boolean;
}

export class Terminal {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
  readonly paint: Paint;

  constructor(flags: CommonFlags) {
    this.json = flags.json ?? false;
    this.quiet = flags.quiet ?? false;
    this.debug = flags.debug ?? false;
    const colored = useColor(oneOf(["auto", "always", "never"], "--color", flags.color ?? "auto"));
    this.paint = (style, text) => (colored ? styleText(style, text, { validateStream: false } as never) : text);
  }

  get interactive(): boolean {
    return process.stderr.isTTY === true;
  }

  /** For people; silent under --quiet. */
  say(text: string): void {
    if (!this.quiet) process.stderr.write(`${text}\n`);
  }

  /** What is wrong, also under --quiet. */
  complain(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  notice(text: string): void {
    this.say(`${this.paint("dim", "note:")} ${printable(text)}`);
  }

  warn(text: string): void {
    this.say(`${this.paint("yellow", "warning:")} ${printable(text)}`);
  }

  /** Data: one JSON document, or text that a pipe may read. */
  print(text: string): void {
    process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
  }

  /** Data as it comes, without a line end of ours. */
  write(text: string): void {
    process.stdout.write(text);
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value, jsonSafe, 2));
  }

  /** @returns the exit code */
  fail(error: WireError, document: object | null = null): number {
    if (this.json) this.printJson({ status: "failed", ...document, error: errorJson(error, this.debug) });
    process.stderr.write(`${errorText(error, this.paint, this.debug)}\n`);
    return error.exitCode ?? 2;
  }
}

function useColor(choice: "auto" | "always" | "never"): boolean {
  if (choice !== "auto") return choice === "always";
  return process.stderr.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb";
}

function jsonSafe(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  return typeof value === "number" && !Number.isFinite(value) ? null : value;
}
