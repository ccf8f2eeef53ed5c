/** Records over several lines in a place that no sample saw: the input is cut anew there, and nothing in the output shows it. */
import { readFileSync, writeFileSync } from "node:fs";
import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchpredict, type Finished, type Workdir, workdir } from "./batchpredict.ts";
import { MODEL } from "./iris.ts";

const ROWS = 12_000;
const ODD_START = 2_500;
/** Longer than a chunk of the tests below. */
const LETTER = `"${Array.from({ length: 300 }, (_, line) => `line ${line}, with ""quotes"",1,2,3,4,and what looks like a row`).join("\n")}\n"`;

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
});
afterAll(() => dir.remove());

/** Some 1.5 MB, of which the samples for dialect and types (head, middle, end) do not see the second fifth. */
function write(name: string, odd: (row: number) => string): string {
  const lines = ["id,a,b,c,d,text"];
  for (let row = 0; row < ROWS; row++) {
    const text = row >= ODD_START && row < ODD_START + 60 && row % 20 === 0 ? odd(row) : "x".repeat(100);
    lines.push(`${row},${row % 7},1.5,${row % 11},0.25,${text}`);
  }
  writeFileSync(dir.file(name), `${lines.join("\n")}\n`);
  return name;
}

/** From a file it is cut by a guess, from a pipe never. */
function run(input: string, output: string, { piped = false, env = {}, more = [] as string[] } = {}): Promise<Finished> {
  const flags = ["--features", "a..d", "--keep", "id,text", "--chunk-bytes", "10000", "--if-exists", "replace", ...more];
  return batchpredict(["run", "-m", MODEL, "-i", piped ? "-" : input, "-o", output, ...flags], {
    cwd: dir.path,
    env,
    ...(piped ? { stdin: readFileSync(dir.file(input)) } : {}),
  });
}

describe.each([
  ["the kernel", {}],
  ["the reference", { BATCHPREDICT_KERNEL: "off" }],
])("with %s", (_, env) => {
  it("every row comes out once, in order, with its text", async () => {
    const input = write("letters.csv", () => LETTER);
    const { code, stderr } = await run(input, "letters-out.csv", { env });
    expect(stderr).not.toContain("error");
    expect(code).toBe(0);
    const out = readFileSync(dir.file("letters-out.csv"), "utf8");
    const rows = parse(out, { columns: true }) as { id: string; text: string }[];
    expect(rows.map(({ id }) => Number(id))).toEqual(Array.from({ length: ROWS }, (_, row) => row));
    const letter = LETTER.slice(1, -1).replaceAll('""', '"');
    expect(rows.filter(({ text }) => text === letter).map(({ id }) => id)).toEqual(["2500", "2520", "2540"]);
    expect((await run(input, "piped.csv", { env, piped: true })).code).toBe(0);
    expect(out).toBe(readFileSync(dir.file("piped.csv"), "utf8"));
  });

  it("bad rows before and behind it keep their lines, rows and texts", async () => {
    const input = write("bad.csv", (row) => (row === ODD_START ? LETTER : 'x\nnot,a,row\n4,bad,1,1,1,"and\nits text"'));
    const more = ["--on-error", "reject"];
    const file = await run(input, "bad-out.csv", { env, more: [...more, "--rejects", "bad-rejects.csv"] });
    expect(file.code).toBe(0);
    expect((await run(input, "piped.csv", { env, piped: true, more: [...more, "--rejects", "piped-rejects.csv"] })).code).toBe(0);
    const rejects = readFileSync(dir.file("bad-rejects.csv"), "utf8");
    expect(rejects).toContain('4,bad,1,1,1,""and');
    expect(rejects).toBe(
      readFileSync(dir.file("piped-rejects.csv"), "utf8").replaceAll(/(?<=,|^)-(?=,)/gm, rejectedFile(rejects)),
    );
    expect(readFileSync(dir.file("bad-out.csv"), "utf8")).toBe(readFileSync(dir.file("piped.csv"), "utf8"));
  });

  it("a quote that is never closed is told with its place, as from a pipe", async () => {
    const input = write("open.csv", (row) => (row === ODD_START ? '"never closed' : "x"));
    const file = await run(input, "open-out.csv", { env });
    const piped = await run(input, "open-out.csv", { env, piped: true });
    expect(file.stderr).toContain(`open.csv line ${ODD_START + 2} (byte `);
    expect(file.stderr).toBe(piped.stderr.replace("at -", `at ${dir.file("open.csv")}`));
    expect([file.code, piped.code]).toEqual([1, 1]);
  });

  it("a run that died behind it goes on to the same output", async () => {
    const input = write("died.csv", () => LETTER);
    expect((await run(input, "whole.csv", { env })).code).toBe(0);
    for (const place of ["commit-done:2", "commit-done:3", "chunk-accounted:40"]) {
      const dying = { ...env, BATCHPREDICT_COMMIT_ROWS: "1000", BATCHPREDICT_FAILPOINT: place };
      expect((await run(input, "died-out.csv", { env: dying })).signal).toBe("SIGKILL");
      const { code, stderr } = await run(input, "died-out.csv", { env: { ...env, BATCHPREDICT_COMMIT_ROWS: "1000" } });
      expect(stderr).toContain("going on with an interrupted run of the same work");
      expect(code).toBe(0);
      expect(readFileSync(dir.file("died-out.csv"), "utf8")).toBe(readFileSync(dir.file("whole.csv"), "utf8"));
    }
  });
});

/** As the rejects name it. */
function rejectedFile(rejects: string): string {
  return (parse(rejects, { columns: true }) as { file?: string }[])[0]?.file ?? "";
}
