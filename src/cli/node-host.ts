import { availableParallelism } from "node:os";
import type { Host } from "../core/host.ts";

/** The real machine. */
export function nodeHost(): Host {
  return {
    nowMs: () => performance.now(),
    date: () => new Date(),
    // Kilobytes on every platform Node supports.
    peakMemoryBytes: () => process.resourceUsage().maxRSS * 1024,
    cores: availableParallelism(),
    cwd: process.cwd(),
    env: process.env,
    stdin: () => process.stdin,
  };
}
