/** The one seat of a scheduler. Losing it only means to stop claiming: what makes a run unique is the ledger, not the seat. */
import type { SchedulerHolder } from "./ledger.ts";
import type { LedgerChanges } from "./ledger-changes.ts";
import type { Look, ProcessIdentity } from "./run-row.ts";

interface SeatRecord {
  owner: string;
  host: string;
  boot_id: string;
  pid: number;
  pid_start: string;
  since_ms: number;
  lease_until_ms: number;
}

export class SchedulerSeat {
  constructor(private readonly changes: LedgerChanges) {}

  holder(): SchedulerHolder | null {
    const record = this.changes.sql<SeatRecord>("SELECT * FROM scheduler WHERE id = 1").get();
    if (!record) return null;
    const { owner, host, boot_id, pid, pid_start, since_ms, lease_until_ms } = record;
    return {
      owner,
      process: { host, bootId: boot_id, pid, startTime: pid_start },
      sinceMs: since_ms,
      leaseUntilMs: lease_until_ms,
    };
  }

  /** A holder is replaced when its process is gone or its lease is over: a stopped process must not keep the standby waiting. */
  take(owner: string, process: ProcessIdentity, look: Look, nowMs: number, leaseUntilMs: number): SchedulerHolder | null {
    const holder = this.holder();
    if (holder && holder.owner !== owner && holder.leaseUntilMs > nowMs && look(holder.process) !== "dead") return holder;
    this.changes
      .sql(
        `INSERT INTO scheduler (id, owner, host, boot_id, pid, pid_start, since_ms, lease_until_ms)
         VALUES (1, @owner, @host, @bootId, @pid, @startTime, @nowMs, @leaseUntilMs)
         ON CONFLICT (id) DO UPDATE SET owner = @owner, host = @host, boot_id = @bootId, pid = @pid, pid_start = @startTime,
           since_ms = CASE WHEN owner = @owner THEN since_ms ELSE @nowMs END, lease_until_ms = @leaseUntilMs`,
      )
      .run({ owner, ...process, nowMs, leaseUntilMs });
    return null;
  }

  renew(owner: string, leaseUntilMs: number): boolean {
    const sql = "UPDATE scheduler SET lease_until_ms = ? WHERE id = 1 AND owner = ?";
    return this.changes.sql(sql).run(leaseUntilMs, owner).changes === 1;
  }

  release(owner: string): void {
    this.changes.sql("DELETE FROM scheduler WHERE id = 1 AND owner = ?").run(owner);
  }
}
