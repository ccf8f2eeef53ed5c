/**
 * Inputs that can be read only from their start, killed and given again: pipes, gzip and Arrow streams through a pipe. The same bytes
 * go on to the same output; other bytes are refused in words, and the interrupted run stays for the right ones.
 */
import fs from "node:fs";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { COMMITS, convert, ROWS, score, writeInput } from "./frozen.ts";

const ALL_KINDS = process.env.BATCHPREDICT_FAULTS !== undefined;
/** CSV through a pipe and the others, which differ in who cuts the stream into chunks. */
const KINDS = ALL_KINDS ? ["csv", "jsonl", "arrow", "csv.gz"] : ["csv", "arrow", "csv.gz"];

let dir: Workdir;
let expected: Buffer;
const given: Record<string, Buffer> = {};
beforeAll(async () => {
  dir = workdir();
  const csv = writeInput(dir);
  given.csv = fs.readFileSync(csv);
  given["csv.gz"] = gzipSync(given.csv);
  for (const kind of KINDS.filter((one) => !one.startsWith("csv"))) given[kind] = fs.readFileSync(await convert(dir, csv, kind));
  const whole = await batchpredict(score(csv, dir.file("expected.csv"), "--keep", "id"), { env: COMMITS });
  expect(whole.code).toBe(0);
  expected = fs.readFileSync(dir.file("expected.csv"));
});
afterAll(() => dir.remove());

describe.each(KINDS)("%s", (kind) => {
  const piped = kind !== "csv.gz";
  const args = [...score(piped ? "-" : "in.csv.gz", "out.csv", "--keep", "id"), "--json"];
  /** Chunks of an Arrow stream are its record batches, so there are fewer of them. */
  const place = kind === "arrow" ? "chunk-accounted:6" : "chunk-accounted:20";

  /** Killed in the middle, with rows committed. */
  async function killed(name: string): Promise<(bytes: Buffer) => ReturnType<typeof batchpredict>> {
    const folder = dir.file(`${name}-${kind}`);
    fs.mkdirSync(folder);
    const feed = (bytes: Buffer, env: Record<string, string> = {}): ReturnType<typeof batchpredict> => {
      if (!piped) fs.writeFileSync(`${folder}/in.csv.gz`, bytes);
      return batchpredict(args, { cwd: folder, env: { ...COMMITS, ...env }, ...(piped ? { stdin: bytes } : {}) });
    };
    if (!piped) {
      fs.writeFileSync(`${folder}/in.csv.gz`, given[kind]!);
      const first = await batchpredict(args, { cwd: folder, env: { ...COMMITS, BATCHPREDICT_FAILPOINT: place } });
      expect(first.signal).toBe("SIGKILL");
      return (bytes) => (bytes === given[kind] ? batchpredict(args, { cwd: folder, env: COMMITS }) : feed(bytes));
    }
    expect((await feed(given[kind]!, { BATCHPREDICT_FAILPOINT: place })).signal).toBe("SIGKILL");
    return feed;
  }

  it.skipIf(!ALL_KINDS && piped)("goes on with the same bytes to the same output", async () => {
    const again = await killed("same");
    const { code, json } = await again(given[kind]!);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ status: "succeeded", rows: { read: ROWS, predicted: ROWS, rejected: 0 } });
    expect(json<{ resumed_from_row: number }>().resumed_from_row).toBeGreaterThanOrEqual(1000);
    expect(fs.readFileSync(dir.file(`same-${kind}/out.csv`)).equals(expected)).toBe(true);
    expect(fs.readdirSync(dir.file(`same-${kind}`)).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it.skipIf(ALL_KINDS ? kind === "jsonl" : !piped)(
    "refuses other bytes in words, nothing appears, and the right ones go on",
    async () => {
      const again = await killed("other");
      const { code, stderr } = await again(changed(kind, given[kind]!));
      if (piped) {
        expect(stderr).toMatch(/^error BP_RESUME_MISMATCH: the input is not the one that the interrupted run read\n/);
        expect(stderr).toContain("fix: pipe the same data again to go on with the interrupted run\n");
        expect(stderr).toContain("--fresh");
      } else {
        expect(stderr).toMatch(/^error BP_RESUME_MISMATCH: .*is \d+ rows far, and this run is not the same work\n/);
        expect(stderr).toMatch(/actual: the input .*in\.csv\.gz was \d+ bytes of .*, is now \d+ bytes of /);
      }
      expect(code).toBe(2);
      expect(fs.existsSync(dir.file(`other-${kind}/out.csv`))).toBe(false);
      if (!piped) return;
      if (kind === "csv") {
        const short = await again(given.csv!.subarray(0, 2000));
        expect(short.stderr).toContain("is not the one that the interrupted run read\n");
        expect(short.stderr).toMatch(/actual: it ends after \d chunks?\n/);
        expect(short.code).toBe(2);
      }
      // The right data still go on where they were.
      const right = await again(given[kind]!);
      expect(right.json()).toMatchObject({ status: "succeeded", resumed_from_row: expect.any(Number) });
      expect(fs.readFileSync(dir.file(`other-${kind}/out.csv`)).equals(expected)).toBe(true);
    },
  );
});

/** One value of the first rows is another one; everything else is as it was. */
function changed(kind: string, bytes: Buffer): Buffer {
  if (kind === "csv.gz") return gzipSync(changed("csv", given.csv!));
  const copy = Buffer.from(bytes);
  // In the body of the first record batch, or in the third line: far behind what describes the data.
  const at = kind === "csv" ? copy.indexOf("\n2,") + 1 : 3000;
  copy[at] = copy[at]! ^ 1;
  return copy;
}
