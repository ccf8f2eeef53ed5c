import { mkdirSync } from "node:fs";
import path from "node:path";
import { buildSync } from "esbuild";
import { ROOT } from "./corpora.ts";

/**
 * Makes one JavaScript file of a TypeScript program over modules of src, for a process that runs without the test runner. It lies in
 * the project, because `#predict-worker` and packages are found from there.
 *
 * @param contents the program; it imports by absolute path
 * @returns the file's absolute path
 */
export function childScript(name: string, contents: string): string {
  const folder = path.join(ROOT, ".bench/children");
  mkdirSync(folder, { recursive: true });
  const outfile = path.join(folder, `${name}-${process.pid}.mjs`);
  buildSync({
    stdin: { contents, loader: "ts", resolveDir: ROOT },
    outfile,
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    logLevel: "error",
  });
  return outfile;
}
