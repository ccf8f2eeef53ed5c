/** Compiled code between processes: kept whole, never taken from others, never trusted when damaged. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CacheOwner, CodeCache, cacheFolder } from "../../src/start/code-cache.ts";
import { BINARY, batchpredict } from "../cli/batchpredict.ts";
import { FIXTURES } from "../corpora.ts";

const MODEL = path.join(FIXTURES, "models/features4_linear");

let home: string;
let folder: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "batchpredict-code-"));
  folder = path.join(home, "code");
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const CODE = Buffer.from("what V8 made of it");
const uid = process.getuid?.() ?? null;
const cacheOf = (owner: Partial<CacheOwner> = {}, build = "0123abcd"): CodeCache =>
  new CodeCache({ env: { BATCHPREDICT_CODE_CACHE: folder }, uid, runtime: "v20", ...owner }, "bundle", build, "csv");

describe("where it is kept", () => {
  it.each([
    [{ BATCHPREDICT_CODE_CACHE: "off", HOME: "/home/a" }, null],
    [{ BATCHPREDICT_CODE_CACHE: "/var/cache/x", HOME: "/home/a" }, "/var/cache/x"],
    [{ XDG_CACHE_HOME: "/xdg", HOME: "/home/a" }, "/xdg/batchpredict"],
    [{ XDG_CACHE_HOME: "relative", HOME: "/home/a" }, "/home/a/.cache/batchpredict"],
    [{ HOME: "/home/a" }, "/home/a/.cache/batchpredict"],
    [{ HOME: "" }, null],
    [{}, null],
  ])("%j -> %s", (env, expected) => {
    expect(cacheFolder(env)).toBe(expected);
  });
});

describe("what is kept", () => {
  it("comes back as it was, in a folder of the user's own", () => {
    expect(cacheOf().read()).toBeUndefined();
    cacheOf().write(CODE);
    expect(cacheOf().read()).toEqual(CODE);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(folder)).toHaveLength(1);
    expect(statSync(path.join(folder, readdirSync(folder)[0]!)).mode & 0o777).toBe(0o600);
  });

  it("belongs to one build, one runtime", () => {
    cacheOf().write(CODE);
    expect(cacheOf({}, "another").read()).toBeUndefined();
    expect(cacheOf({ runtime: "v22" }).read()).toBeUndefined();
    expect(cacheOf().read()).toEqual(CODE);
  });

  it("is not used when a single bit of it is another", () => {
    cacheOf().write(CODE);
    const file = path.join(folder, readdirSync(folder)[0]!);
    const bytes = readFileSync(file);
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1 << (at % 8);
      writeFileSync(file, damaged);
      expect(cacheOf().read(), `byte ${at}`).toBeUndefined();
    }
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(file, bytes.subarray(0, length));
      expect(cacheOf().read(), `${length} bytes`).toBeUndefined();
    }
  });

  it.skipIf(uid === null)("is neither used nor written where others may write, or may have written", () => {
    cacheOf().write(CODE);
    chmodSync(folder, 0o770);
    expect(cacheOf().read()).toBeUndefined();
    chmodSync(folder, 0o707);
    expect(cacheOf().read()).toBeUndefined();
    cacheOf({}, "another").write(CODE);
    expect(readdirSync(folder)).toHaveLength(1);
    chmodSync(folder, 0o700);
    expect(cacheOf().read()).toEqual(CODE);
    expect(cacheOf({ uid: uid! + 1 }).read()).toBeUndefined();
    cacheOf({ uid: uid! + 1 }, "another").write(CODE);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it.skipIf(uid === null)("is not looked for behind a link", () => {
    mkdirSync(path.join(home, "elsewhere"), { mode: 0o700 });
    symlinkSync(path.join(home, "elsewhere"), folder);
    cacheOf().write(CODE);
    expect(readdirSync(path.join(home, "elsewhere"))).toEqual([]);
  });

  it("goes when it was not made anew for months; other files stay", () => {
    cacheOf({}, "old").write(CODE);
    const old = path.join(folder, readdirSync(folder)[0]!);
    writeFileSync(`${old}.77-draft`, "of a process that died");
    writeFileSync(path.join(folder, "notes.txt"), "not ours");
    const longAgo = new Date(Date.now() - 61 * 86_400_000);
    for (const name of readdirSync(folder)) utimesSync(path.join(folder, name), longAgo, longAgo);
    cacheOf({}, "new").write(CODE);
    expect(readdirSync(folder).map((name) => name.split("-")[2] ?? name)).toEqual(["new", "notes.txt"]);
  });

  it("is no more than fifty files, the newest", () => {
    for (let at = 0; at < 60; at++) {
      cacheOf({}, `build${at}`).write(CODE);
      const name = readdirSync(folder).find((one) => one.includes(`-build${at}-`))!;
      utimesSync(path.join(folder, name), new Date(), new Date(Date.now() - (100 - at) * 1000));
    }
    cacheOf({}, "last").write(CODE);
    const builds = readdirSync(folder).map((name) => name.split("-")[2]!);
    expect(builds).toHaveLength(50);
    expect(builds).toContain("last");
    expect(builds).toContain("build59");
    expect(builds).not.toContain("build10");
  });

  it("fails in silence where nothing can be written", () => {
    writeFileSync(folder, "a file stands there");
    cacheOf().write(CODE);
    expect(cacheOf().read()).toBeUndefined();
    expect(readFileSync(folder, "utf8")).toBe("a file stands there");
  });
});

describe("the binary", () => {
  const run = (env: Record<string, string>) =>
    batchpredict(
      [
        "run",
        "-m",
        path.join(MODEL, "model.onnx"),
        "-i",
        path.join(MODEL, "input.csv"),
        "-o",
        "out.csv",
        "--if-exists",
        "replace",
        "--features",
        "sepal_length..petal_width",
      ],
      { cwd: home, env },
    );

  it("keeps code of its three bundles, and runs the same with it, without it, and with rubbish in its place", async () => {
    const kept = { BATCHPREDICT_CODE_CACHE: folder };
    const outputs: string[] = [];
    const once = async (env: Record<string, string>): Promise<void> => {
      const { code, stderr } = await run(env);
      expect(stderr).not.toContain("error");
      expect(code).toBe(0);
      outputs.push(readFileSync(path.join(home, "out.csv"), "utf8"));
    };
    await once({ BATCHPREDICT_CODE_CACHE: "off" });
    expect(readdirSync(home)).not.toContain("code");
    await once(kept);
    const names = readdirSync(folder).sort();
    expect(names.map((name) => name.split("-").slice(0, 3).join("-"))).toEqual([
      "command-line-run",
      "predict-worker-csv",
      "sink-worker-csv",
    ]);
    const made = names.map((name) => statSync(path.join(folder, name)).mtimeMs);
    await once(kept);
    // Made once: what is there and fits is used.
    expect(names.map((name) => statSync(path.join(folder, name)).mtimeMs)).toEqual(made);
    for (const name of names) {
      const file = path.join(folder, name);
      const bytes = readFileSync(file);
      bytes[bytes.length >> 1]! ^= 0xff;
      writeFileSync(file, bytes);
    }
    await once(kept);
    expect(new Set(outputs).size).toBe(1);
    expect(outputs[0]!.split("\n").length).toBeGreaterThan(2);
  });

  it("keeps nothing of a command that does not exist", async () => {
    const { code } = await batchpredict(["frobnicate"], { cwd: home, env: { BATCHPREDICT_CODE_CACHE: folder } });
    expect(code).toBe(2);
    expect(() => readdirSync(folder)).toThrow("ENOENT");
  });

  it("compiles anew under other flags of V8", () => {
    const help = (...flags: string[]): string =>
      execFileSync(process.execPath, [...flags, BINARY, "--help"], {
        env: { ...process.env, BATCHPREDICT_CODE_CACHE: folder },
        encoding: "utf8",
      });
    expect(help("--no-opt")).toBe(help());
    expect(help("--no-opt")).toBe(help());
    expect(readdirSync(folder)).toHaveLength(2);
  });
});
