/**
 * The reference decoder: csv-parse cuts the records, the text table fills the tensors. Rows that fail are found in a first pass; where
 * there are any, the good rows are filled again, so that clean chunks pay nothing for them. Positions are searched only for rejects.
 */
import { isUtf8 } from "node:buffer";
import type { Data } from "apache-arrow";
import type { BindingPlan } from "../../core/binding-plan.ts";
import type { DecodedChunk } from "../../core/chunk.ts";
import type { CsvDialect, SourceColumn, SourceDescription } from "../../core/source.ts";
import { type KeptTextType, keptFromText } from "../../values/kept-text.ts";
import { type CellSplitter, cellSplitter } from "./csv-options.ts";
import type { CsvDecoder } from "./decoder.ts";
import { codecOf, isTranscoded, type TextCodec } from "./encoding.ts";
import { type Filled, TensorFiller } from "./fill-tensors.ts";
import { placeComplaints } from "./places.ts";
import { countLines, type Tokens, tokensOf } from "./records.ts";
import { badInput, badKept, type Complaint, notUtf8, wrongWidth } from "./rejects.ts";

interface Kept {
  column: string;
  index: number;
  type: KeptTextType;
}

interface Bound {
  filled: Filled;
  kept: (Data | null)[];
  /** By position in the records given. */
  complaints: Map<number, Complaint>;
}

export class CsvParseDecoder implements CsvDecoder {
  private readonly dialect: CsvDialect;
  private readonly columns: SourceColumn[];
  private readonly split: CellSplitter;
  private readonly codec: TextCodec;
  private readonly tokens: Tokens;
  private readonly filler: TensorFiller;
  private readonly kept: Kept[];
  /** Columns whose text is used. */
  private readonly used: number[];
  private readonly stopAtFirst: boolean;
  private readonly utf8: boolean;

  constructor(description: SourceDescription, plan: BindingPlan) {
    this.dialect = description.dialect!;
    this.columns = description.columns;
    this.split = cellSplitter(this.dialect);
    this.codec = codecOf(this.dialect.encoding);
    this.tokens = tokensOf(this.dialect);
    this.filler = new TensorFiller(plan, this.dialect);
    this.kept = plan.keep.map(({ column, index, type }) => ({
      column,
      index,
      type: type === "source" ? sourceKept(this.columns[index]!) : type,
    }));
    const bound = plan.inputs.flatMap(({ from }) => (from.kind === "columns" ? from.columns.map(({ index }) => index) : []));
    this.used = [...new Set([...bound, ...this.kept.map(({ index }) => index)])];
    this.stopAtFirst = plan.onError === "fail";
    this.utf8 = this.dialect.encoding === "utf-8" || isTranscoded(this.dialect.encoding);
  }

  decode(bytes: Uint8Array, byteStart: number, linesBefore: number, check?: () => void): DecodedChunk {
    check?.();
    const complaints: Complaint[] = [];
    const records = this.records(bytes, complaints);
    let rowsRead = records.length;
    let rows: number[] | null = null;
    const width = this.columns.length;
    const refused = new Set(complaints.map(({ rowInChunk }) => rowInChunk));
    for (let row = 0; row < records.length; row++) {
      if (records[row]!.length === width) continue;
      // The width comes first: it is the cause of whatever else is wrong with the record.
      if (refused.has(row))
        complaints.splice(
          complaints.findIndex(({ rowInChunk }) => rowInChunk === row),
          1,
        );
      refused.add(row);
      complaints.push(wrongWidth(row, records[row]!.length, this.columns, this.dialect));
    }
    if (refused.size > 0) rows = without(records.length, refused);
    let good = rows === null ? records : rows.map((row) => records[row]!);
    let bound = this.bind(good);
    if (bound.complaints.size > 0 || refused.size > 0) {
      for (const [at, complaint] of bound.complaints) {
        const row = rows === null ? at : rows[at]!;
        complaints.push({ ...complaint, rowInChunk: row });
        refused.add(row);
      }
      complaints.sort((a, b) => a.rowInChunk - b.rowInChunk);
      if (this.stopAtFirst) {
        complaints.length = 1;
        rowsRead = complaints[0]!.rowInChunk + 1;
      }
      rows = without(rowsRead, refused);
      if (bound.complaints.size > 0 || this.stopAtFirst) {
        good = rows.map((row) => records[row]!);
        bound = this.bind(good);
      }
    }
    return {
      rowsRead,
      rows: good.length,
      sourceRows: rows === null ? null : Uint32Array.from(rows),
      tensors: bound.filled.tensors,
      kept: bound.kept as Data[],
      rejects: placeComplaints(complaints, bytes, this.tokens, this.codec, byteStart, linesBefore),
      counts: bound.filled.counts,
      lines: linesBefore + countLines(bytes, 0, bytes.length, this.tokens.newline),
      bytes: bytes.length,
    };
  }

  /** Cells as text. Bytes that are not UTF-8 are never replaced unseen: only then is each used cell checked on its own. */
  private records(bytes: Uint8Array, complaints: Complaint[]): string[][] {
    if (this.utf8 && !isUtf8(bytes)) return this.checkedRecords(bytes, complaints);
    const records = this.split(bytes);
    const { finish } = this.codec;
    if (finish !== null) {
      for (const index of this.used) {
        for (const record of records) if (index < record.length) record[index] = finish(record[index]!);
      }
    }
    return records;
  }

  private checkedRecords(bytes: Uint8Array, complaints: Complaint[]): string[][] {
    const records = this.split(bytes, "latin1");
    for (const [row, record] of records.entries()) {
      let sound = true;
      for (const index of this.used) {
        if (index >= record.length) continue;
        const raw = Buffer.from(record[index]!, "latin1");
        record[index] = raw.toString("utf8");
        if (sound && !isUtf8(raw)) {
          complaints.push(notUtf8(row, this.columns[index]!.name, index, record[index]!));
          sound = false;
        }
      }
    }
    return records;
  }

  private bind(records: readonly (readonly string[])[]): Bound {
    const complaints = new Map<number, Complaint>();
    const filled = this.filler.fill(records);
    for (const cell of filled.bad) complaints.set(cell.row, badInput(cell.row, cell, this.dialect));
    const kept = this.kept.map(({ column, index, type }) => {
      const { data, badRows } = keptFromText(type, records, index, this.dialect);
      for (const row of badRows) {
        if (!complaints.has(row)) complaints.set(row, badKept(row, column, index, type, records[row]![index]!));
      }
      return data;
    });
    return { filled, kept, complaints };
  }
}

function sourceKept(column: SourceColumn): KeptTextType {
  return column.keptType === "source" ? "utf8" : column.keptType;
}

function without(rows: number, refused: ReadonlySet<number>): number[] {
  const left: number[] = [];
  for (let row = 0; row < rows; row++) if (!refused.has(row)) left.push(row);
  return left;
}
