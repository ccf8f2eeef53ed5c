/** The user's module: its hash, and the function it exports. The only place where code of users is loaded. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
// The build without WebAssembly: it needs no moment to start.
import { parse } from "es-module-lexer/js";
import { isErrno } from "../core/errors.ts";
import { loadModule } from "../core/load-module.ts";
import type { Transform, TransformFile } from "../core/transform.ts";
import { lineIn, messageOf, transformError } from "./transform-error.ts";

/**
 * The module and what it imports by a relative path, found in its text and in theirs; packages are not followed. A file that is not there is
 * the import's fault, and told when the module is loaded.
 * @throws BP_TRANSFORM when the module itself cannot be read
 */
export async function describeTransform(path: string): Promise<TransformFile> {
  const hashes = new Map<string, string>();
  const visit = async (file: string): Promise<void> => {
    if (hashes.has(file)) return;
    const text = await readModule(file, file === path);
    hashes.set(file, text === null ? "absent" : createHash("sha256").update(text).digest("hex"));
    if (text === null || !/\.[cm]?js$/i.test(file)) return;
    for (const specifier of relativeImports(text.toString("utf8"))) {
      const url = new URL(specifier, pathToFileURL(file));
      url.search = "";
      await visit(fileURLToPath(url));
    }
  };
  await visit(path);
  const own = hashes.get(path)!;
  const imports = [...hashes.keys()].filter((file) => file !== path).sort();
  if (imports.length === 0) return { path, sha256: own, imports };
  const all = createHash("sha256").update(own);
  // By their place beside the module: a moved folder holds the same transform.
  for (const file of imports) all.update(`\n${relative(dirname(path), file).split(sep).join("/")} ${hashes.get(file)}`);
  return { path, sha256: all.digest("hex"), imports };
}

async function readModule(file: string, isEntry: boolean): Promise<Buffer | null> {
  try {
    return await readFile(file);
  } catch (error) {
    if (!isEntry) return null;
    const absent = isErrno(error, "ENOENT");
    throw transformError(absent ? "the transform does not exist" : "the transform cannot be read", file, {
      actual: messageOf(error),
      hints: ["check transform: in the job file; its path is relative to that file"],
      cause: error,
    });
  }
}

/** Static imports, re-exports, and `import()` of a plain text. A text that is no JavaScript has none; loading it says why. */
function relativeImports(text: string): string[] {
  try {
    const [imports] = parse(text);
    return imports.flatMap(({ n }) => (n !== undefined && /^\.\.?\//.test(n) ? [n] : []));
  } catch {
    return [];
  }
}

/** @throws BP_TRANSFORM: changed since it was hashed, no JavaScript module, no function as its default export */
export async function loadTransform({ path, sha256, imports }: TransformFile): Promise<Transform> {
  const { sha256: found } = await describeTransform(path);
  if (found !== sha256) {
    const what = imports.length > 0 ? "the transform, or a file that it imports," : "the transform";
    throw transformError(`${what} was changed while the run started`, path, {
      expected: `SHA-256 ${sha256}`,
      actual: `SHA-256 ${found}`,
      hints: ["run again: the run then uses the new one from its first row"],
    });
  }
  let module: { default?: unknown };
  try {
    module = (await loadModule(pathToFileURL(path).href)) as { default?: unknown };
  } catch (error) {
    const line = lineIn(error, path);
    throw transformError("the transform cannot be loaded", path, {
      ...(line === null ? {} : { where: { line } }),
      actual: `${(error as Error | null)?.name ?? "error"}: ${messageOf(error)}`,
      hints: ["it must be an ES module in JavaScript (.mjs), with its imports beside it or installed"],
      cause: error,
    });
  }
  if (typeof module.default === "function") return module.default as Transform;
  throw transformError("the transform has no function as its default export", path, {
    expected: "export default function (batch) { return { columns: { ... } }; }",
    actual: module.default === undefined ? "no default export" : `a default export of type ${typeof module.default}`,
    hints: ["export the function as default"],
  });
}
