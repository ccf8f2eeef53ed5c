/** The figures that a scheduler shows to monitoring, read from the ledger. */
import fs from "node:fs";
import { createServer, type Server } from "node:http";
import type { Ledger } from "../ledger.ts";
import { TERMINAL_STATES } from "../states.ts";

export function figuresOf(ledger: Ledger, nowMs: number) {
  const seconds = (ms: number | null | undefined): number | null => (ms === null || ms === undefined ? null : ms / 1000);
  const { due, givenUp } = ledger.outboxDepth();
  return {
    jobs: ledger
      .jobs()
      .filter(({ removedMs }) => removedMs === null)
      .map(({ name, pausedMs }) => {
        const last = ledger.history(name, { limit: 1, states: TERMINAL_STATES })[0];
        const success = last?.state === "succeeded" ? last : ledger.history(name, { limit: 1, states: ["succeeded"] })[0];
        const took = last?.startedMs && last.endedMs ? (last.endedMs - last.startedMs) / 1000 : null;
        return {
          job: name,
          lastSuccess: seconds(success?.endedMs),
          lastEnd: seconds(last?.endedMs),
          lastState: last?.state ?? null,
          lastSeconds: took,
          lastRows: last?.rows ?? null,
          paused: pausedMs !== null,
        };
      }),
    active: ledger.active().length,
    outboxDue: due,
    outboxGivenUp: givenUp,
    lastTick: nowMs / 1000,
  };
}

/** Whole or not at all: a collector may read at any moment. */
export function writeTextfile(file: string, text: string): void {
  const temporary = `${file}.tmp`;
  fs.writeFileSync(temporary, text);
  fs.renameSync(temporary, file);
}

/** On loopback only: /metrics, and /healthz for supervisors. */
export function serveFigures(port: number, text: () => string, healthy: () => boolean): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url === "/metrics") {
      response.writeHead(200, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" }).end(text());
    } else if (request.url === "/healthz") {
      response
        .writeHead(healthy() ? 200 : 503, { "Content-Type": "text/plain" })
        .end(healthy() ? "ok\n" : "no tick for a minute\n");
    } else response.writeHead(404, { "Content-Type": "text/plain" }).end("/metrics or /healthz\n");
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
