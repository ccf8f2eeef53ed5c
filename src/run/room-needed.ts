/** How much room a run that met a full disk still needs: an estimate, because only the rows themselves know it. */
import type { PreparedRun } from "./prepare-run.ts";

/** Texts and other values of no fixed width, as short columns of names and codes are. */
const TEXT_BYTES = 16;
const NUMBER_BYTES = 8;
const LIST_ELEMENT_BYTES = 4;

export interface Kept {
  /** Bytes of the temporary output; 0: not to be told apart from what was in the database before. */
  bytes: number;
  /** Of the input's bytes, 0 to 1; null: unknown. */
  share: number | null;
  /** Rows that need not be done again. */
  rows: number;
}

export function roomNeeded(prepared: PreparedRun, kept: Kept | null): string {
  if (kept !== null && kept.bytes > 0 && kept.share !== null && kept.share > 0)
    return `about ${mebibytes((kept.bytes / kept.share) * (1 - kept.share))} more are needed for the rest of the rows`;
  const perRow = bytesPerRow(prepared);
  const { rows, rowsEstimate } = prepared.source.description;
  const { limit } = prepared.resolved.settings;
  const all = rows ?? rowsEstimate;
  if (all === null && limit === null)
    return `about ${perRow} bytes are needed for each row; how many rows there are is known at the end of the input only`;
  const rowsDone = kept?.rows ?? 0;
  const left = Math.max(1, Math.min(all ?? Number.POSITIVE_INFINITY, limit ?? Number.POSITIVE_INFINITY) - rowsDone);
  return `about ${mebibytes(left * perRow)} are needed for ${rowsDone > 0 ? "the other " : ""}${left} row${left === 1 ? "" : "s"}`;
}

function bytesPerRow({ outputs, binding }: PreparedRun): number {
  const predicted = outputs.columns.map(({ type, listSize }) =>
    type === "string" ? TEXT_BYTES : Math.max(NUMBER_BYTES, LIST_ELEMENT_BYTES * listSize),
  );
  const kept = binding.plan.keep.map(({ type }) => (type === "int64" || type === "float64" ? NUMBER_BYTES : TEXT_BYTES));
  return [...predicted, ...kept, outputs.rowColumn === null ? 0 : NUMBER_BYTES].reduce((sum, bytes) => sum + bytes, 0);
}

function mebibytes(bytes: number): string {
  return `${Math.max(1, Math.ceil(bytes / (1 << 20)))} MiB`;
}
