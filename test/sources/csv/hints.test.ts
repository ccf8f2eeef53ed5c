/** Mistakes that people make with files, and what they are told. */
import { describe, expect, it } from "vitest";
import { openSource } from "../../../src/sources/registry.ts";
import { bind, readCsv, write } from "./harness.ts";

const NOT_GUESSED = "write numbers without thousands separators: they are never guessed";

describe("a number with separators is rejected, and its mend named", () => {
  it.each([
    ["1,000", ".", [NOT_GUESSED, 'or, if "," is the decimal mark, say so with --decimal ,']],
    ["1,000,000.5", ".", [NOT_GUESSED]],
    ["1 000", ".", [NOT_GUESSED]],
    ["1'000'000", ".", [NOT_GUESSED]],
    ["1.000,5", ",", [NOT_GUESSED]],
    ["1,5", ".", ['read "," as the decimal mark with --decimal ,']],
    ["1,50,00", ".", []],
  ] as const)("%s with %s", async (text, decimal, hints) => {
    const { rejects } = await readCsv(`a;b\n"${text}";1\n`, { decimal, delimiter: ";", header: true }, 1000, (description) => ({
      inputs: [bind(description, "float32", ["a"])],
      constants: [],
      keep: [],
      onError: "reject",
    }));
    expect(rejects[0]).toMatchObject({ code: "BP_SOURCE_CELL", actual: JSON.stringify(text) });
    expect(rejects[0]!.hints!.slice(0, -2)).toEqual(hints);
  });
});

describe("bytes of no known format", () => {
  const noise = Buffer.from(Array.from({ length: 400 }, (_, at) => (at * 197 + 31) % 256));
  const open = (options: object): ReturnType<typeof openSource> =>
    openSource([write(noise, "noise.bin").path], { csv: {}, ...options }, () => process.stdin);

  it("are called that", async () => {
    await expect(open({})).rejects.toMatchObject({
      code: "BP_INPUT_FORMAT",
      message: "the input is of no known format: it begins with bytes that are no text",
    });
  });

  it("are read as what the user says they are", async () => {
    const source = await open({ format: "csv", csv: { header: false } }).catch((error: unknown) => error);
    expect((source as { message?: string }).message ?? "").not.toContain("no known format");
    await (source as { close?: () => Promise<void> }).close?.();
  });
});
