/**
 * Protobuf at wire level: fields with their byte ranges, so that what is not understood can be copied through untouched
 * and large payloads are stepped over without a copy. Every field is a view on the given bytes.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { BatchPredictError } from "../core/errors.ts";

export class WireField {
  readonly no: number;
  readonly wireType: WireType;
  /** Tag included: `message.subarray(start, end)` is the field as it stands in the file. */
  readonly start: number;
  readonly end: number;
  private readonly valueStart: number;
  private readonly message: Uint8Array;

  constructor(message: Uint8Array, no: number, wireType: WireType, start: number, valueStart: number, end: number) {
    this.message = message;
    this.no = no;
    this.wireType = wireType;
    this.start = start;
    this.valueStart = valueStart;
    this.end = end;
  }

  /** The field as it stands in the file, tag and length included. */
  get raw(): Uint8Array {
    return this.message.subarray(this.start, this.end);
  }

  /** Payload of a length-delimited field; empty for any other wire type. */
  get bytes(): Uint8Array {
    return this.wireType === WireType.LengthDelimited ? this.message.subarray(this.valueStart, this.end) : EMPTY;
  }

  get text(): string {
    return UTF8.decode(this.bytes);
  }

  /** An int64 or enum as a number (exact up to 2^53); NaN for any other wire type. */
  get int(): number {
    if (this.wireType !== WireType.Varint) return Number.NaN;
    return Number(guarded(this.start, () => new BinaryReader(this.message.subarray(this.valueStart, this.end)).int64()));
  }

  /** The elements of one occurrence of `repeated int64`, packed or not. */
  int64s(): bigint[] {
    if (this.wireType !== WireType.Varint && this.wireType !== WireType.LengthDelimited) return [];
    const values: bigint[] = [];
    const reader = new BinaryReader(this.message.subarray(this.valueStart, this.end));
    while (reader.pos < reader.len) values.push(BigInt(guarded(this.start, () => reader.int64())));
    return values;
  }
}

const EMPTY = new Uint8Array(0);
const UTF8 = new TextDecoder();

/**
 * Fields of one message in file order. Costs one small object per field, never a copy of a payload.
 * @throws BP_MODEL_INVALID with `where.byte` relative to the message: a field that reaches beyond its end, an impossible tag.
 */
export function* wireFields(message: Uint8Array): Generator<WireField> {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [no, wireType] = guarded(start, () => reader.tag());
    let valueStart = reader.pos;
    if (wireType === WireType.LengthDelimited) {
      const length = guarded(start, () => reader.uint32());
      valueStart = reader.pos;
      reader.pos += length;
      if (reader.pos > reader.len) {
        throw new BatchPredictError("BP_MODEL_INVALID", "a protobuf field reaches beyond the end", {
          where: { byte: start },
          expected: `at least ${reader.pos} bytes`,
          actual: `${reader.len} bytes`,
        });
      }
    } else {
      // ONNX has no groups: meeting one means these bytes are something else.
      if (wireType === WireType.StartGroup || wireType === WireType.EndGroup) throw notProtobuf(start);
      guarded(start, () => reader.skip(wireType, no));
    }
    yield new WireField(message, no, wireType, start, valueStart, reader.pos);
  }
}

function guarded<T>(byte: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw notProtobuf(byte, error);
  }
}

function notProtobuf(byte: number, cause?: unknown): BatchPredictError {
  return new BatchPredictError("BP_MODEL_INVALID", "these bytes are not a protobuf message", { where: { byte }, cause });
}

/** The scalar fields of a small message by number; the last one wins, as protobuf demands. */
export function scalars(bytes: Uint8Array): { texts: Map<number, string>; ints: Map<number, number> } {
  const texts = new Map<number, string>();
  const ints = new Map<number, number>();
  for (const field of wireFields(bytes)) {
    const int = field.int;
    if (Number.isNaN(int)) texts.set(field.no, field.text);
    else ints.set(field.no, int);
  }
  return { texts, ints };
}
