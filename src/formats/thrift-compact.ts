/**
 * Thrift compact protocol as a lossless tree: what was decoded encodes to the same bytes again, also fields nobody here knows.
 * Source: Apache Thrift, doc/specs/thrift-compact-protocol.md. Written for Parquet footers, where a field we drop by
 * ignorance would be data lost.
 *
 * Hostile input: depth, counts and lengths are checked against the bytes that are left before anything is allocated, and the
 * number of decoded values is bounded, because a one-byte value costs about 100 bytes of heap.
 */
import { BatchPredictError } from "../core/errors.ts";

/** Type codes of the protocol. A struct's booleans carry their value in the code (1 true, 2 false). */
export const Thrift = {
  True: 1,
  False: 2,
  I8: 3,
  I16: 4,
  I32: 5,
  I64: 6,
  Double: 7,
  Binary: 8,
  List: 9,
  Set: 10,
  Map: 11,
  Struct: 12,
  Uuid: 13,
} as const;

export type ThriftStruct = Map<number, ThriftValue>;

export type ThriftValue =
  /** `byte`: only inside lists and maps, where writers disagree whether false is 0 or 2. */
  | { type: 1; value: boolean; byte?: number }
  | { type: 3 | 4 | 5; value: number }
  | { type: 6; value: bigint }
  /** 7: the 8 bytes of the double, little-endian, because a number would not keep the bits of every NaN. */
  | { type: 7 | 8 | 13; value: Uint8Array }
  /** `of`: element type code as read. */
  | { type: 9 | 10; of: number; value: ThriftValue[] }
  /** Elements left encoded, see DecodeOptions.rawLists. */
  | { type: 9; of: number; raw: Uint8Array[] }
  | { type: 11; keys: number; values: number; value: [ThriftValue, ThriftValue][] }
  | { type: 12; value: ThriftStruct };

export interface DecodeOptions {
  /** Ids of list fields of the outermost struct whose elements stay encoded: a footer with a million column chunks is then cheap. */
  rawLists?: readonly number[];
  /** Values decoded at most; more is refused as corrupt. */
  maxValues?: number;
}

const MAX_DEPTH = 64;
const DEFAULT_MAX_VALUES = 4_000_000;

/**
 * @returns the struct at the start of `bytes`, and its length in bytes
 * @throws BP_INPUT_FORMAT; where.byte is the offset in `bytes`
 */
export function decodeStruct(bytes: Uint8Array, options: DecodeOptions = {}): { struct: ThriftStruct; length: number } {
  // Slices of a Buffer cost several times those of a plain array.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new Decoder(plain, options.maxValues ?? DEFAULT_MAX_VALUES);
  const struct = decoder.struct(0, options.rawLists ?? []);
  return { struct, length: decoder.position };
}

class Decoder {
  position = 0;
  constructor(
    private readonly bytes: Uint8Array,
    private valuesLeft: number,
  ) {}

  struct(depth: number, rawLists: readonly number[]): ThriftStruct {
    const fields: ThriftStruct = new Map();
    for (let id = 0; ; ) {
      const header = this.byte();
      if (header === 0) return fields;
      id = this.fieldId(header, id);
      if (fields.has(id)) this.fail(`field ${id} is given twice`);
      const type = header & 15;
      const raw = type === Thrift.List && rawLists.includes(id);
      fields.set(id, raw ? this.rawList(depth + 1) : this.value(type, depth + 1, false));
    }
  }

  /** Moves behind a value; allocates nothing. */
  private skip(type: number, depth: number, inContainer: boolean): void {
    if (depth > MAX_DEPTH) this.fail("structs are nested too deep");
    switch (type) {
      case Thrift.True:
      case Thrift.False:
        if (inContainer) this.advance(1);
        return;
      case Thrift.I8:
        this.advance(1);
        return;
      case Thrift.I16:
      case Thrift.I32:
      case Thrift.I64:
        for (let i = 0; this.byte() > 127; i++) if (i === 9) this.fail("a number is longer than 10 bytes");
        return;
      case Thrift.Double:
        this.advance(8);
        return;
      case Thrift.Binary:
        this.advance(this.size(1));
        return;
      case Thrift.Uuid:
        this.advance(16);
        return;
      case Thrift.List:
      case Thrift.Set: {
        const { of, size } = this.listHeader();
        for (let i = 0; i < size; i++) this.skip(of, depth + 1, true);
        return;
      }
      case Thrift.Map: {
        const { keys, values, size } = this.mapHeader();
        for (let i = 0; i < size; i++) {
          this.skip(keys, depth + 1, true);
          this.skip(values, depth + 1, true);
        }
        return;
      }
      case Thrift.Struct:
        for (let header = this.byte(); header !== 0; header = this.byte()) {
          if (header >> 4 === 0) this.skip(Thrift.I16, depth + 1, true);
          this.skip(header & 15, depth + 1, false);
        }
        return;
      default:
        this.fail(`${type} is not a type`);
    }
  }

  private value(type: number, depth: number, inContainer: boolean): ThriftValue {
    if (depth > MAX_DEPTH) this.fail("structs are nested too deep");
    if (--this.valuesLeft < 0) this.fail("it holds more values than any real file");
    switch (type) {
      case Thrift.True:
      case Thrift.False: {
        if (!inContainer) return { type: 1, value: type === Thrift.True };
        const byte = this.byte();
        return { type: 1, value: byte === 1, byte };
      }
      case Thrift.I8:
        return { type, value: (this.byte() << 24) >> 24 };
      case Thrift.I16:
      case Thrift.I32: {
        const value = this.zigzag();
        const limit = type === Thrift.I16 ? 0x8000 : 0x80000000;
        if (value < -limit || value >= limit) this.fail("a number is too large for its type");
        return { type, value: Number(value) };
      }
      case Thrift.I64:
        return { type, value: this.zigzag() };
      case Thrift.Double:
        return { type, value: this.take(8) };
      case Thrift.Uuid:
        return { type, value: this.take(16) };
      case Thrift.Binary:
        return { type, value: this.take(this.size(1)) };
      case Thrift.List:
      case Thrift.Set: {
        const { of, size } = this.listHeader();
        const value: ThriftValue[] = [];
        for (let i = 0; i < size; i++) value.push(this.value(of, depth + 1, true));
        return { type, of, value };
      }
      case Thrift.Map: {
        const { keys, values, size } = this.mapHeader();
        const value: [ThriftValue, ThriftValue][] = [];
        for (let i = 0; i < size; i++) value.push([this.value(keys, depth + 1, true), this.value(values, depth + 1, true)]);
        return { type, keys, values, value };
      }
      case Thrift.Struct:
        return { type, value: this.struct(depth, []) };
      default:
        return this.fail(`${type} is not a type`);
    }
  }

  private rawList(depth: number): ThriftValue {
    const { of, size } = this.listHeader();
    const raw: Uint8Array[] = [];
    for (let i = 0; i < size; i++) {
      const start = this.position;
      this.skip(of, depth + 1, true);
      raw.push(this.bytes.subarray(start, this.position));
    }
    return { type: Thrift.List, of, raw };
  }

  private fieldId(header: number, previous: number): number {
    const id = header >> 4 === 0 ? Number(this.zigzag()) : previous + (header >> 4);
    if (id < -0x8000 || id > 0x7fff) this.fail(`${id} is not a field`);
    return id;
  }

  private listHeader(): { of: number; size: number } {
    const header = this.byte();
    const of = header & 15;
    // The shortest element is one byte: false, a small number, an empty text, an empty struct.
    const size = header >> 4 === 15 ? this.size(1) : header >> 4;
    if (size > this.bytes.length - this.position) this.fail("a list is longer than the rest");
    return { of, size };
  }

  private mapHeader(): { keys: number; values: number; size: number } {
    const size = this.size(2);
    const types = size === 0 ? 0 : this.byte();
    return { keys: types >> 4, values: types & 15, size };
  }

  /** A count or length, checked against the rest. Not by `varint`: a bigint per text makes a large footer three times as slow. */
  private size(bytesEach: number): number {
    let size = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      size += (byte & 127) * factor;
      if (size * bytesEach > this.bytes.length) this.fail("a length goes beyond the end");
      if (byte < 128) break;
      if (factor > 2 ** 56) this.fail("a number is longer than 10 bytes");
    }
    if (size * bytesEach > this.bytes.length - this.position) this.fail("a length goes beyond the end");
    return size;
  }

  private zigzag(): bigint {
    const value = this.varint();
    return (value >> 1n) ^ -(value & 1n);
  }

  private varint(): bigint {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      low |= (byte & 127) << shift;
      if (byte < 128) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    return this.fail("a number is longer than 10 bytes");
  }

  private byte(): number {
    if (this.position >= this.bytes.length) this.fail("it ends in the middle");
    return this.bytes[this.position++]!;
  }

  private advance(length: number): void {
    if (length > this.bytes.length - this.position) this.fail("it ends in the middle");
    this.position += length;
  }

  private take(length: number): Uint8Array {
    this.advance(length);
    return this.bytes.subarray(this.position - length, this.position);
  }

  private fail(why: string): never {
    throw new BatchPredictError("BP_INPUT_FORMAT", `the Parquet metadata is corrupt: ${why}`, { where: { byte: this.position } });
  }
}

/** The inverse of `decodeStruct`: shortest forms, fields in the order of the map. */
export function encodeStruct(struct: ThriftStruct): Uint8Array {
  const encoder = new Encoder();
  encoder.struct(struct);
  return encoder.bytes();
}

class Encoder {
  private buffer = new Uint8Array(1024);
  private length = 0;

  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  struct(fields: ThriftStruct): void {
    let previous = 0;
    for (const [id, field] of fields) {
      const type = field.type === Thrift.True && !field.value ? Thrift.False : field.type;
      const delta = id - previous;
      if (delta > 0 && delta < 16) this.byte((delta << 4) | type);
      else {
        this.byte(type);
        this.zigzag(BigInt(id));
      }
      previous = id;
      if (field.type !== Thrift.True) this.value(field);
    }
    this.byte(0);
  }

  private value(value: ThriftValue): void {
    switch (value.type) {
      case Thrift.True:
        this.byte(value.byte ?? (value.value ? 1 : 2));
        return;
      case Thrift.I8:
        this.byte(value.value & 255);
        return;
      case Thrift.I16:
      case Thrift.I32:
        this.zigzag(BigInt(value.value));
        return;
      case Thrift.I64:
        this.zigzag(value.value);
        return;
      case Thrift.Double:
      case Thrift.Uuid:
        this.append(value.value);
        return;
      case Thrift.Binary:
        this.varint(BigInt(value.value.length));
        this.append(value.value);
        return;
      case Thrift.List:
      case Thrift.Set:
        this.list(value);
        return;
      case Thrift.Map:
        this.varint(BigInt(value.value.length));
        if (value.value.length > 0) this.byte((value.keys << 4) | value.values);
        for (const pair of value.value) for (const part of pair) this.value(part);
        return;
      case Thrift.Struct:
        this.struct(value.value);
    }
  }

  private list(list: Extract<ThriftValue, { of: number }>): void {
    const size = "raw" in list ? list.raw.length : list.value.length;
    if (size < 15) this.byte((size << 4) | list.of);
    else {
      this.byte(0xf0 | list.of);
      this.varint(BigInt(size));
    }
    if ("raw" in list) for (const element of list.raw) this.append(element);
    else for (const element of list.value) this.value(element);
  }

  private zigzag(value: bigint): void {
    this.varint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));
  }

  private varint(value: bigint): void {
    let rest = value;
    for (; rest > 127n; rest >>= 7n) this.byte(Number(rest & 127n) | 128);
    this.byte(Number(rest));
  }

  private byte(value: number): void {
    if (this.length === this.buffer.length) this.grow(1);
    this.buffer[this.length++] = value;
  }

  private append(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.buffer.length) this.grow(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  private grow(bytes: number): void {
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.length + bytes));
    larger.set(this.buffer);
    this.buffer = larger;
  }
}
