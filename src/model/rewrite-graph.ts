/** Editing a ModelProto field by field: what the edit does not touch is copied byte by byte, known to us or not. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { MODEL } from "./model-proto.ts";
import { type WireField, wireFields } from "./wire-fields.ts";

/**
 * Costs one copy of the model.
 * @param edit what a field of the graph becomes: `[field.raw]` keeps it, `[]` drops it
 */
export function rewriteGraph(bytes: Uint8Array, edit: (field: WireField) => Uint8Array[]): Uint8Array<ArrayBuffer> {
  return concat(
    [...wireFields(bytes)].flatMap((field) => {
      if (field.no !== MODEL.graph) return [field.raw];
      return lengthDelimited(MODEL.graph, [...wireFields(field.bytes)].flatMap(edit));
    }),
  );
}

export function lengthDelimited(no: number, parts: readonly Uint8Array[]): Uint8Array[] {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return [new BinaryWriter().tag(no, WireType.LengthDelimited).uint32(length).finish(), ...parts];
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}
