/** What `runs clean` took away, for people. Pure. */
import type { Cleaned } from "../history/clean.ts";
import type { Paint } from "./error-text.ts";
import { formatBytes, formatTable, printable } from "./format.ts";

export function cleanedText(cleaned: Cleaned, paint: Paint): string {
  const { files, tables, records, logs, bytes, kept, dry_run } = cleaned;
  const rows = [
    ...files.map(({ path, bytes: size, run_id }) => [path, formatBytes(size), `run ${run_id}`]),
    ...tables.map(({ database, table, run_id }) => [`table ${table} in ${database}`, "", `run ${run_id}`]),
  ];
  for (const { database, table, run_id } of cleaned.taken_back)
    rows.push([`the rows it had added to table ${table} in ${database}`, "", `run ${run_id}`]);
  const parts = [
    ...(files.length > 0 ? [count(files.length, "file")] : []),
    ...(tables.length > 0 ? [count(tables.length, "table")] : []),
    ...(records > 0 ? [`the history of ${count(records, "run")}`] : []),
    ...(logs > 0 ? [count(logs, "log")] : []),
  ];
  const head =
    parts.length === 0
      ? `${paint("green", "clean")}: nothing is left to remove`
      : `${paint("green", dry_run ? "would remove" : "removed")}: ${parts.join(", ")} (${formatBytes(bytes)})`;
  const lines = kept.map(({ run_id, why }) => `${paint("yellow", "kept")}: run ${run_id}, ${printable(why)}`);
  return [...(rows.length > 0 ? [formatTable(rows, "  ", 400)] : []), head, ...lines].join("\n");
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
