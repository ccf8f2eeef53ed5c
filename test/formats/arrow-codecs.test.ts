import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { CODEC_LZ4_FRAME, CODEC_ZSTD, decompressBuffer, withCodecs } from "../../src/formats/arrow-codecs.ts";

const TEXT = Buffer.from(
  `${"the quick brown fox ".repeat(40)}${"A".repeat(700)}${String.fromCharCode(...Array.from({ length: 40 }, (_, i) => i))}`,
);

/** Made with pyarrow 25: compress(), and CompressedOutputStream, which does not know the length beforehand. */
const BUFFERS: [string, number, string][] = [
  [
    "lz4",
    CODEC_LZ4_FRAME,
    "040600000000000004224d186040824c000000ff0574686520717569636b2062726f776e20666f78201400fffffb1f410100ffffaaf019000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262700000000",
  ],
  [
    "lz4 from a stream",
    CODEC_LZ4_FRAME,
    "040600000000000004224d184040c04c000000ff0574686520717569636b2062726f776e20666f78201400fffffb1f410100ffffaaf019000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262700000000",
  ],
  [
    "zstd",
    CODEC_ZSTD,
    "040600000000000028b52ffd6004054d0200d40374686520717569636b2062726f776e20666f782041000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526270200b8709590f0aac904",
  ],
  [
    "zstd from a stream",
    CODEC_ZSTD,
    "040600000000000028b52ffd00484d0200d40374686520717569636b2062726f776e20666f782041000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526270200b8709590f0aac904",
  ],
];

describe("decompressBuffer", () => {
  beforeAll(async () => {
    await withCodecs(() => decompressBuffer(CODEC_ZSTD, Buffer.from(BUFFERS[2]![2], "hex")));
  });

  it.each(BUFFERS)("reads %s", (_, codec, hex) => {
    expect(Buffer.from(decompressBuffer(codec, Buffer.from(hex, "hex"))).equals(TEXT)).toBe(true);
  });

  it("takes bytes that are stored as they are, aligned", () => {
    const stored = Buffer.concat([Buffer.alloc(8, 0xff), TEXT]).subarray(0, 24);
    const bytes = decompressBuffer(CODEC_LZ4_FRAME, stored);
    expect([Buffer.from(bytes).toString("latin1"), bytes.byteOffset % 8]).toEqual(["the quick brown ", 0]);
  });

  it.each(BUFFERS)("refuses %s that is cut off, or holds another length than it says", (_, codec, hex) => {
    const whole = Buffer.from(hex, "hex");
    expect(() => decompressBuffer(codec, whole.subarray(0, whole.length - 12))).toThrowError();
    for (const length of [TEXT.length - 1, TEXT.length + 1]) {
      const other = Buffer.from(whole);
      other.writeBigInt64LE(BigInt(length));
      expect(() => decompressBuffer(codec, other)).toThrowError();
    }
  });

  it("allocates nothing for a length that so few bytes cannot hold", () => {
    const bomb = Buffer.from(BUFFERS[0]![2], "hex");
    bomb.writeBigInt64LE(2n ** 31n);
    expect(() => decompressBuffer(CODEC_LZ4_FRAME, bomb)).toThrowError(/cannot hold 2147483648 bytes/);
    bomb.writeBigInt64LE(-2n);
    expect(() => decompressBuffer(CODEC_ZSTD, bomb)).toThrowError(/cannot hold -2 bytes/);
  });

  it.each(BUFFERS)("ends on damaged %s, with an error or with as many bytes as announced", (_, codec, hex) => {
    const whole = Buffer.from(hex, "hex");
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 8, max: whole.length - 1 }), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (edits) => {
          const damaged = Buffer.from(whole);
          for (const [at, byte] of edits) damaged[at] = byte;
          let length = TEXT.length;
          try {
            length = decompressBuffer(codec, damaged).length;
          } catch {
            // An error is the better answer.
          }
          expect(length).toBe(TEXT.length);
        },
      ),
      { numRuns: 500, seed: 3 },
    );
  });
});
