/** Given to bundles by `start/load-bundle.ts`: in a script with compiled code Node has no `import()` without a warning. */
declare const __import: ((url: string) => Promise<unknown>) | undefined;

/** An ES module that is nobody's dependency: the job's own. @param url of a file */
export function loadModule(url: string): Promise<unknown> {
  return typeof __import === "function" ? __import(url) : import(url);
}
