import { failpoint } from "../core/failpoint.ts";

/**
 * The last thing the process does: a kill before it finds the run done when the same command is given again, and rows are never
 * appended twice. Between this and the exit code lies no more than the end of the process.
 */
export function releaseAtExit(release: () => void): void {
  process.once("exit", () => {
    failpoint("told");
    release();
  });
}
