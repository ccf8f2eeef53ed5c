/** What `bin/batchpredict.js` starts with. */
import { nodeHost } from "../cli/node-host.ts";
import { loadBundle } from "./load-bundle.ts";
import { likelyThreads, StartedThreads } from "./threads-ahead.ts";

export async function start(argv: readonly string[]): Promise<void> {
  const threads = new StartedThreads(likelyThreads(argv, nodeHost()));
  const [command = ""] = argv;
  const { exports, keepCode } = loadBundle<typeof import("../cli/main.ts")>(
    "command-line",
    /^[a-z]{3,9}$/.test(command) ? command : "any",
  );
  process.exitCode = await exports.main(argv, threads);
  threads.dismiss();
  // A command that does not exist is not worth keeping.
  if (process.exitCode === 0) keepCode();
}
