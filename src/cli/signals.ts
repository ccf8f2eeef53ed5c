/** The first SIGINT or SIGTERM asks the run to stop, the second stops the process at once. */
import type { Terminal } from "./terminal.ts";

export type StopSignal = "SIGINT" | "SIGTERM";

export const SIGNAL_EXIT: Record<StopSignal, number> = { SIGINT: 130, SIGTERM: 143 };

export interface SignalWatch {
  readonly signal: AbortSignal;
  /** Which one came, if any. */
  received(): StopSignal | null;
  release(): void;
}

export function watchSignals(terminal: Pick<Terminal, "say">): SignalWatch {
  const controller = new AbortController();
  let received: StopSignal | null = null;
  const onSignal = (name: StopSignal): void => {
    if (received !== null) {
      // The default action, not process.exit: exiting while the runtime computes in a thread aborts with a core dump.
      release();
      process.kill(process.pid, name);
      return;
    }
    received = name;
    terminal.say(`${name}: stopping after the chunks in flight (once more to stop at once)`);
    controller.abort();
  };
  const release = (): void => {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return { signal: controller.signal, received: () => received, release };
}
