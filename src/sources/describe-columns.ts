/** The columns of a typed format, by names that bindings and outputs can go by. */
import type { Schema } from "apache-arrow";
import { BatchPredictError } from "../core/errors.ts";
import type { SourceColumn } from "../core/source.ts";
import { describeArrowColumn } from "../values/arrow-columns.ts";

/**
 * The columns of a schema; one without a name is called `c<index>`, as in CSV.
 * @throws BP_SOURCE_SCHEMA when two columns have one name: bindings and outputs go by names
 */
export function describeColumns(schema: Schema, path: string): SourceColumn[] {
  const columns = schema.fields.map((field, index) => {
    const column = describeArrowColumn(field, index);
    return column.name ? column : { ...column, name: `c${index}` };
  });
  const first = new Map<string, number>();
  for (const { name, index } of columns) {
    const before = first.get(name);
    if (before === undefined) {
      first.set(name, index);
      continue;
    }
    throw new BatchPredictError(
      "BP_SOURCE_SCHEMA",
      `${path} names two columns "${name}" (columns ${before + 1} and ${index + 1})`,
      {
        where: { file: path, column: name, columnIndex: index + 1 },
        expected: "different names",
        hints: ["rename one of the columns in the file"],
      },
    );
  }
  return columns;
}
