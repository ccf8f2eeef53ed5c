import { Field, type Schema, Vector } from "apache-arrow";
import { type ArrowBody, BatchLoader } from "./arrow-body.ts";
import { DAMAGED_HINTS, refuseArrow } from "./arrow-error.ts";
import type { ArrowMessage } from "./arrow-messages.ts";

/** A dictionary message: the values of a new dictionary, in place of an older one, or (delta) behind those of one that is known. */
export function addDictionary(
  file: string,
  schema: Schema,
  message: ArrowMessage & { kind: "dictionary" },
  body: ArrowBody,
  into: Map<number, Vector>,
): void {
  const { id, isDelta, header } = message;
  const type = schema.dictionaries.get(id);
  if (type === undefined) throw refuseArrow(file, `it holds a dictionary (${id}) that no column uses`, DAMAGED_HINTS);
  const loader = new BatchLoader(file, [new Field(`dictionary ${id}`, type, true)], header, body, into);
  const values = new Vector([loader.column(0, 0, header.rows)]);
  const known = isDelta ? into.get(id) : undefined;
  into.set(id, known === undefined ? values : known.concat(values));
}
