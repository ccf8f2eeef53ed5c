/**
 * src -> dist. The library: ES modules, one per part of the program that is loaded on its own. The command line and the two threads: one script
 * each (`dist/bundles`), all in it, for `src/start` to load with the code that V8 compiled of it before. Packages with native or WebAssembly
 * parts stay packages; of ONNX Runtime only the native part.
 */
import { createHash } from "node:crypto";
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

/** Messages of the job schema's library in fifty languages, of which we ask for one. */
const englishOnly = {
  name: "english-only",
  setup(bundle) {
    bundle.onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
    }));
  },
};

const shared = {
  bundle: true,
  platform: "node",
  target: "node20.19",
  mainFields: ["module", "main"],
  metafile: true,
  logLevel: "warning",
  // Names stay: a stack is still to be read.
  minifyWhitespace: true,
  lineLimit: 160,
  plugins: [englishOnly],
};

const library = {
  ...shared,
  entryPoints: ["src/index.ts"],
  outdir: "dist",
  outbase: "src",
  splitting: true,
  chunkNames: "parts/[name]-[hash]",
  format: "esm",
  banner: { js: REQUIRE },
  external: PACKAGES,
};

const script = (entry, name, more = {}) => ({
  ...shared,
  entryPoints: [entry],
  outfile: `dist/bundles/${name}.cjs`,
  format: "cjs",
  charset: "ascii",
  external: PACKAGES,
  // What `src/start/load-bundle.ts` gives to the script.
  define: { "import.meta.url": "__url", "import.meta.resolve": "__resolve" },
  // In a script Node has `require` alone; what is to be imported all the same goes through src/core/load-module.ts.
  supported: { "dynamic-import": false },
  write: false,
  ...more,
});

const starter = (name) => ({
  ...shared,
  entryPoints: [`src/start/${name}.ts`],
  outfile: `dist/start/${name}.cjs`,
  format: "cjs",
  define: { "import.meta.resolve": "__resolve" },
  banner: { js: '"use strict";const __resolve=(id)=>require("node:url").pathToFileURL(require.resolve(id)).href;' },
});

fs.rmSync("dist", { recursive: true, force: true });
const scripts = await Promise.all([
  build(script("src/cli/main.ts", "command-line")),
  build(
    script("src/predict/worker-entry.ts", "predict-worker", {
      external: PACKAGES.filter((name) => name !== "onnxruntime-node"),
      plugins: [nativePart],
    }),
  ),
  build(script("src/sinks/sink-entry.ts", "sink-worker")),
]);
fs.mkdirSync("dist/bundles", { recursive: true });
for (const { path: file, contents } of scripts.flatMap(({ outputFiles }) => outputFiles)) {
  // Compiled code belongs to one text: its hash is the first line. What `src/start/load-bundle.ts` gives are the names of the function.
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 16);
  fs.writeFileSync(file, `//${hash}\n(function(exports,require,module,__filename,__dirname,__url,__resolve,__import){`);
  fs.appendFileSync(file, contents);
  fs.appendFileSync(file, "\n})");
}
const built = [
  ...scripts,
  ...(await Promise.all(
    [library, ...["command-line", "predict-worker", "sink-worker"].map(starter)].map((options) => build(options)),
  )),
];

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
