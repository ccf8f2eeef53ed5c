import type { KeptColumn } from "../core/binding-plan.ts";
import type { WireError } from "../core/errors.ts";
import { selectColumns } from "../core/select-columns.ts";
import type { RunSettings } from "../core/settings.ts";
import type { SourceColumn } from "../core/source.ts";
import { suggest } from "../core/suggest.ts";

/**
 * Kept columns in input order. Default: those that feed no model input. Key columns are kept whatever else is said,
 * because rows without their key cannot be matched again.
 */
export function planKeep(
  columns: readonly SourceColumn[],
  used: ReadonlySet<string>,
  settings: Pick<RunSettings, "keep" | "key">,
  problems: WireError[],
  notices: string[],
): KeptColumn[] {
  const names = columns.map((column) => column.name);
  let wanted = new Set(names.filter((name) => !used.has(name)));
  if (settings.keep) {
    const selected = selectColumns(settings.keep, names);
    for (const problem of selected.problems) {
      problems.push({ code: "BP_BINDING", message: `--keep: ${problem.message}`, hints: problem.hints });
    }
    wanted = new Set(selected.names);
  }
  for (const key of settings.key) {
    if (wanted.has(key)) continue;
    if (!names.includes(key)) {
      const near = suggest(key, names).map((name) => `did you mean "${name}"?`);
      problems.push({
        code: "BP_BINDING",
        message: `--key: no column "${key}"`,
        hints: [...near, "name key columns one by one"],
      });
      continue;
    }
    wanted.add(key);
    if (settings.keep) notices.push(`key column "${key}" is kept too`);
  }
  return columns
    .filter((column) => wanted.has(column.name))
    .map((column) => ({ name: column.name, column: column.name, index: column.index, type: column.keptType }));
}
