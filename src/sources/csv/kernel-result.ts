/** One chunk as the kernel left it: exceptions are settled by the text table, columns taken out as views into its memory. */
import { type Data, Float64, Int64, makeData, Utf8 } from "apache-arrow";
import type { BindingPlan } from "../../core/binding-plan.ts";
import type { DecodedChunk, TensorData } from "../../core/chunk.ts";
import { BatchPredictError } from "../../core/errors.ts";
import type { SourceDescription } from "../../core/source.ts";
import { allocateTensor, type TensorArray, type TensorType } from "../../core/tensor-types.ts";
import { type KeptTextType, keptFromText } from "../../values/kept-text.ts";
import { CELL_OK } from "../../values/text-cells.ts";
import type { SlotTallies, TensorFiller } from "./fill-tensors.ts";
import { ACTION_BYTES, DOUBLED, type KernelAction, type KernelPlan, KIND, keptTextType } from "./kernel-layout.ts";
import type { CsvKernel } from "./kernel-module.ts";

/** Addresses of everything for an input of one length. */
export interface Layout {
  maxRows: number;
  /** Per tensor in the kernel's memory, else -1. */
  tensors: number[];
  /** Per action: destination, bitmap (-1: none), offsets (-1: none). */
  destinations: number[];
  bitmaps: number[];
  offsets: number[];
  textPool: number;
  exceptions: number;
  maxExceptions: number;
  /** First byte of each record, u32. */
  starts: number;
  /** Room for a second input as long as the first: the good records of a chunk with bad ones. */
  spare: number;
  end: number;
}

export class KernelResult {
  private readonly rows: number;
  private readonly tensors: TensorData[];
  private readonly tallies: SlotTallies;
  /** Texts of kept columns that the kernel only points at. */
  private readonly keptTexts = new Map<number, string[][]>();

  constructor(
    private readonly description: SourceDescription,
    private readonly plan: BindingPlan,
    private readonly known: KernelPlan,
    private readonly filler: TensorFiller,
    private readonly nulls: ReadonlySet<string>,
    private readonly kernel: CsvKernel,
    private readonly layout: Layout,
    private readonly memory: Buffer,
    private readonly actionTable: number,
  ) {
    const rows = kernel.rows.value;
    this.rows = rows;
    this.tallies = filler.tallies();
    this.tensors = plan.inputs.map(({ input, type, rowSize }, index) => {
      const address = layout.tensors[index]!;
      const data =
        address < 0 ? allocateTensor(type, rows * rowSize) : viewOf(type, memory.buffer as ArrayBuffer, address, rows * rowSize);
      return { input, type, data };
    });
  }

  /**
   * Rows with a cell that their column cannot take, ascending; the reference says which and why. To be called once, before `collect`,
   * which holds only when there are none.
   */
  badRows(): number[] {
    const bad = this.settleExceptions();
    for (const [action, texts] of this.keptTexts) {
      const type = this.keptTypeOf(this.known.actions[action]!.kept!);
      for (const row of keptFromText(type, texts, 0, this.description.dialect!).badRows) bad.add(row);
    }
    return [...bad].sort((a, b) => a - b);
  }

  collect(length: number, linesBefore: number): DecodedChunk {
    const { rows, kernel, known } = this;
    known.actions.forEach(({ slot }, action) => {
      if (slot === null) return;
      this.tallies.missing[slot]! += this.word(action, 4);
      this.tallies.inexact[slot]! += this.word(action, 12);
    });
    const kept: Data[] = [];
    let pool = this.layout.textPool;
    for (const [action, { kept: column }] of known.actions.entries()) {
      if (column === null) continue;
      const { data, poolBytes } = this.keptData(action, column, pool);
      kept[column] = data;
      pool += poolBytes;
    }
    return {
      rowsRead: rows,
      rows,
      sourceRows: null,
      tensors: this.tensors,
      kept,
      rejects: [],
      counts: this.filler.countsOf(this.tallies),
      lines: linesBefore + kernel.lines.value,
      bytes: length,
    };
  }

  private settleExceptions(): Set<number> {
    const bad = new Set<number>();
    const count = this.kernel.exceptions.value;
    const { memory, known } = this;
    const words = new Uint32Array(memory.buffer, this.layout.exceptions, count * 4);
    for (let word = 0; word < words.length; word += 4) {
      const row = words[word]!;
      const index = words[word + 1]!;
      const action = known.actions[index]!;
      const text = this.text(words[word + 2]!, words[word + 3]!);
      const settled = action.slot === null ? this.settleKept(action, index, row, text) : this.settleInput(action.slot, row, text);
      if (!settled) bad.add(row);
    }
    return bad;
  }

  private settleInput(s: number, row: number, text: string): boolean {
    const slot = this.filler.slots[s]!;
    const out = this.tensors[slot.tensor]!.data;
    const at = row * slot.stride + slot.offset;
    const status = slot.write(text, out, at);
    return status === CELL_OK || this.filler.settle(s, status, text, out, at, this.tallies);
  }

  private settleKept(action: KernelAction, index: number, row: number, text: string): boolean {
    if (action.kind === KIND.keepText) {
      if (this.nulls.has(text)) this.setNull(index, row);
      return true;
    }
    if (action.kind === KIND.exception) {
      const texts = this.keptTexts.get(index) ?? [];
      if (texts.length === 0) this.keptTexts.set(index, texts);
      texts.push([text]);
      return true;
    }
    const type = action.kind === KIND.keepInt64 ? "int64" : "float64";
    const { data } = keptFromText(type, [[text]], 0, this.description.dialect!);
    if (data === null) return false;
    const address = this.layout.destinations[index]! + row * 8;
    if (data.nullCount > 0) {
      this.memory.fill(0, address, address + 8);
      this.setNull(index, row);
    } else this.memory.set(new Uint8Array(data.values.buffer, data.values.byteOffset, 8), address);
    return true;
  }

  private setNull(index: number, row: number): void {
    this.memory[this.layout.bitmaps[index]! + (row >> 3)]! &= ~(1 << (row & 7));
    const nullCount = this.actionTable + index * ACTION_BYTES + 20;
    this.memory.writeUInt32LE(this.memory.readUInt32LE(nullCount) + 1, nullCount);
  }

  private keptData(index: number, column: number, pool: number): { data: Data; poolBytes: number } {
    const { rows: length, layout, kernel } = this;
    const { kind } = this.known.actions[index]!;
    const buffer = this.memory.buffer as ArrayBuffer;
    const address = layout.destinations[index]!;
    if (kind === KIND.exception) {
      const { data } = keptFromText(this.keptTypeOf(column), this.keptTexts.get(index) ?? [], 0, this.description.dialect!);
      if (data === null) throw new BatchPredictError("BP_INTERNAL", "a kept column was taken out before its bad rows");
      return { data, poolBytes: 0 };
    }
    const nullCount = this.word(index, 5);
    const validity = nullCount === 0 ? {} : { nullBitmap: new Uint8Array(buffer, layout.bitmaps[index]!, (length + 7) >> 3) };
    if (kind === KIND.keepInt64) {
      const data = makeData({
        type: new Int64(),
        length,
        nullCount,
        ...validity,
        data: new BigInt64Array(buffer, address, length),
      });
      return { data, poolBytes: 0 };
    }
    if (kind === KIND.keepFloat64) {
      const data = makeData({
        type: new Float64(),
        length,
        nullCount,
        ...validity,
        data: new Float64Array(buffer, address, length),
      });
      return { data, poolBytes: 0 };
    }
    const poolBytes = kernel.gather(address, length, pool, layout.offsets[index]!, this.known.quote);
    const valueOffsets = new Int32Array(buffer, layout.offsets[index]!, length + 1);
    const data = makeData({
      type: new Utf8(),
      length,
      nullCount,
      ...validity,
      valueOffsets,
      data: new Uint8Array(buffer, pool, poolBytes),
    });
    return { data, poolBytes };
  }

  private keptTypeOf(column: number): KeptTextType {
    return keptTextType(this.plan.keep[column]!, this.description);
  }

  /** A counter of an action, as the kernel left it. */
  private word(action: number, word: number): number {
    return this.memory.readUInt32LE(this.actionTable + action * ACTION_BYTES + word * 4);
  }

  private text(start: number, endAndFlag: number): string {
    const doubled = endAndFlag >= DOUBLED;
    const text = this.memory.toString("utf8", start, doubled ? endAndFlag - DOUBLED : endAndFlag);
    if (!doubled) return text;
    const quote = String.fromCharCode(this.known.quote);
    return text.replaceAll(quote + quote, quote);
  }
}

function viewOf(type: TensorType, buffer: ArrayBuffer, address: number, elements: number): TensorArray {
  const Constructor = allocateTensor(type, 0).constructor as new (
    buffer: ArrayBuffer,
    offset: number,
    length: number,
  ) => Float32Array;
  return new Constructor(buffer, address, elements);
}
