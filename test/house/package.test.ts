/** The package as strangers meet it: what package.json promises, what is packed, what the documents say. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { describe, expect, it } from "vitest";
import { ROOT } from "../corpora.ts";

interface PackageJson {
  name: string;
  type: string;
  engines: { node: string };
  bin: Record<string, string>;
  exports: Record<string, string | Record<string, string>>;
  imports: Record<string, string>;
  files: string[];
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

const inRoot = (...parts: string[]): string => path.join(ROOT, ...parts);
const read = (file: string): string => readFileSync(inRoot(file), "utf8");
const pkg = JSON.parse(read("package.json")) as PackageJson;

/** What is neither ours nor checked in. */
const NOT_OURS = new Set(["node_modules", ".git", "dist", "coverage", "predictions", ".batchpredict"]);

/** Files of the repository, relative to its root. */
function filesOf(folder: string): string[] {
  return readdirSync(inRoot(folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(folder, entry.name);
    if (NOT_OURS.has(entry.name)) return [];
    return entry.isDirectory() ? filesOf(file) : [file];
  });
}

/** Packages that the code of a folder imports, statically or not. */
function importsOf(folder: string): string[] {
  const found = filesOf(folder)
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => [...read(file).matchAll(/^(?:import|export|\}).* from "([^".#$][^"]*)";$|\bimport\("([^".#$][^"]*)"\)/gm)])
    .map(([, fixed, dynamic]) => fixed ?? dynamic!)
    .filter((name) => !name.startsWith("node:"))
    .map((name) => (name.startsWith("@") ? name.split("/", 2).join("/") : name.split("/", 1)[0]!));
  return [...new Set(found)].sort();
}

describe("package.json", () => {
  it("pins every dependency to one version", () => {
    const ranges = Object.entries({ ...pkg.dependencies, ...pkg.devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+$/.test(version),
    );
    expect(ranges).toEqual([]);
    expect(read(".npmrc")).toContain("save-exact=true");
  });

  it("names what the code imports, and nothing else", () => {
    expect(importsOf("src")).toEqual(Object.keys(pkg.dependencies).sort());
  });

  it("names what the tests import", () => {
    const known = new Set([...Object.keys(pkg.dependencies), ...Object.keys(pkg.devDependencies), pkg.name]);
    expect(importsOf("test").filter((name) => !known.has(name))).toEqual([]);
  });

  it("is for the Node it says, typed by that Node, as ES modules only", () => {
    expect(pkg.engines.node).toBe(">=20.19");
    expect(pkg.devDependencies["@types/node"]).toMatch(/^20\./);
    expect(pkg.type).toBe("module");
  });

  it("has a command that can be started", () => {
    const file = pkg.bin.batchpredict!;
    expect(read(file).split("\n")[0]).toBe("#!/usr/bin/env node");
    expect(statSync(inRoot(file)).mode & 0o111).not.toBe(0);
  });

  it("points only to files that are built", () => {
    const targets = Object.values({ ...pkg.exports, ...pkg.imports }).flatMap((target) =>
      typeof target === "string" ? [target] : Object.values(target),
    );
    expect(targets.length).toBeGreaterThan(3);
    expect(targets.filter((target) => !existsSync(inRoot(target)))).toEqual([]);
  });

  it("has no fault that publint knows", async () => {
    const { messages } = await publint({ pkgDir: ROOT, level: "warning", pack: false });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  it("can be imported by its name, and gives the public API", () => {
    const script = `const api = await import("${pkg.name}"); console.log(Object.keys(api).sort().join());`;
    const printed = execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: ROOT, encoding: "utf8" });
    expect(printed.trim()).toBe("BatchPredictError,ERROR_CODES,inspect,plan,run");
  });
});

describe("what is packed", () => {
  const [packed] = JSON.parse(
    execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }),
  ) as [{ files: { path: string }[]; unpackedSize: number }];
  const names = new Set(packed.files.map((file) => file.path));

  it("is what package.json lists", () => {
    expect(pkg.files.filter((name) => !existsSync(inRoot(name)))).toEqual([]);
    for (const name of ["README.md", "CHANGELOG.md", "LICENSE", "package.json", pkg.bin.batchpredict!])
      expect(names).toContain(name);
  });

  it("holds everything that a run needs", () => {
    const targets = Object.values(pkg.imports).map((target) => path.posix.normalize(target));
    const declarations = filesOf("src")
      .filter((file) => file.endsWith(".ts") && !file.startsWith("src/kernels/"))
      .map((file) => file.replace(/^src/, "dist").replace(/\.ts$/, ".d.ts"));
    const parts = [...names]
      .filter((file) => file.startsWith("dist/") && file.endsWith(".js"))
      .flatMap((file) =>
        [...read(file).matchAll(/\b(?:from|import\() ?"(\.[^"]+\.js)"/g)].map(([, to]) =>
          path.posix.join(path.posix.dirname(file), to!),
        ),
      );
    expect(parts.length).toBeGreaterThan(50);
    const needed = [...targets, ...parts, ...declarations, ...filesOf("jobs"), ...filesOf("fixtures")];
    expect(needed.filter((file) => !names.has(file))).toEqual([]);
  });

  it("carries the licences of the packages whose code it carries", () => {
    const notices = read("dist/THIRD-PARTY-NOTICES.txt");
    expect(
      ["apache-arrow", "csv-parse", "commander", "zod", "fast-glob"].filter((name) => notices.includes(`\n${name} `)),
    ).toEqual(["apache-arrow", "csv-parse", "commander", "zod"]);
    expect(notices).toContain("Apache Software Foundation");
  });

  it("holds nothing else", () => {
    expect(
      [...names].filter((name) => /^(src|test|\.ci|predictions)\/|\.tgz$|\.ya?ml$/.test(name) && !name.startsWith("jobs/")),
    ).toEqual([]);
    expect(packed.unpackedSize).toBeLessThan(10_000_000);
  });
});

describe("the lockfile", () => {
  const lock = JSON.parse(read("package-lock.json")) as {
    packages: Record<string, { resolved?: string; integrity?: string; link?: boolean }>;
  };

  it("names no registry, so that every mirror serves it", () => {
    expect(Object.entries(lock.packages).filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
    expect(read("package-lock.json")).not.toMatch(/https?:\/\/[^"/]*(registry|npm)[^"/]*\//);
  });

  it("has a checksum of every package", () => {
    const without = Object.entries(lock.packages).filter(([name, { integrity }]) => name !== "" && integrity === undefined);
    expect(without).toEqual([]);
  });
});

describe("the repository", () => {
  it("names no path of the machine it was made on", () => {
    // In pieces, or this file would name them.
    const machine = new RegExp(["work", "root", "opt/pv"].map((folder) => `(?<![\\w.~$}-])/${folder}/`).join("|"));
    const found = filesOf("").filter((file) => machine.test(readFileSync(inRoot(file), "latin1")));
    expect(found).toEqual([]);
  });
});

describe("the documents", () => {
  const readme = read("README.md");
  const ci = read(".ci/run");
  const shell = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1]!.trim());
  const jobs = readdirSync(inRoot("jobs")).map((name) => path.parse(name).name);

  it("README's first command runs a shipped job, its second passes the tests", () => {
    const [first, second] = shell;
    expect(first?.split("\n")).toHaveLength(1);
    expect(second?.split("\n")).toHaveLength(1);
    const job = /^npm (?:install|ci) && .*\bbatchpredict(?:\.js)? run ([\w-]+)$/.exec(first!)?.[1];
    expect(jobs).toContain(job);
    expect(second).toMatch(/^npm (?:install|ci) && npm test$/);
  });

  it(".ci/run runs README's commands as they are printed there", () => {
    expect(ci).toContain("README.md");
    expect([...ci.matchAll(/readme_command (\d)\)/g)].map((match) => match[1])).toEqual(["1", "2"]);
    const script = (n: number): string => {
      const awk = /^readme_command\(\) \{[\s\S]*?^\}$/m.exec(ci)![0];
      return execFileSync("bash", ["-euo", "pipefail", "-c", `${awk}\nreadme_command ${n}`], {
        cwd: ROOT,
        encoding: "utf8",
      }).trim();
    };
    expect([script(1), script(2)]).toEqual(shell.slice(0, 2));
  });

  it("name only files that are there", () => {
    const missing = ["README.md", "ARCHITECTURE.md", "fixtures/README.md", ".ci/run"].flatMap((document) =>
      [...read(document).matchAll(/(?<!usr\/)\b(?:fixtures|jobs|bin|src|test)\/[\w./-]*\w/g)]
        .map(([name]) => name)
        .filter((name) => !existsSync(inRoot(name)))
        .map((name) => `${document}: ${name}`),
    );
    expect(missing).toEqual([]);
  });

  it("link only to files that are there", () => {
    const targets = [...readme.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1]!)
      .filter((target) => !/^https?:/.test(target));
    expect(targets.filter((target) => !existsSync(inRoot(target)))).toEqual([]);
  });

  it("ARCHITECTURE.md names every folder of src", () => {
    const folders = readdirSync(inRoot("src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const architecture = read("ARCHITECTURE.md");
    expect(folders.map(({ name }) => name).filter((name) => !architecture.includes(`\`${name}/\``))).toEqual([]);
  });

  it("README tells of every command", () => {
    const help = execFileSync(process.execPath, [inRoot(pkg.bin.batchpredict!), "--help"], { encoding: "utf8" });
    const listed = /^Commands:\n([\s\S]*?)(?:\n\n|$)/m.exec(help)![1]!;
    const commands = [...listed.matchAll(/^ {2}([a-z]+)\b/gm)].map((match) => match[1]!).filter((name) => name !== "help");
    expect(commands).toContain("run");
    expect(commands.filter((name) => !readme.includes(`batchpredict ${name}`))).toEqual([]);
  });
});
