/**
 * src -> dist. The command line and the library: one file per part of the program that is loaded on its own. The two threads: one file
 * each, all in it, because every module costs a thread a millisecond, and a run of a small file is mostly the loading of modules. Packages with
 * native or WebAssembly parts stay packages; of ONNX Runtime only the native part.
 */
import fs from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const PACKAGES = ["onnxruntime-node", "better-sqlite3", "parquet-wasm"];

/** CommonJS packages ask for `require`, which ES modules have not. */
const REQUIRE =
  'import { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);';

/** ONNX Runtime finds its native part by its place beside its own source; from a bundle it goes by the package's name. */
const nativePart = {
  name: "native-part",
  setup(bundle) {
    bundle.onLoad({ filter: /onnxruntime-node[\\/]dist[\\/]binding\.js$/ }, ({ path: file }) => {
      const text = fs.readFileSync(file, "utf8");
      const contents = text.replace("require(`../bin/", "require(`onnxruntime-node/bin/");
      if (contents === text) throw new Error(`${file} does not load its native part as it used to`);
      return { contents };
    });
  },
};

const shared = {
  outdir: "dist",
  outbase: "src",
  bundle: true,
  splitting: true,
  chunkNames: "parts/[name]-[hash]",
  format: "esm",
  platform: "node",
  target: "node20.19",
  mainFields: ["module", "main"],
  banner: { js: REQUIRE },
  metafile: true,
  logLevel: "warning",
};

fs.rmSync("dist", { recursive: true, force: true });
const built = await Promise.all([
  build({ ...shared, entryPoints: ["src/index.ts", "src/cli/main.ts"], external: PACKAGES }),
  ...["src/predict/worker-entry.ts", "src/sinks/sink-entry.ts"].map((entry) =>
    build({
      ...shared,
      entryPoints: [entry],
      external: PACKAGES.filter((name) => name !== "onnxruntime-node"),
      plugins: [nativePart],
    }),
  ),
]);

/** What of others is inside dist must go with their words: licence and notice of every package that has code there. */
const packages = new Set(
  built
    .flatMap(({ metafile }) => Object.values(metafile.outputs))
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
