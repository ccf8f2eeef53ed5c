/**
 * One message to one address. Secrets are looked up here, at the last moment, and nowhere else: neither an address nor a header
 * ever reaches the ledger, a log or an error message.
 */
import type { Job } from "../../config/job-schema.ts";
import type { NotifyEvent } from "../definition.ts";

type SecretOrText = string | { secret: string };

/** Where a message goes, as the job file says it: secrets by name. */
export type NotifyTarget =
  | { kind: "webhook"; url: SecretOrText; headers: Record<string, SecretOrText> }
  | { kind: "healthcheck"; url: SecretOrText };

export interface NotifyMessage {
  event: NotifyEvent;
  job: string;
  run_id: string | null;
  run_key: string | null;
  /** YYYY-MM-DD. */
  logical_date: string | null;
  reason: string | null;
  rows: { read: number; predicted: number; rejected: number } | null;
  attempt: number | null;
  /** One sentence for people; chat tools show the key `text`. */
  text: string;
  /** ISO instant of the event. */
  at: string;
}

export type Delivery =
  | { ok: true; status: number }
  /** `retry`: the other side may answer later. `detail` holds no address. */
  | { ok: false; retry: boolean; detail: string };

export interface DeliverOptions {
  env: Readonly<Record<string, string | undefined>>;
  /** The same for every attempt at this message: the other side drops what it has seen. */
  idempotencyKey: string;
  timeoutMs: number;
  userAgent: string;
}

/** The other side has this long to answer before the attempt counts as failed. */
export const DELIVERY_TIMEOUT_MS = 10_000;

/** @param index position in `notify`, as the outbox keeps it; null: the job file has no such entry any more */
export function targetAt(notify: Job["notify"], index: number): NotifyTarget | null {
  const { webhook, healthcheck } = notify?.[index] ?? {};
  if (webhook) return { kind: "webhook", url: webhook.url, headers: webhook.headers ?? {} };
  return healthcheck ? { kind: "healthcheck", url: healthcheck.url } : null;
}

/** Never throws. */
export async function deliver(target: NotifyTarget, message: NotifyMessage, options: DeliverOptions): Promise<Delivery> {
  const url = lookUp(target.url, options.env);
  if (url === null) return { ok: false, retry: true, detail: unset(target.url) };
  const headers: Record<string, string> = { "User-Agent": options.userAgent, "Idempotency-Key": options.idempotencyKey };
  for (const [name, given] of Object.entries(target.kind === "webhook" ? target.headers : {})) {
    const value = lookUp(given, options.env);
    if (value === null) return { ok: false, retry: true, detail: unset(given) };
    headers[name] = value;
  }
  try {
    const address = new URL(target.kind === "healthcheck" ? pingAddress(url, message.event) : url);
    const [type, body] =
      target.kind === "healthcheck" ? ["text/plain; charset=utf-8", message.text] : ["application/json", JSON.stringify(message)];
    const response = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": type, ...headers },
      body,
      // Headers may hold secrets that are meant for this address only.
      redirect: "manual",
      signal: AbortSignal.timeout(options.timeoutMs),
    });
    await response.body?.cancel();
    if (response.ok) return { ok: true, status: response.status };
    const retry = response.status >= 500 || [408, 425, 429].includes(response.status);
    return { ok: false, retry, detail: `answered ${response.status}` };
  } catch (error) {
    return failure(error);
  }
}

/** healthchecks.io and its relatives: /start, /fail, /log for what is neither, and the bare address for success. */
function pingAddress(url: string, event: NotifyEvent): string {
  const bare = url.replace(/\/+$/, "");
  if (event === "started") return `${bare}/start`;
  if (event === "skipped" || event === "cancelled") return `${bare}/log`;
  return event === "succeeded" ? bare : `${bare}/fail`;
}

function lookUp(given: SecretOrText, env: DeliverOptions["env"]): string | null {
  if (typeof given === "string") return given;
  return env[given.secret] || null;
}

function unset(given: SecretOrText): string {
  return `the secret ${typeof given === "string" ? "" : given.secret} is not set in the environment`;
}

/** The words of fetch may quote the address, so only codes are told. */
function failure(error: unknown): Delivery {
  if (error instanceof Error && error.name === "TimeoutError")
    return { ok: false, retry: true, detail: "gave no answer in time" };
  const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
  const code = cause?.code ?? (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === "ERR_INVALID_URL") return { ok: false, retry: false, detail: "the address is no URL" };
  return { ok: false, retry: true, detail: `could not be reached${code === undefined ? "" : ` (${code})`}` };
}
