/** How time and memory grow with the rows: a start that every run has, and so much per row. */
import { statSync } from "node:fs";
import { type Contestant, measure } from "./measure.ts";

const MILLIONS = [1, 2, 5, 10];

export interface ThroughputParts {
  runs: number;
  scratch: string;
  /** @returns the file */
  input(rows: number): Promise<string>;
  contestant(name: string, input: string): Contestant;
}

/** Lines of a Markdown table; medians of runs in alternation. */
export async function throughputTable({ runs, scratch, input, contestant }: ThroughputParts): Promise<string[]> {
  const sizes = MILLIONS.map((millions) => millions * 1_000_000);
  const files: string[] = [];
  for (const rows of sizes) files.push(await input(rows));
  const measured = await measure(
    sizes.map((rows, at) => contestant(String(rows), files[at]!)),
    runs,
    scratch,
  );
  const further = measured.map(({ seconds }, at) =>
    at === 0 ? Number.NaN : (seconds - measured[at - 1]!.seconds) / (MILLIONS[at]! - MILLIONS[at - 1]!),
  );
  const [, ...known] = further;
  const spread = Math.max(...known) / Math.min(...known) - 1;
  return [
    "| rows | seconds | rows/s | seconds for each further million | MB/s | CPU s | peak memory |",
    "|---|---|---|---|---|---|---|",
    ...measured.map(({ seconds, cpuSeconds, peakBytes }, at) => {
      const rows = sizes[at]!;
      const rate = Math.round(statSync(files[at]!).size / 1e6 / seconds);
      const each = at === 0 ? "" : further[at]!.toFixed(3);
      return `| ${rows.toLocaleString("en-US")} | ${seconds.toFixed(2)} | ${(rows / seconds / 1e6).toFixed(2)} M | ${each} | ${rate} | ${cpuSeconds.toFixed(2)} | ${Math.round(peakBytes / 1e6)} MB |`;
    }),
    "",
    `What a million rows take behind the start differs by ${Math.round(spread * 100)} %, the machine's drift included.`,
  ];
}
