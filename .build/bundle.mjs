/**
 * src -> dist, one file per part of the program that is loaded on its own. Loading 300 small modules in three threads took longer than scoring
 * 100,000 rows; as some 60 files the same code starts in two thirds of the time. Packages with native or WebAssembly parts stay packages.
 */
import fs from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const PACKAGES = ["onnxruntime-node", "better-sqlite3", "parquet-wasm"];

/** CommonJS packages ask for `require`, which ES modules have not. */
const REQUIRE =
  'import { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);';

fs.rmSync("dist", { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: ["src/index.ts", "src/cli/main.ts", "src/predict/worker-entry.ts", "src/sinks/sink-entry.ts"],
  outdir: "dist",
  outbase: "src",
  chunkNames: "parts/[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  mainFields: ["module", "main"],
  external: PACKAGES,
  banner: { js: REQUIRE },
  metafile: true,
  logLevel: "warning",
});

/** What of others is inside dist must go with their words: licence and notice of every package that has code there. */
const packages = new Set(
  Object.values(metafile.outputs)
    .flatMap((output) => Object.keys(output.inputs))
    .flatMap((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []),
);
const notices = [...packages].sort().map((folder) => {
  const { name, version, license } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
  const words = fs
    .readdirSync(folder)
    .filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
    .sort()
    .map((file) => fs.readFileSync(path.join(folder, file), "utf8").trim());
  return [`${name} ${version} (${license})`, ...words].join("\n\n");
});
fs.writeFileSync("dist/THIRD-PARTY-NOTICES.txt", `${notices.join(`\n\n${"-".repeat(80)}\n\n`)}\n`);
