/** One cell of an Arrow column as a value to compare: numbers exact, lists flattened. */
import { type Data, Type } from "apache-arrow";
import { flattenLists } from "../values/arrow-lists.ts";
import { exactInteger, numberKind, readDoubles } from "../values/arrow-numbers.ts";
import { textReader } from "../values/arrow-text.ts";

/** bigint for 64-bit integers; null for a missing value. What is neither number, text, boolean nor list comes as text. */
export type Cell = number | bigint | string | boolean | null | Cell[];

/** @param data plain: no dictionary */
export function cellReader(data: Data): (row: number) => Cell {
  const kind = numberKind(data);
  if (kind === "null") return () => null;
  if (kind === "bigInteger") return (row) => (data.getValid(row) ? exactInteger(data, row) : null);
  if (kind !== null) {
    const one = new Float64Array(1);
    return (row) => {
      if (!data.getValid(row)) return null;
      readDoubles(data, row, row + 1, one);
      return kind === "bool" ? one[0] === 1 : one[0]!;
    };
  }
  const { typeId } = data.type;
  if (typeId === Type.List || typeId === Type.LargeList || typeId === Type.FixedSizeList) {
    return (row) => {
      if (!data.getValid(row)) return null;
      const { leaf, starts, ends } = flattenLists(data, row, row + 1);
      const read = cellReader(leaf);
      return Array.from({ length: ends[0]! - starts[0]! }, (_, at) => read(starts[0]! + at));
    };
  }
  return textReader(data);
}
