/** What a run has left beside its output: asked about, and removed. A living run's are never touched: taking its journal over is the lock. */
import fs from "node:fs";
import path from "node:path";
import type { SinkFormat } from "../core/sink.ts";
import { Journal, type JournalContent, type JournalFile, journalPrefix, journalsOf, readJournal } from "./journal.ts";
import { ignoring, labelOf, resolveLinks, runTag } from "./partial-file.ts";
import { ownerAlive } from "./process-owner.ts";

export interface OutputPlace {
  /** Absolute. */
  path: string;
  format: SinkFormat;
  /** null: not a database. */
  table: string | null;
}

export interface Leftovers {
  /** What says that the run can be gone on with. */
  journal: JournalFile | null;
  /** A process is at it. */
  alive: boolean;
  content: JournalContent | null;
  /** Journal and temporary files that are there. */
  files: { path: string; bytes: number }[];
}

/** Never throws: what cannot be looked at counts as not there. Cost: one listing of the output's folder. */
export function leftoversOf(place: OutputPlace, runId: string): Leftovers {
  const found: Leftovers = { journal: null, alive: false, content: null, files: [] };
  ignoring(() => {
    const finalPath = resolveLinks(place.path);
    const journal = journalsOf(journalPrefix(finalPath, place.table)).find((each) => each.runTag === runTag(runId)) ?? null;
    if (journal !== null) {
      found.journal = journal;
      found.alive = ownerAlive(journal.owner, journal.mtimeMs);
      ignoring(() => {
        found.content = readJournal(journal.file);
      });
    }
    found.files = filesOf(finalPath, runId, found);
  });
  return found;
}

function filesOf(finalPath: string, runId: string, { journal, content }: Leftovers): Leftovers["files"] {
  const header = content?.header ?? null;
  const temp = path.join(path.dirname(finalPath), `.${labelOf(finalPath)}.${runTag(runId)}.partial`);
  const names = [
    temp,
    `${temp}-journal`,
    ...(header?.rejects ? [header.rejects.tempPath] : []),
    ...(journal ? [journal.file] : []),
  ];
  return names.flatMap((file) => {
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    return stat ? [{ path: file, bytes: stat.size }] : [];
  });
}

/** Rows that are committed; null: unknown. Opens the database where the output is one. */
export async function committedRows(place: OutputPlace, { content }: Leftovers): Promise<number | null> {
  if (content === null || content.header === null) return content === null ? null : 0;
  if (place.format !== "sqlite") return content.commits.at(-1)?.checkpoint.totals.read ?? 0;
  try {
    const { DATABASE_RUNS } = await import("./sqlite/checkpoint-table.ts");
    return DATABASE_RUNS.checkpoint({ ...content, header: content.header })?.totals.read ?? 0;
  } catch {
    return null;
  }
}

export interface Dropped {
  files: { path: string; bytes: number }[];
  /** The run's own tables in the database. */
  tables: string[];
  /** Table whose rows of the unfinished run are taken back; null: none. */
  rowsIn: string | null;
  /** Another process has the run now; nothing was removed. */
  busy: boolean;
}

/**
 * Removes everything: the output is as if the run had never been.
 * @param act false: only says what it would remove
 * @throws BP_OUTPUT_BUSY when the database is locked
 */
export async function dropLeftovers(place: OutputPlace, runId: string, act: boolean): Promise<Dropped> {
  const { journal, alive, files } = leftoversOf(place, runId);
  if (alive) return { files: [], tables: [], rowsIn: null, busy: true };
  const prefix = journalPrefix(resolveLinks(place.path), place.table);
  const taken = act && journal !== null ? Journal.takeOver(journal.file, prefix, runId) : null;
  if (act && journal !== null && taken === null) return { files: [], tables: [], rowsIn: null, busy: true };
  try {
    const inDatabase = place.format === "sqlite" ? await leftIn(place.path, runId, act) : { tables: [], rowsIn: null };
    // Data first: files without their journal would belong to nobody.
    if (act) for (const file of files) if (file.path !== journal?.file) fs.rmSync(file.path, { force: true });
    taken?.remove();
    return { files, ...inDatabase, busy: false };
  } catch (error) {
    taken?.disown();
    throw error;
  }
}

async function leftIn(database: string, runId: string, act: boolean): Promise<Pick<Dropped, "tables" | "rowsIn">> {
  if (!fs.existsSync(database)) return { tables: [], rowsIn: null };
  const { leftInDatabase } = await import("./sqlite/staging-leftovers.ts");
  return leftInDatabase(database, runId, act);
}
