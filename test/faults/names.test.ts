/** Names and texts from users and files are data: they reach no SQL, no terminal, no path, no code, and secrets reach nothing. */
import fs from "node:fs";
import Database from "better-sqlite3";
import { afterAll, beforeAll, expect, it } from "vitest";
import { batchpredict, type Finished, type Workdir, workdir } from "../cli/batchpredict.ts";
import { MODEL, run } from "../cli/iris.ts";

/** Colour, title of the window, a cleared screen. */
const ESCAPES = "\u001b[31m\u001b]0;title\u0007\u001b[2J";
/** Anything but text, line ends and tabs. */
const COMMANDS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
});
afterAll(() => dir.remove());

const at = (args: string[], env: Record<string, string> = {}): Promise<Finished> => batchpredict(args, { cwd: dir.path, env });

it("names of tables and columns are names, whatever SQL they hold", async () => {
  const columns = ['x"; DROP TABLE predictions; --', "select", "a'b", "`c`", "[d]", "?1", "w".repeat(1000), "rowid", "%s"];
  const quoted = columns.map((name) => `"${name.replaceAll('"', '""')}"`).join(",");
  const values = columns.map((_, index) => `v${index}'); DROP TABLE predictions; --`);
  fs.writeFileSync(
    dir.file("names.csv"),
    `sepal_length,sepal_width,petal_length,petal_width,${quoted}\n1,2,3,4,${values.map((value) => `"${value}"`).join(",")}\n`,
  );
  const table = `t"; DROP TABLE predictions; --${"x".repeat(960)}`;
  for (const more of [[], ["--table", table], ["--table", "select", "--if-exists", "upsert", "--key", columns[0]!]]) {
    const { code, stderr } = await at([...run("names.csv", "names.db", ...more), "--if-exists", "replace", ...more, "--quiet"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  }
  const db = new Database(dir.file("names.db"), { readonly: true });
  try {
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all();
    expect(tables).toEqual(["_batchpredict_runs", "predictions", "select", table]);
    for (const name of tables.slice(1) as string[]) {
      const row = db.prepare(`SELECT * FROM "${name.replaceAll('"', '""')}"`).get() as Record<string, unknown>;
      expect(columns.map((column) => row[column])).toEqual(values);
    }
  } finally {
    db.close();
  }
});

it.each(["", "sqlite_master", "_batchpredict_runs"])("the table name %j is refused before anything is read", async (table) => {
  const { code, stderr } = await at(run("names.csv", "refused.db", "--table", table));
  expect(stderr).toMatch(/^error BP_(CONFIG|USAGE): /);
  expect(stderr).toContain("--table");
  expect(code).toBe(2);
  expect(fs.existsSync(dir.file("refused.db"))).toBe(false);
});

it("escape codes in columns, cells, file names and flags do not reach the terminal; formulas reach the output as they are", async () => {
  const file = `in${ESCAPES.replaceAll("/", "")}.csv`;
  fs.writeFileSync(
    dir.file(file),
    `id,na${ESCAPES}me,sepal_length,sepal_width,petal_length,petal_width\n=1+1,${ESCAPES},1,2,3,4\n@x,b,bad${ESCAPES},2,3,4\n`,
  );
  const shown = [
    await at(run(file, "out.csv")),
    await at([...run(file, `out${ESCAPES}.csv`), "--on-error", "reject", "--progress", "always"]),
    await at(["inspect", file]),
    await at(["run", `${ESCAPES}job`]),
    await at(["run", `--${ESCAPES}`]),
  ];
  expect(shown.map(({ code }) => code)).toEqual([1, 0, 0, 2, 2]);
  for (const { stdout, stderr } of shown) {
    expect(stdout + stderr).not.toMatch(COMMANDS);
    expect(stdout + stderr).toMatch(/\\u001b\[31m/);
  }
  // Data are not changed: what a spreadsheet makes of them is told in the README.
  expect(fs.readFileSync(dir.file(`out${ESCAPES}.csv`), "utf8").split("\n")[1]).toMatch(`=1+1,${ESCAPES},`);
});

it("a NUL, at which SQLite and the file system would cut a name, is refused with its place; other control characters are part of it", async () => {
  const features = { sepal_length: 1, sepal_width: 2, petal_length: 3, petal_width: 4 };
  fs.writeFileSync(dir.file("nul.jsonl"), `${JSON.stringify({ ...features, "na\u0000me": "x" })}\n`);
  const column = await at(run("nul.jsonl", "nul.db", "--quiet"));
  expect(column.stderr).toContain('BP_CONFIG: column "na\\u0000me" has a NUL character in its name');
  expect(column.code).toBe(2);
  fs.writeFileSync(dir.file("control.jsonl"), `${JSON.stringify({ ...features, "na\u0001me": "x\u0000y" })}\n`);
  const job = (table: string, output: string): string =>
    `version: 1\nmodel: {path: ${JSON.stringify(MODEL)}}\ninput: {path: control.jsonl}\nbind: {features: [sepal_length..petal_width]}\noutput: {path: "${output}", table: "${table}"}\n`;
  fs.writeFileSync(dir.file("nul.yaml"), job("a\\0b", "c\\0d.db"));
  const names = await at(["run", "nul.yaml"]);
  expect(names.stderr).toMatch(/output\.path: "c\\u0000d\.db" holds a NUL character\n {4}at nul\.yaml line 5/);
  expect(names.stderr).toMatch(/output\.table: "a\\u0000b" holds a NUL character/);
  expect(names.code).toBe(2);
  fs.writeFileSync(dir.file("control.yaml"), job("a\\u0001b", "c\\u0007d.db"));
  expect((await at(["run", "control.yaml", "--quiet"])).stderr).toBe("");
  const db = new Database(dir.file("c\u0007d.db"), { readonly: true });
  expect(db.prepare('SELECT * FROM "a\u0001b"').get()).toMatchObject({ "na\u0001me": "x\u0000y" });
  db.close();
  const left = fs.readdirSync(dir.path).filter((name) => /^(nul|c)\b.*\.db|^\.nul/.test(name));
  expect(left).toEqual(["c\u0007d.db"]);
});

it("a job file is plain values of bounded number, and its name is no path", async () => {
  const refused: Record<string, [string, RegExp]> = {
    code: ["description: !!js/function 'function () { process.exit(0) }'", /unresolved tag/],
    // Nine lists of nine, nine deep: a file of a few lines that would be 387 million values.
    laughs: [
      Array.from({ length: 9 }, (_, level) => `k${level}: &k${level} [${Array(9).fill(level ? `*k${level - 1}` : "x")}]`).join(
        "\n",
      ),
      /more than 20,000 values/,
    ],
    evil: ["name: ../../evil", /is no job name/],
  };
  fs.mkdirSync(dir.file("jobs"));
  for (const [name, [text, said]] of Object.entries(refused)) {
    const named = text.startsWith("name:") ? "" : `name: ${name}\n`;
    fs.writeFileSync(dir.file(`jobs/${name}.yaml`), `version: 1\n${named}${text}\nmodel: {path: ${MODEL}}\n`);
    const { code, stderr } = await at(["run", name]);
    expect(stderr).toMatch(/^error BP_JOB_FILE: /);
    expect(stderr).toMatch(said);
    expect(code).toBe(2);
  }
  fs.rmSync(dir.file("jobs"), { recursive: true });
});

it("a secret stands in no file and on no screen, and what is kept of runs is its user's alone", async () => {
  fs.mkdirSync(dir.file("jobs"));
  fs.writeFileSync(
    dir.file("jobs/told.yaml"),
    [
      "version: 1",
      "name: told",
      'schedule: {daily: "02:30"}',
      `model: {path: ${JSON.stringify(MODEL)}}`,
      "input: {path: ../names.csv}",
      "bind: {features: [sepal_length..petal_width]}",
      "output: {path: ../told.db, ifExists: replace}",
      "notify:",
      "  - {on: [failed, succeeded], webhook: {url: {secret: HOOK_URL}}}",
      '  - {on: [failed, succeeded], webhook: {url: "http://127.0.0.1:9/hook", headers: {authorization: {secret: TOKEN}}}}',
      '  - {on: [failed, succeeded], webhook: {url: "http://127.0.0.1:9/${TOKEN}", headers: {x-key: "${TOKEN}"}}}',
      "  - {on: [failed, succeeded], healthcheck: {url: {secret: HOOK_URL}}}",
      "",
    ].join("\n"),
  );
  fs.writeFileSync(
    dir.file("jobs/mistaken.yaml"),
    `version: 1\nmodel: {path: m.onnx}\ninput: {path: a.csv}\noutput: {path: o.csv}\nnotify: [{on: [failed], webhook: {url: {secret: "https://x/not-to-be-told"}}}]\n`,
  );
  // Histories lie where they are looked for below.
  const secrets = {
    BATCHPREDICT_STATE_DIR: "",
    HOOK_URL: "http://127.0.0.1:9/8f2c-not-to-be-told",
    TOKEN: "token-not-to-be-told",
  };
  const done = await at(["jobs", "run", "told"], secrets);
  expect(done.code).toBe(0);
  const other = ["--fresh", "--if-exists", "replace"];
  const said = [
    done,
    await at(["run", "told", "-o", "told.parquet", ...other], secrets),
    await at(["run", "told", "-o", "told.arrow", "--json", ...other], secrets),
    // An address that is none, and a secret in the place of its name.
    await at(["jobs", "validate", "--json"], { ...secrets, TOKEN: "a not-to-be-told" }),
    await at(["run", "mistaken"], secrets),
    await at(["jobs", "history", "told", "--json"], secrets),
    await at(["runs", "list", "--json"], secrets),
  ];
  expect(said.map(({ code }) => code)).toEqual([0, 0, 0, 2, 2, 0, 0]);
  for (const { stdout, stderr } of said) expect(stdout + stderr).not.toContain("not-to-be-told");
  // What was typed is its user's to see; what is kept of it is not.
  const typed = await at(["run", "told", "-o", `told-${secrets.TOKEN}.csv`, "--quiet"], secrets);
  expect(typed.code).toBe(0);
  fs.rmSync(dir.file("jobs/mistaken.yaml"));
  const files = fs.readdirSync(dir.path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.length).toBeGreaterThan(3);
  for (const { parentPath, name } of files)
    expect(fs.readFileSync(`${parentPath}/${name}`).includes("not-to-be-told"), name).toBe(false);
  const mode = (file: string): string => (fs.statSync(dir.file(file)).mode & 0o777).toString(8);
  expect(mode(".batchpredict")).toBe("700");
  for (const name of fs.readdirSync(dir.file(".batchpredict"))) expect(mode(`.batchpredict/${name}`)).toMatch(/^[67]00$/);
});
