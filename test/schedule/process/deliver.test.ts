/** Messages to real servers on loopback: what counts as delivered, what is tried again, and that no secret shows. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { deliver, type NotifyMessage, type NotifyTarget, targetAt } from "../../../src/schedule/process/deliver.ts";

const MESSAGE: NotifyMessage = {
  event: "failed",
  job: "nightly",
  run_id: "run-1",
  run_key: "2026-11-21",
  logical_date: "2026-11-21",
  reason: "exit_1",
  rows: null,
  attempt: 1,
  text: "nightly failed",
  at: "2026-11-21T02:31:00.000Z",
};

interface Seen {
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
}

let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = null;
});

/** @param answer status, or null: never answers */
async function listen(answer: (at: number) => number | null): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => {
      seen.push({ url: request.url ?? "", headers: request.headers, body });
      const status = answer(seen.length);
      if (status === null) return;
      response.writeHead(status, status === 302 ? { Location: "/elsewhere" } : {}).end("x".repeat(100_000));
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const options = (env: Record<string, string> = {}, timeoutMs = 10_000) => ({
  env,
  idempotencyKey: "key-1",
  timeoutMs,
  userAgent: "batchpredict/test",
});

describe("a webhook", () => {
  it("gets the message as JSON, with its idempotency key and headers whose secrets come from the environment", async () => {
    const { url, seen } = await listen(() => 204);
    const target: NotifyTarget = {
      kind: "webhook",
      url: { secret: "HOOK" },
      headers: { Authorization: { secret: "TOKEN" }, "X-Team": "ml" },
    };
    expect(await deliver(target, MESSAGE, options({ HOOK: `${url}/in`, TOKEN: "Bearer s3cret" }))).toEqual({
      ok: true,
      status: 204,
    });
    expect(seen).toHaveLength(1);
    expect(seen[0]!.url).toBe("/in");
    expect(JSON.parse(seen[0]!.body)).toEqual(MESSAGE);
    expect(seen[0]!.headers).toMatchObject({ "idempotency-key": "key-1", authorization: "Bearer s3cret", "x-team": "ml" });
  });

  it.each([
    [500, true],
    [503, true],
    [429, true],
    [408, true],
    [404, false],
    [401, false],
    [302, false],
  ])("that answers %i is tried again: %s", async (status, retry) => {
    const { url, seen } = await listen(() => status);
    const outcome = await deliver({ kind: "webhook", url: `${url}/s3cret-path`, headers: {} }, MESSAGE, options());
    expect(outcome).toEqual({ ok: false, retry, detail: `answered ${status}` });
    expect(seen).toHaveLength(1);
  });

  it("that hangs is given up in time and tried again", async () => {
    const { url, seen } = await listen(() => null);
    const outcome = await deliver({ kind: "webhook", url, headers: {} }, MESSAGE, options({}, 2_000));
    expect(outcome).toEqual({ ok: false, retry: true, detail: "gave no answer in time" });
    expect(seen).toHaveLength(1);
  });

  it("that cannot be reached is named by the reason, never by its address", async () => {
    const { url } = await listen(() => 200);
    await new Promise<void>((resolve) => server!.close(() => resolve()));
    const outcome = await deliver({ kind: "webhook", url: `${url}/s3cret`, headers: {} }, MESSAGE, options());
    expect(outcome).toEqual({ ok: false, retry: true, detail: "could not be reached (ECONNREFUSED)" });
    const nonsense = await deliver(
      { kind: "webhook", url: { secret: "HOOK" }, headers: {} },
      MESSAGE,
      options({ HOOK: "s3cret no url" }),
    );
    expect(nonsense).toEqual({ ok: false, retry: false, detail: "the address is no URL" });
  });

  it("whose secret is not set names the secret", async () => {
    const outcome = await deliver({ kind: "webhook", url: { secret: "HOOK" }, headers: {} }, MESSAGE, options());
    expect(outcome).toEqual({ ok: false, retry: true, detail: "the secret HOOK is not set in the environment" });
  });
});

describe("a healthcheck", () => {
  it("is pinged at the address of the event", async () => {
    const { url, seen } = await listen(() => 200);
    for (const event of ["started", "succeeded", "failed", "missed", "skipped"] as const) {
      await deliver({ kind: "healthcheck", url: `${url}/uuid/` }, { ...MESSAGE, event }, options());
    }
    expect(seen.map((one) => one.url)).toEqual(["/uuid/start", "/uuid", "/uuid/fail", "/uuid/fail", "/uuid/log"]);
  });
});

describe("targetAt", () => {
  it("gives the target of an entry, secrets by name", () => {
    const notify = [
      { on: ["failed", "missed"], webhook: { url: { secret: "HOOK" } } },
      { on: ["succeeded"], healthcheck: { url: "https://hc.example/uuid" } },
    ] as never;
    expect(targetAt(notify, 0)).toEqual({ kind: "webhook", url: { secret: "HOOK" }, headers: {} });
    expect(targetAt(notify, 1)).toEqual({ kind: "healthcheck", url: "https://hc.example/uuid" });
    expect(targetAt(notify, 2)).toBeNull();
    expect(targetAt(undefined, 0)).toBeNull();
  });
});
