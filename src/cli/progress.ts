/** How a run shows that it lives: a bar on a terminal, plain lines in a log, nothing when told to be quiet. */
import { SingleBar } from "cli-progress";
import type { RunProgress } from "../core/events.ts";
import { formatBytes, formatCount, formatSeconds } from "../report/format.ts";
import { oneOf } from "./one-of.ts";
import type { Terminal } from "./terminal.ts";

const MODES = ["auto", "always", "never"] as const;
export type ProgressMode = (typeof MODES)[number];

/** @throws BP_USAGE */
export function progressMode(text = "auto"): ProgressMode {
  return oneOf(MODES, "--progress", text);
}

/** A line this often in a log, as often as a person reads one. */
const LINE_EVERY_MS = 5000;
const REDRAW_EVERY_MS = 200;

export interface ProgressView {
  update(progress: RunProgress): void;
  stop(): void;
}

const SILENT: ProgressView = { update: () => {}, stop: () => {} };

export function progressView(mode: ProgressMode, terminal: Terminal): ProgressView {
  if (mode === "never" || terminal.quiet) return SILENT;
  return terminal.interactive ? new Bar() : new Lines(terminal, mode === "always");
}

class Bar implements ProgressView {
  readonly #bar = new SingleBar({
    format: "{bar} {percentage}%  {text}",
    barCompleteChar: "\u2588",
    barIncompleteChar: "\u2591",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    fps: 1000 / REDRAW_EVERY_MS,
    stream: process.stderr,
  });
  #started = false;

  update(progress: RunProgress): void {
    const [done, total] = share(progress);
    if (!this.#started) this.#bar.start(total, done, { text: describe(progress) });
    this.#started = true;
    this.#bar.setTotal(total);
    this.#bar.update(done, { text: describe(progress) });
  }

  stop(): void {
    if (this.#started) this.#bar.stop();
  }
}

class Lines implements ProgressView {
  readonly #terminal: Terminal;
  #toldMs: number;

  /** @param atOnce the first line with the first chunk: whoever asks for progress also sees it of a short run */
  constructor(terminal: Terminal, atOnce: boolean) {
    this.#terminal = terminal;
    this.#toldMs = atOnce ? Number.NEGATIVE_INFINITY : performance.now();
  }

  update(progress: RunProgress): void {
    const now = performance.now();
    if (now - this.#toldMs < LINE_EVERY_MS) return;
    this.#toldMs = now;
    const [done, total] = share(progress);
    // Of a pipe nobody knows the size: 0 % to the end would be a lie.
    const known = progress.rowsTotal !== null || progress.bytesTotal !== null;
    this.#terminal.say(`${known ? `${Math.floor((100 * done) / Math.max(1, total))}%  ` : ""}${describe(progress)}`);
  }

  stop(): void {}
}

/** Bytes where they are known: a row estimate may be off, a size is not. */
function share({ bytesRead, bytesTotal, rowsRead, rowsTotal }: RunProgress): [number, number] {
  if (rowsTotal !== null && rowsTotal > 0) return [Math.min(rowsRead, rowsTotal), rowsTotal];
  if (bytesTotal !== null && bytesTotal > 0) return [Math.min(bytesRead, bytesTotal), bytesTotal];
  return [0, 1];
}

function describe({ rowsRead, rowsTotal, rowsRejected, rowsPerSecond, etaSeconds, bytesRead }: RunProgress): string {
  const rows = rowsTotal === null ? formatCount(rowsRead) : `${formatCount(rowsRead)} of ~${formatCount(rowsTotal)}`;
  const eta = etaSeconds === null ? "" : `, ${formatSeconds(etaSeconds)} left`;
  const rejected = rowsRejected > 0 ? `, ${formatCount(rowsRejected)} rejected` : "";
  return `${rows} rows, ${formatCount(rowsPerSecond)} rows/s, ${formatBytes(bytesRead)}${eta}${rejected}`;
}
