import { BatchPredictError, type ErrorDetails } from "../core/errors.ts";

export function transformError(message: string, file: string, details: ErrorDetails = {}): BatchPredictError {
  return new BatchPredictError("BP_TRANSFORM", message, { ...details, where: { file, ...details.where } });
}

/** A fault of one row of a batch: its place in the input is found by whoever knows it. */
export class RowFault {
  readonly row: number;
  readonly message: string;
  readonly details: Pick<ErrorDetails, "expected" | "actual" | "hints">;
  readonly column: string | null;

  constructor(row: number, message: string, column: string | null, details: RowFault["details"] = {}) {
    this.row = row;
    this.message = message;
    this.column = column;
    this.details = details;
  }
}

/** What the user's code threw, as a fault of one row when it names one. Objects from the module are taken as they come. */
export function rowFaultOf(thrown: unknown, rows: number): RowFault | null {
  if (thrown instanceof RowFault) return thrown;
  const row = (thrown as { row?: unknown } | null | undefined)?.row;
  if (typeof row !== "number" || !Number.isInteger(row) || row < 0 || row >= rows) return null;
  return new RowFault(row, `the transform refuses this row: ${messageOf(thrown)}`, null);
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** `features.mjs:12:5` of a stack, the line in the user's own file. */
export function lineIn(thrown: unknown, path: string): number | null {
  const stack = thrown instanceof Error ? (thrown.stack ?? "") : "";
  const name = path.split(/[\\/]/).at(-1)!;
  const at = stack.split("\n").find((line) => line.includes(`${encodeURI(name)}:`) || line.includes(`${name}:`));
  const line = /:(\d+):\d+\)?$/.exec(at?.trim() ?? "")?.[1];
  return line === undefined ? null : Number(line);
}
