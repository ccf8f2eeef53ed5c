/** The folder of records, read and kept small. */
import fs from "node:fs";
import path from "node:path";
import { parseRecord, type RunRecordFile, recordsFolder } from "./record.ts";

/** Newest runs that are kept without being asked; some 2 KB each. */
export const KEPT_RUNS = 1000;

const NAME = /^([\w-]+)\.jsonl$/;

/** Oldest first: ids are sortable by time (UUIDv7). */
export function recordIds(stateDir: string): string[] {
  let names: string[];
  try {
    names = fs.readdirSync(recordsFolder(stateDir));
  } catch {
    return [];
  }
  return names.flatMap((name) => NAME.exec(name)?.[1] ?? []).sort();
}

/** @param id one of `recordIds`, never a user's text; null: gone meanwhile, or nothing in it is ours */
export function readRecord(stateDir: string, id: string): RunRecordFile | null {
  const file = recordFile(stateDir, id);
  try {
    return parseRecord(id, fs.readFileSync(file, "utf8"), fs.statSync(file).mtimeMs);
  } catch {
    return null;
  }
}

export function removeRecord(stateDir: string, id: string): number {
  const file = recordFile(stateDir, id);
  const bytes = fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  fs.rmSync(file, { force: true });
  return bytes;
}

/** Forgets the oldest runs beyond `keep` of which nothing else is left. Cost: one listing, and a look at those beyond. */
export function forgetOldest(stateDir: string, isDone: (record: RunRecordFile) => boolean, keep = KEPT_RUNS): void {
  const ids = recordIds(stateDir);
  for (const id of ids.slice(0, Math.max(0, ids.length - keep))) {
    const record = readRecord(stateDir, id);
    if (record === null || isDone(record)) removeRecord(stateDir, id);
  }
}

export function recordFile(stateDir: string, id: string): string {
  return path.join(recordsFolder(stateDir), `${id}.jsonl`);
}
