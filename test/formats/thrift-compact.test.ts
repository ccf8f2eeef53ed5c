import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import { decodeStruct, encodeStruct, Thrift, type ThriftStruct, type ThriftValue } from "../../src/formats/thrift-compact.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

const scalar: fc.Arbitrary<ThriftValue> = fc.oneof(
  fc.boolean().map((value): ThriftValue => ({ type: Thrift.True, value })),
  fc.integer({ min: -128, max: 127 }).map((value): ThriftValue => ({ type: Thrift.I8, value })),
  fc.integer({ min: -32768, max: 32767 }).map((value): ThriftValue => ({ type: Thrift.I16, value })),
  fc.integer().map((value): ThriftValue => ({ type: Thrift.I32, value })),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value): ThriftValue => ({ type: Thrift.I64, value })),
  fc.uint8Array({ minLength: 8, maxLength: 8 }).map((value): ThriftValue => ({ type: Thrift.Double, value })),
  fc.uint8Array({ maxLength: 300 }).map((value): ThriftValue => ({ type: Thrift.Binary, value })),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((value): ThriftValue => ({ type: Thrift.Uuid, value })),
);

const struct: fc.Arbitrary<ThriftStruct> = fc.letrec<{ struct: ThriftStruct; value: ThriftValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    scalar,
    fc
      .array(fc.integer(), { maxLength: 20 })
      .map(
        (list): ThriftValue => ({ type: Thrift.List, of: Thrift.I32, value: list.map((value) => ({ type: Thrift.I32, value })) }),
      ),
    fc.array(fc.boolean(), { maxLength: 20 }).map(
      (list): ThriftValue => ({
        type: Thrift.Set,
        of: Thrift.True,
        value: list.map((value) => ({ type: Thrift.True, value, byte: value ? 1 : 2 })),
      }),
    ),
    fc.array(tie("struct"), { maxLength: 4 }).map(
      (list): ThriftValue => ({
        type: Thrift.List,
        of: Thrift.Struct,
        value: list.map((value) => ({ type: Thrift.Struct, value })),
      }),
    ),
    fc.array(fc.tuple(fc.uint8Array({ maxLength: 9 }), tie("value")), { maxLength: 3 }).map((pairs): ThriftValue => {
      const values = pairs.map(([key]): [ThriftValue, ThriftValue] => [
        { type: Thrift.Binary, value: key },
        { type: Thrift.I64, value: BigInt(key.length) },
      ]);
      return {
        type: Thrift.Map,
        keys: values.length > 0 ? Thrift.Binary : 0,
        values: values.length > 0 ? Thrift.I64 : 0,
        value: values,
      };
    }),
    tie("struct").map((value): ThriftValue => ({ type: Thrift.Struct, value })),
  ),
  struct: fc
    .uniqueArray(fc.tuple(fc.integer({ min: -300, max: 300 }), tie("value")), { maxLength: 6, selector: ([id]) => id })
    .map((fields) => new Map(fields)),
})).struct;

describe("thrift compact protocol", () => {
  it("brings every tree back as it was, and the same bytes again", () => {
    fc.assert(
      fc.property(struct, (tree) => {
        const encoded = encodeStruct(tree);
        const { struct: decoded, length } = decodeStruct(encoded);
        expect(length).toBe(encoded.length);
        expect(plain(decoded)).toEqual(plain(tree));
        expect(encodeStruct(decoded)).toEqual(encoded);
      }),
      { numRuns: 300 },
    );
  });

  it("reads the examples of the specification", () => {
    // Field 1 i32 = 1, field 2 bool true, field 20 (long form) binary "a", stop.
    const encoded = bytes(0x15, 0x02, 0x11, 0x08, 0x28, 0x01, 0x61, 0x00);
    const { struct: decoded } = decodeStruct(encoded);
    expect(decoded.get(1)).toEqual({ type: Thrift.I32, value: 1 });
    expect(decoded.get(2)).toEqual({ type: Thrift.True, value: true });
    expect(decoded.get(20)).toEqual({ type: Thrift.Binary, value: bytes(0x61) });
    expect(encodeStruct(decoded)).toEqual(encoded);
  });

  it("keeps whichever byte a writer used for false inside a list", () => {
    for (const no of [0, 2]) {
      const encoded = bytes(0x19, 0x21, 1, no, 0);
      const { struct: decoded } = decodeStruct(encoded);
      expect(decoded.get(1)).toMatchObject({ value: [{ value: true }, { value: false }] });
      expect(encodeStruct(decoded)).toEqual(encoded);
    }
  });

  it("leaves the elements of chosen lists encoded, and writes them back", () => {
    const element = encodeStruct(new Map([[1, { type: Thrift.I64, value: -5n }]]));
    const encoded = encodeStruct(new Map([[4, { type: Thrift.List, of: Thrift.Struct, raw: [element, element] }]]));
    const { struct: decoded } = decodeStruct(encoded, { rawLists: [4] });
    expect(decoded.get(4)).toMatchObject({ raw: [element, element] });
    expect(encodeStruct(decoded)).toEqual(encoded);
  });

  it.each([
    ["nothing at all", bytes()],
    ["a list longer than the rest", bytes(0x19, 0xf8, 0xff, 0xff, 0xff, 0x7f, 0x00)],
    ["a text longer than the rest", bytes(0x18, 0x7f, 0x61)],
    ["a map longer than the rest", bytes(0x1b, 0xff, 0x7f, 0x88)],
    ["a number without end", bytes(0x16, ...new Array(20).fill(0xff))],
    ["structs in structs without end", new Uint8Array(5000).fill(0x1c)],
    ["lists in lists without end", bytes(0x19, ...new Array(5000).fill(0x19))],
    ["an unknown type", bytes(0x1f, 0x00)],
    ["a field given twice", bytes(0x15, 0x02, 0x05, 0x02, 0x02, 0x00)],
    ["an int32 out of range", bytes(0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00)],
  ])("refuses %s", (_what, input) => {
    for (const rawLists of [[], [1]]) {
      if (rawLists.length > 0 && (input[0]! & 15) !== 9) continue;
      expect(() => decodeStruct(input, { rawLists })).toThrow(BatchPredictError);
    }
  });

  it("refuses more values than any real file has before they fill the memory", () => {
    const input = new Uint8Array(1_000_000);
    input.set([0x19, 0xfc, 0xf0, 0x83, 0x3d]);
    expect(() => decodeStruct(input, { maxValues: 1000 })).toThrow(/more values/);
  });

  it("never fails otherwise than with a code, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (input) => {
        try {
          decodeStruct(input);
        } catch (error) {
          expect(error).toMatchObject({ code: "BP_INPUT_FORMAT" });
        }
      }),
      { numRuns: 2000 },
    );
  });
});

/** Comparable: bytes as arrays, booleans of lists without their byte. */
function plain(tree: ThriftStruct): unknown {
  return [...tree].map(([id, value]) => [id, plainValue(value)]);
}

function plainValue(value: ThriftValue): unknown {
  if ("raw" in value) return value.raw.map((element) => [...element]);
  if (value.type === Thrift.Struct) return plain(value.value);
  if (value.type === Thrift.Map) return value.value.map((pair) => pair.map(plainValue));
  if (value.type === Thrift.List || value.type === Thrift.Set) return value.value.map(plainValue);
  return value.value instanceof Uint8Array ? [...value.value] : value.value;
}
