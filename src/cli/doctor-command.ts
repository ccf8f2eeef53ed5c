/** What works here and what does not, each with its mend. */
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, totalmem } from "node:os";
import path from "node:path";
import { describeProviders, runtimeVersion } from "../model/session.ts";
import { formatBytes, formatTable } from "../report/format.ts";
import { PACKAGE_VERSION } from "../version.ts";
import type { Terminal } from "./terminal.ts";

interface Check {
  name: string;
  ok: boolean;
  detail: string;
  fix?: string;
}

export async function doctorCommand(terminal: Terminal, _args: string[], flags: Record<string, unknown>): Promise<number> {
  const checks: Check[] = [
    { name: "batchpredict", ok: true, detail: PACKAGE_VERSION },
    nodeCheck(),
    {
      name: "machine",
      ok: true,
      detail: `${process.platform} ${process.arch}, ${availableParallelism()} cores, ${formatBytes(totalmem())} of memory`,
    },
    await attempt("onnxruntime-node", "npm rebuild onnxruntime-node; on Linux it needs glibc 2.28 or newer", async () => {
      const providers = await describeProviders();
      const present = providers.filter(({ bundled }) => bundled).map(({ name }) => name);
      return `${runtimeVersion()}, backends ${present.join(", ")} (batchpredict uses cpu)`;
    }),
    await attempt(
      "better-sqlite3",
      "npm rebuild better-sqlite3; it compiles where no prebuilt binary fits (python3, make, g++)",
      async () => {
        const { default: Database } = await import("better-sqlite3");
        const database = new Database(":memory:");
        const { version } = database.prepare("SELECT sqlite_version() AS version").get() as { version: string };
        database.close();
        return `${installed("better-sqlite3")}, SQLite ${version}`;
      },
    ),
    await attempt("apache-arrow", "npm install", async () => {
      await import("apache-arrow");
      return installed("apache-arrow");
    }),
    await attempt("parquet-wasm", "npm install", async () => {
      await import("parquet-wasm");
      return installed("parquet-wasm");
    }),
    localeCheck(),
    stateCheck(path.resolve(process.cwd(), (flags.stateDir as string | undefined) ?? ".batchpredict")),
  ];
  const ok = checks.every((check) => check.ok);
  if (terminal.json) terminal.printJson({ ok, checks });
  else {
    const rows = checks.map((check) => [
      check.ok ? "ok" : "wrong",
      check.name,
      check.detail,
      check.fix && !check.ok ? `fix: ${check.fix}` : "",
    ]);
    terminal.print(formatTable(rows, "", 200));
  }
  return ok ? 0 : 2;
}

function nodeCheck(): Check {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  return { name: "node", ok, detail: process.versions.node, fix: "install Node.js 20.19 or newer" };
}

async function attempt(name: string, fix: string, probe: () => Promise<string>): Promise<Check> {
  try {
    return { name, ok: true, detail: await probe(), fix };
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? error.message.split("\n")[0]! : String(error), fix };
  }
}

/** Only models with text operators need it, so its absence is told, not counted as wrong. */
function localeCheck(): Check {
  const places = [process.env.LOCPATH, "/usr/lib/locale"].filter((place) => place !== undefined);
  const present = places.some(
    (place) => existsSync(path.join(place, "en_US.UTF-8")) || existsSync(path.join(place, "en_US.utf8")),
  );
  const detail = present
    ? "en_US.UTF-8 found"
    : "en_US.UTF-8 not seen: some text models (StringNormalizer) will not load without it";
  return { name: "locale", ok: true, detail };
}

function stateCheck(folder: string): Check {
  const fix = "choose a folder you may write to with --state-dir";
  const nearest = (place: string): string =>
    existsSync(place) || path.dirname(place) === place ? place : nearest(path.dirname(place));
  const place = nearest(folder);
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
    return { name: "state folder", ok: true, detail: place === folder ? folder : `${folder} (made when it is needed)`, fix };
  } catch {
    return { name: "state folder", ok: false, detail: `${place} is not writable`, fix };
  }
}

/** The version in the package's own file, found from where its code resolves: some packages do not export the file. */
function installed(name: string): string {
  let folder = path.dirname(createRequire(import.meta.url).resolve(name));
  for (;;) {
    const file = path.join(folder, "package.json");
    if (existsSync(file)) {
      const { name: found, version } = JSON.parse(readFileSync(file, "utf8")) as { name?: string; version?: string };
      if (found === name && version !== undefined) return version;
    }
    const up = path.dirname(folder);
    if (up === folder) return "version unknown";
    folder = up;
  }
}
