import { availableParallelism, totalmem } from "node:os";
import type { Host } from "../core/host.ts";

/** The real machine. */
export function nodeHost(): Host {
  return {
    nowMs: () => performance.now(),
    date: () => new Date(),
    // Kilobytes on every platform Node supports.
    peakMemoryBytes: () => process.resourceUsage().maxRSS * 1024,
    containerMemoryBytes: containerMemoryBytes(),
    cores: availableParallelism(),
    cwd: process.cwd(),
    env: process.env,
    stdin: () => process.stdin,
  };
}

/** Without a cgroup limit, Node gives 0, or a number beyond any machine. */
function containerMemoryBytes(): number | null {
  const bytes = process.constrainedMemory();
  return bytes > 0 && bytes < totalmem() ? bytes : null;
}
