import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import type { Host } from "../core/host.ts";
import type { ThreadsAhead } from "../core/thread.ts";

let threadsAhead: ThreadsAhead | undefined;

/** Whoever runs first in this process gets them. */
export function useThreadsAhead(threads: ThreadsAhead): void {
  threadsAhead = threads;
}

/** The real machine. */
export function nodeHost(): Host {
  return {
    ...(threadsAhead ? { threadsAhead } : {}),
    nowMs: () => performance.now(),
    date: () => new Date(),
    peakMemoryBytes,
    containerMemoryBytes: containerMemoryBytes(),
    cores: availableParallelism(),
    cwd: process.cwd(),
    env: process.env,
    stdin: () => process.stdin,
  };
}

/** Linux counts the process that started this one into maxRSS: a large parent would be told as our peak. VmHWM begins with the program. */
function peakMemoryBytes(): number {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
    if (kib !== undefined) return Number(kib) * 1024;
  } catch {
    // No such file system here.
  }
  // Kilobytes on every platform Node supports.
  return process.resourceUsage().maxRSS * 1024;
}

/** Without a cgroup limit, Node gives 0, or a number beyond any machine. */
function containerMemoryBytes(): number | null {
  const bytes = process.constrainedMemory();
  return bytes > 0 && bytes < totalmem() ? bytes : null;
}
