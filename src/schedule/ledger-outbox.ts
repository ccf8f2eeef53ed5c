/** Events that wait to be told: written with the change they tell of, kept until a delivery is confirmed. At least once. */
import type { LedgerChanges } from "./ledger-changes.ts";
import { type OutboxRecord, toOutboxEntry } from "./ledger-rows.ts";
import type { OutboxEntry } from "./run-row.ts";

export class Outbox {
  constructor(private readonly changes: LedgerChanges) {}

  due(nowMs: number, limit: number): OutboxEntry[] {
    const sql =
      "SELECT * FROM outbox WHERE delivered_ms IS NULL AND due_ms IS NOT NULL AND due_ms <= ? ORDER BY due_ms, id LIMIT ?";
    return this.changes.sql<OutboxRecord>(sql).all(nowMs, limit).map(toOutboxEntry);
  }

  delivered(id: number, nowMs: number): void {
    this.changes.sql("UPDATE outbox SET delivered_ms = ?, attempts = attempts + 1 WHERE id = ?").run(nowMs, id);
  }

  postpone(id: number, dueMs: number | null, error: string): void {
    const sql = "UPDATE outbox SET due_ms = ?, attempts = attempts + 1, last_error = ? WHERE id = ? AND delivered_ms IS NULL";
    this.changes.sql(sql).run(dueMs, error, id);
  }

  depth(): { due: number; givenUp: number } {
    const sql = `SELECT COUNT(*) FILTER (WHERE due_ms IS NOT NULL) AS due, COUNT(*) FILTER (WHERE due_ms IS NULL) AS givenUp
                 FROM outbox WHERE delivered_ms IS NULL`;
    return this.changes.sql<{ due: number; givenUp: number }>(sql).get()!;
  }
}
