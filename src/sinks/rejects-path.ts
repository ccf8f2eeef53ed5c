import path from "node:path";
import type { SinkOptions } from "../core/sink.ts";

/** Where rejects go when the user did not say: `<output without extension>.rejects.csv`. null: not kept, or in the SQLite database. */
export function rejectsPath(options: SinkOptions): string | null {
  if (options.rejects === null) return null;
  if (options.rejects.path !== null) return options.rejects.path;
  if (options.format === "sqlite") return null;
  const { dir, name } = path.parse(options.path);
  return path.join(dir, `${name}.rejects.csv`);
}
