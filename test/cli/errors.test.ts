/** What a user reads when something is wrong before the first row: the whole text, the exit code, and nothing left behind. */
import { chmodSync, copyFileSync, linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { batchpredict, type Finished, type Workdir, workdir } from "./batchpredict.ts";
import { FEATURES, FLOWERS, MODEL, run, TREE } from "./iris.ts";

let dir: Workdir;
beforeEach(() => {
  dir = workdir();
});
afterEach(() => dir.remove());

/** Runs in the temporary folder; paths of this machine become DIR. */
async function told(args: string[], more: Parameters<typeof batchpredict>[1] = {}): Promise<Finished & { said: string }> {
  const finished = await batchpredict(args, { cwd: dir.path, ...more });
  expect(finished.signal).toBe(null);
  return { ...finished, said: finished.stderr.replaceAll(dir.path, "DIR").replaceAll(path.dirname(MODEL), "MODELS") };
}

async function refused(args: string[], said: string): Promise<void> {
  const before = readdirSync(dir.path).sort();
  const finished = await told(args);
  expect(finished.said).toBe(`${said}\n`);
  expect({ code: finished.code, stdout: finished.stdout }).toEqual({ code: 2, stdout: "" });
  expect(readdirSync(dir.path).sort()).toEqual(before);
}

describe("columns", () => {
  it("a misspelled one is named with its neighbours", async () => {
    await refused(
      ["run", "-m", MODEL, "-i", FLOWERS, "-o", "out.csv", "--features", "sepal_lenght,sepal_width,petal_length,petal_width"],
      ['error BP_BINDING: --features: no column "sepal_lenght"', '  fix: did you mean "sepal_length"?'].join("\n"),
    );
  });

  it("a text column of a typed file cannot feed numbers", async () => {
    const { said, code } = await told([
      ...["run", "-m", path.join(TREE, "model.onnx"), "-i", path.join(TREE, "input.parquet"), "-o", "out.csv"],
      ...["--features", "sepal_length,sepal_width,petal_length,species"],
    ]);
    expect(said.split("\n")[0]).toBe('error BP_SOURCE_CELL: cannot read "versicolor" as float64 for model input "X"');
    expect(said).toContain('input.parquet (row 0), column 6 "species"\n');
    expect(said).toMatch(/\n {2}fix: /);
    expect(code).toBe(1);
    expect(readdirSync(dir.path)).toEqual([]);
  });

  it("too many to guess from are listed, with the flag that names them", async () => {
    await refused(
      ["run", "-m", MODEL, "-i", FLOWERS, "-o", "out.csv"],
      [
        'error BP_BINDING: model input "features" (float32 [N, 4]) is not bound to any column',
        "  expected: 4 columns",
        "  actual: 5 numeric columns are left of: id, sepal_length, sepal_width, petal_length, petal_width, species",
        "  fix: name its columns in order: --bind features=COLS (or --features COLS)",
      ].join("\n"),
    );
  });
});

describe("what is absent is suggested", () => {
  it("a model", async () => {
    copyFileSync(MODEL, dir.file("flowers.onnx"));
    await refused(
      ["run", "-m", "flower.onnx", "-i", FLOWERS, "-o", "out.csv"],
      [
        "error BP_MODEL_NOT_FOUND: there is no model at DIR/flower.onnx",
        "  at DIR/flower.onnx",
        "  fix: did you mean flowers.onnx?",
      ].join("\n"),
    );
  });

  it("an input", async () => {
    copyFileSync(FLOWERS, dir.file("flowers.csv"));
    await refused(
      run("flower.csv", "out.parquet"),
      [
        "error BP_INPUT_NOT_FOUND: the input file does not exist",
        "  at DIR/flower.csv",
        "  fix: did you mean DIR/flowers.csv?",
      ].join("\n"),
    );
  });

  it("a job", async () => {
    mkdirSync(dir.file("jobs"));
    writeFileSync(dir.file("jobs/flowers-daily.yaml"), "version: 1\nname: flowers-daily\n");
    await refused(
      ["run", "flowers-dayly"],
      [
        'error BP_JOB_FILE: no job "flowers-dayly" in jobs',
        "  fix: did you mean flowers-daily?",
        "  fix: jobs are flowers-daily",
      ].join("\n"),
    );
  });

  it("a glob that matches nothing", async () => {
    await refused(
      run("no*.csv", "out.parquet"),
      [
        "error BP_INPUT_NOT_FOUND: no file matches DIR/no*.csv",
        "  at DIR/no*.csv",
        "  fix: check the pattern; quote it so that the shell leaves it alone",
      ].join("\n"),
    );
  });

  it("a flag and a command", async () => {
    await refused(
      [...run(FLOWERS, "out.csv"), "--ouptut-format", "csv"],
      ["error BP_USAGE: unknown option '--ouptut-format'", "  fix: did you mean --output-format?"].join("\n"),
    );
    await refused(["rnu"], ["error BP_USAGE: unknown command 'rnu'", "  fix: did you mean run?"].join("\n"));
  });

  it("everything, when nothing is given", async () => {
    await refused(["run"], MISSING);
  });
});

const MISSING = [
  "error BP_USAGE: --model, --input and --output are missing",
  "  fix: for example: batchpredict run --model model.onnx --input data.csv --output predictions.parquet",
  "  fix: or name a job: batchpredict run JOB",
].join("\n");

describe("inputs that cannot be read", () => {
  const half = (name: string): void => {
    const bytes = readFileSync(path.join(TREE, name));
    writeFileSync(dir.file(name), bytes.subarray(0, bytes.length >> 1));
  };
  const tree = (input: string): string[] => [
    "run",
    "-m",
    path.join(TREE, "model.onnx"),
    "-i",
    input,
    "-o",
    "out.csv",
    ...FEATURES,
  ];

  it("a truncated .csv.gz", async () => {
    const packed = gzipSync(readFileSync(FLOWERS));
    writeFileSync(dir.file("in.csv.gz"), packed.subarray(0, packed.length >> 1));
    await refused(
      run("in.csv.gz", "out.csv"),
      [
        "error BP_INPUT_FORMAT: the gzip data is corrupt or ends too early",
        "  at DIR/in.csv.gz",
        "  actual: unexpected end of file",
        "  fix: copy or download the file again; `gzip -t FILE` tells whether it is whole",
      ].join("\n"),
    );
  });

  it("a truncated Arrow file", async () => {
    half("input.arrow");
    await refused(
      tree("input.arrow"),
      [
        "error BP_INPUT_FORMAT: DIR/input.arrow cannot be read as Arrow: its end is missing: it was cut off or not written completely",
        "  at DIR/input.arrow",
        "  fix: fetch or write the file again: it was cut off or changed on its way",
      ].join("\n"),
    );
  });

  it("a truncated Arrow stream", async () => {
    half("input.arrows");
    const { said, code } = await told(tree("input.arrows"));
    expect(said).toMatch(
      /^error BP_INPUT_FORMAT: DIR\/input\.arrows cannot be read as Arrow: .*end is missing[\s\S]*\n {2}fix: /,
    );
    expect([1, 2]).toContain(code);
    expect(readdirSync(dir.path)).toEqual(["input.arrows"]);
  });

  it("a truncated Parquet file", async () => {
    half("input.parquet");
    await refused(
      tree("input.parquet"),
      [
        "error BP_INPUT_FORMAT: cannot read DIR/input.parquet as Parquet: it does not end like a Parquet file: it was cut off, or it is no Parquet file",
        "  at DIR/input.parquet",
        "  fix: check that the file was copied completely",
        "  fix: if it is of another format, name it with --input-format",
      ].join("\n"),
    );
  });

  it.each(["csv", "csv.gz", "arrow", "arrows", "parquet"])("an empty .%s", async (ending) => {
    writeFileSync(dir.file(`in.${ending}`), "");
    const { said, code } = await told(run(`in.${ending}`, "out.parquet"));
    expect(said).toMatch(/^error BP_INPUT_FORMAT: .*is empty/);
    expect(said).toContain(`DIR/in.${ending}`);
    expect(said).toMatch(/\n {2}fix: \S/);
    expect(code).toBe(2);
    expect(readdirSync(dir.path)).toEqual([`in.${ending}`]);
  });

  // Permissions do not bind root; there the binary runs as nobody, where the system lets it.
  it("a file and a folder without permission", async () => {
    copyFileSync(FLOWERS, dir.file("secret.csv"));
    chmodSync(dir.file("secret.csv"), 0);
    chmodSync(dir.path, 0o555);
    mkdirSync(dir.file("shut"));
    chmodSync(dir.file("shut"), 0o555);
    const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const input = await told(run("secret.csv", path.join(tmpdir(), "batchpredict-never.csv")), nobody);
    expect(input.said).toBe(
      [
        "error BP_INPUT_UNREADABLE: the input cannot be read",
        "  at DIR/secret.csv",
        "  actual: EACCES: permission denied, open 'DIR/secret.csv'",
        "  fix: check that it is a file that you may read",
        "",
      ].join("\n"),
    );
    expect(input.code).toBe(2);
    const output = await told(run(FLOWERS, "shut/out.csv"), nobody);
    expect(output.said).toBe(
      [
        "error BP_OUTPUT_PATH: cannot write DIR/shut/out.csv: no permission to write in DIR/shut",
        "  at DIR/shut/out.csv",
        "  fix: choose a place you may write to with --output",
        "",
      ].join("\n"),
    );
    expect(output.code).toBe(2);
    chmodSync(dir.path, 0o755);
    chmodSync(dir.file("shut"), 0o755);
    expect(readdirSync(dir.file("shut"))).toEqual([]);
  });
});

describe("outputs", () => {
  it("an existing one is left as it is", async () => {
    writeFileSync(dir.file("out.parquet"), "mine");
    await refused(
      run(FLOWERS, "out.parquet"),
      [
        "error BP_OUTPUT_EXISTS: the output DIR/out.parquet exists already and is left as it is",
        "  at DIR/out.parquet",
        "  fix: choose another --output, or overwrite it with --if-exists replace",
      ].join("\n"),
    );
    expect(readFileSync(dir.file("out.parquet"), "utf8")).toBe("mine");
  });

  it("absent folders are made, and taken away when the run fails", async () => {
    const done = await told([...run(FLOWERS, "new/deep/out.csv"), "--quiet"]);
    expect(done).toMatchObject({ code: 0, said: "" });
    expect(readdirSync(dir.file("new/deep"))).toEqual(["out.csv"]);
    writeFileSync(dir.file("bad.csv"), "sepal_length,sepal_width,petal_length,petal_width\n1,2,3,x\n");
    expect((await told(run("bad.csv", "other/deep/out.csv"))).code).toBe(1);
    expect(readdirSync(dir.path).sort()).toEqual(["bad.csv", "new"]);
  });

  it("a folder is no output", async () => {
    mkdirSync(dir.file("out.csv"));
    const { said, code } = await told(run(FLOWERS, "out.csv"));
    expect(said).toMatch(/^error BP_OUTPUT_(PATH|EXISTS): cannot write DIR\/out\.csv: it is a folder\n/);
    expect(code).toBe(2);
  });

  it("the input itself is never written over, whatever name leads to it", async () => {
    copyFileSync(FLOWERS, dir.file("in.csv"));
    symlinkSync("in.csv", dir.file("link.csv"));
    mkdirSync(dir.file("folder"));
    copyFileSync(FLOWERS, dir.file("folder/a.csv"));
    linkSync(dir.file("in.csv"), dir.file("hard.csv"));
    await refused(
      [...run("in.csv", "in.csv"), "--if-exists", "replace"],
      ["error BP_CONFIG: the output would overwrite the input DIR/in.csv", "  fix: give --output another path"].join("\n"),
    );
    const ways: [string, string][] = [
      ["in.csv", "link.csv"],
      ["in.csv", "hard.csv"],
      ["folder", "folder/a.csv"],
      ["folder/*.csv", "folder/a.csv"],
    ];
    for (const [input, output] of ways) {
      const { said, code } = await told([...run(input, output), "--if-exists", "replace"]);
      expect(said).toMatch(`error BP_CONFIG: --output DIR/${output} would overwrite the input it is made from`);
      expect(said).toContain("\n  fix: give --output another path\n");
      expect(code).toBe(2);
    }
    const rejects = await told([...run("folder", "out.csv"), "--on-error", "reject", "--rejects", "folder/a.csv"]);
    expect(rejects.said).toMatch("error BP_CONFIG: --rejects DIR/folder/a.csv would overwrite the input it is made from");
    expect(readFileSync(dir.file("folder/a.csv"))).toEqual(readFileSync(FLOWERS));
    expect(readFileSync(dir.file("in.csv"))).toEqual(readFileSync(FLOWERS));
  });

  it("a second run over a folder does not read its own output", async () => {
    mkdirSync(dir.file("folder"));
    copyFileSync(FLOWERS, dir.file("folder/a.csv"));
    expect((await told([...run("folder", "folder/out.csv"), "--keep", "none"])).code).toBe(0);
    const again = await told([...run("folder", "folder/out.csv"), "--if-exists", "replace"]);
    expect(again.said).toMatch(/^error BP_CONFIG: --output DIR\/folder\/out\.csv would overwrite the input/);
  });
});

describe("bad values of flags", () => {
  const cases: [string[], RegExp][] = [
    [["--batch-size", "x"], /^error BP_USAGE: --batch-size: "x" is no whole number\n {2}expected: a whole number from 1 to /],
    [["--batch-size", "0"], /--batch-size: "0" is too small/],
    [["--workers", "-1"], /--workers: "-1" is no whole number/],
    [["--threads", "1.5"], /--threads: "1\.5" is no whole number/],
    [["--chunk-bytes", "5Q"], /--chunk-bytes: "5Q" is no size\n {2}expected: bytes, for example 1000000, 512k, 8MiB/],
    [["--on-error", "skip"], /--on-error: "skip" is not one of the choices\n {2}expected: fail, reject/],
    [["--max-rejects", "200%", "--on-error", "reject"], /--max-rejects: "200%" is more than everything/],
    [["--max-rejects", "3"], /--max-rejects without --on-error reject\n {2}fix: .*add --on-error reject/],
    [
      ["--if-exists", "overwrite"],
      /--if-exists: "overwrite" is not one of the choices\n {2}expected: fail, replace, append, upsert/,
    ],
    [["--if-exists", "append"], /^error BP_CONFIG: --if-exists append is not possible with parquet output/],
    [["--delimiter", "ab"], /--delimiter: "ab" is no delimiter/],
    [["--encoding", "utf9"], /--encoding: "utf9" is an unknown encoding[\s\S]*did you mean utf-8\?/],
    [["--header", "maybe"], /--header: "maybe" is neither true nor false/],
    [["--decimal", "x"], /--decimal: "x" is not one of the choices/],
    [["--column-type", "id=int"], /--column-type: "id=int" has an unknown type\n {2}expected: utf8, int64, float64, bool/],
    [["--limit", "-1"], /--limit: "-1" is no whole number/],
    [["--where-rows", "5..3"], /--where-rows: "5\.\.3" holds no row/],
    [["--shard", "4/3"], /--shard: "4\/3" is out of range[\s\S]*I goes from 1 to N/],
    [["--progress", "sometimes"], /--progress: "sometimes" is not one of the choices\n {2}expected: auto, always, never/],
    [["--color", "alway"], /--color: "alway" is not one of the choices[\s\S]*did you mean always\?/],
    [["--output-format", "xls"], /--output-format: "xls" is not one of the choices/],
    [["--input-format", "json"], /--input-format: "json" is not one of the choices/],
    [["--table"], /^error BP_USAGE: option '--table <name>' argument missing/],
    [["--table", "x"], /--table has no meaning for parquet output/],
    [["--keep", "nosuch"], /^error BP_BINDING: --keep: no column "nosuch"[\s\S]*the columns are: id, sepal_length/],
    [["--outputs", "variabl"], /^error BP_BINDING: --outputs names "variabl"[\s\S]*did you mean "variable"\?/],
    [["--bind", "feature=id"], /^error BP_BINDING: --bind names model input "feature"[\s\S]*did you mean "features"\?/],
    [["--const", "x"], /--const: "x" is not of the form INPUT=VALUE/],
    [["--missing", "abc"], /^error BP_CONFIG: the value "abc" for missing cells cannot be read as float32/],
  ];
  it.concurrent.each(cases)("%j", async (flags, says) => {
    const { stderr, code, stdout } = await batchpredict([...run(FLOWERS, "never.parquet"), "--quiet", "--dry-run", ...flags]);
    expect(stderr).toMatch(says);
    expect(stderr).toMatch(/^error BP_\w+: /);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });
});

describe("--json", () => {
  it("tells the same error as one document", async () => {
    const { said, code, json } = await told([...run("nosuch.csv", "out.csv"), "--json"]);
    expect(json()).toMatchObject({
      status: "failed",
      rows: { read: 0, predicted: 0, rejected: 0 },
      output: null,
      error: {
        code: "BP_INPUT_NOT_FOUND",
        message: "the input file does not exist",
        where: { file: dir.file("nosuch.csv") },
        hints: ["check the path given to --input"],
      },
    });
    expect(said).toMatch(/^error BP_INPUT_NOT_FOUND: the input file does not exist\n/);
    expect(code).toBe(2);
  });

  it.each([
    [["run", "--json"], "BP_USAGE"],
    [["run", "--nosuch", "--json"], "BP_USAGE"],
    [["plan", "nosuch-job", "--json"], "BP_JOB_FILE"],
    [["inspect", "nosuch.csv", "--json"], "BP_INPUT_NOT_FOUND"],
    [["schema", "nosuch", "--json"], "BP_USAGE"],
  ])("has status, where and hints also for %j", async (args, errorCode) => {
    const { json, code } = await told(args);
    const { status, error } = json<{ status: string; error: Record<string, unknown> }>();
    expect(status).toBe("failed");
    expect(Object.keys(error).slice(0, 4)).toEqual(["code", "message", "where", "hints"]);
    expect(error.code).toBe(errorCode);
    expect(JSON.stringify(error)).not.toContain("stack");
    expect(code).toBe(2);
  });
});

it("no stack trace without --debug, and one with it", async () => {
  const plain = await told(run("nosuch.csv", "out.csv"));
  expect(plain.stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  const debug = await told([...run("nosuch.csv", "out.csv"), "--debug"]);
  expect(debug.stderr).toMatch(/^\s+at .*:\d+:\d+/m);
});

it("a file of random bytes gives a short message", async () => {
  const bytes = Buffer.from(Array.from({ length: 3000 }, (_, at) => (at * 7919 + (at >> 3) * 104729) % 251));
  writeFileSync(dir.file("noise.csv"), bytes);
  const { said, code } = await told(run("noise.csv", "out.csv"));
  expect(said).toMatch(/^error BP_/);
  expect(Math.max(...said.split("\n").map((line) => line.length))).toBeLessThan(1000);
  expect(said).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f]/);
  expect(code).toBe(2);
});
