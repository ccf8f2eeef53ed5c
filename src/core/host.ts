import type { ThreadsAhead } from "./thread.ts";

/** What the outside world is to the rooms that may not touch `process`: passed in, so tests decide the time and the machine. */
export interface Host {
  /** Milliseconds of a clock that never jumps. */
  nowMs(): number;
  date(): Date;
  /** Highest resident memory of this process so far, bytes. */
  peakMemoryBytes(): number;
  /** Memory that the container (cgroup) of this process may take, bytes; absent or null: no limit below the machine's own memory. */
  containerMemoryBytes?: number | null;
  /** Cores this process may use. */
  cores: number;
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  stdin(): NodeJS.ReadableStream;
  /** Threads for this process's first run. */
  threadsAhead?: ThreadsAhead;
}
