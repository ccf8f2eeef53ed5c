/** The user's module: its hash, and the function it exports. The only place where code of users is loaded. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { isErrno } from "../core/errors.ts";
import type { Transform, TransformFile } from "../core/transform.ts";
import { lineIn, messageOf, transformError } from "./transform-error.ts";

/**
 * SHA-256 of the module file, hex. What it imports is not part of it.
 * @throws BP_TRANSFORM when there is no such file
 */
export async function transformSha256(path: string): Promise<string> {
  try {
    return createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
  } catch (error) {
    const absent = isErrno(error, "ENOENT");
    throw transformError(absent ? "the transform does not exist" : "the transform cannot be read", path, {
      actual: messageOf(error),
      hints: ["check transform: in the job file; its path is relative to that file"],
      cause: error,
    });
  }
}

/** @throws BP_TRANSFORM: changed since it was hashed, no JavaScript module, no function as its default export */
export async function loadTransform({ path, sha256 }: TransformFile): Promise<Transform> {
  const found = await transformSha256(path);
  if (found !== sha256) {
    throw transformError("the transform was changed while the run started", path, {
      expected: `SHA-256 ${sha256}`,
      actual: `SHA-256 ${found}`,
      hints: ["run again: the run then uses the new one from its first row"],
    });
  }
  let module: { default?: unknown };
  try {
    module = (await import(pathToFileURL(path).href)) as { default?: unknown };
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
