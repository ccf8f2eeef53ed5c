/** What a run that will not be gone on with has left in a database is taken out again: its rows, and its own tables. */
import type Database from "better-sqlite3";
import { loadCheckpoint } from "./checkpoint-table.ts";
import { nameList, quoteName } from "./identifiers.ts";
import type { LiveState } from "./live-table.ts";
import { type StagingNames, stagingNames } from "./staging.ts";
import { numberedBy, objectKind } from "./tables.ts";

/**
 * Inside a transaction of the caller: afterwards the database is as if the run had never been. Values that another program has
 * changed meanwhile in rows that the run renewed go back too: which of both came last cannot be known.
 */
export function takeBack(db: Database.Database, runId: string): void {
  const names = stagingNames(runId);
  const live = loadCheckpoint(db, names.checkpoint)?.live ?? null;
  if (live !== null) takeRowsOut(db, live, names);
  for (const table of Object.values(names)) db.exec(`DROP TABLE IF EXISTS ${quoteName(table)}`);
}

function takeRowsOut(db: Database.Database, live: LiveState, { undo }: StagingNames): void {
  const { runId, rejectsTable, made } = live;
  // A table that somebody dropped meanwhile has nothing to take out.
  if (objectKind(db, live.table) === "table") {
    if (live.ranges === null) restoreNoted(db, live, quoteName(undo));
    else deleteRanges(db, live, live.ranges);
    if (made.index !== null) db.exec(`DROP INDEX IF EXISTS ${quoteName(made.index)}`);
  }
  if (rejectsTable === null || objectKind(db, rejectsTable) !== "table") return;
  db.prepare(`DELETE FROM ${quoteName(rejectsTable)} WHERE run_id = ?`).run(runId);
  const rest = db.prepare(`SELECT 1 FROM ${quoteName(rejectsTable)} LIMIT 1`).get();
  if (made.rejects && rest === undefined) db.exec(`DROP TABLE ${quoteName(rejectsTable)}`);
}

function deleteRanges(db: Database.Database, { table }: LiveState, ranges: [string, string][]): void {
  const rowid = numberedBy(db, table, []);
  if (rowid === null) return;
  const remove = db.prepare(`DELETE FROM ${quoteName(table)} WHERE ${rowid} BETWEEN ? AND ?`);
  for (const [first, last] of ranges) remove.run(BigInt(first), BigInt(last));
}

function restoreNoted(db: Database.Database, { table, identity, renewed }: LiveState, undo: string): void {
  const target = quoteName(table);
  const keys = identity.map((_, at) => `k${at}`).join(", ");
  db.exec(`DELETE FROM ${target} WHERE (${nameList(identity)}) IN (SELECT ${keys} FROM ${undo} WHERE existed = 0)`);
  if (renewed.length === 0) return;
  const sets = renewed.map((name, at) => `${quoteName(name)} = noted.v${at}`).join(", ");
  const same = identity.map((name, at) => `${target}.${quoteName(name)} = noted.k${at}`).join(" AND ");
  db.exec(`UPDATE ${target} SET ${sets} FROM ${undo} AS noted WHERE noted.existed = 1 AND ${same}`);
}
