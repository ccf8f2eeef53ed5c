/**
 * The quick decoder: the WebAssembly kernel parses plain records straight into tensor memory; cells it does not know are read here by
 * the text table; a chunk with anything else (a bad cell, an odd record, bytes that are not text) is decoded again by the reference.
 * One result, two speeds.
 *
 * Tensors and kept columns are views into the kernel's memory: they hold until the next `reserve` or `decode`.
 */
import { isAscii, isUtf8 } from "node:buffer";
import { type Data, Float64, Int64, makeData, Utf8 } from "apache-arrow";
import type { BindingPlan } from "../../core/binding-plan.ts";
import type { DecodedChunk, TensorData } from "../../core/chunk.ts";
import type { SourceDescription } from "../../core/source.ts";
import { allocateTensor, type TensorArray, type TensorType } from "../../core/tensor-types.ts";
import { keptFromText } from "../../values/kept-text.ts";
import { CELL_OK } from "../../values/text-cells.ts";
import { CsvParseDecoder } from "./csv-parse-decoder.ts";
import type { CsvDecoder, MakeCsvDecoder } from "./decoder.ts";
import { type SlotTallies, TensorFiller } from "./fill-tensors.ts";
import {
  ACTION_BYTES,
  COLUMN_BYTES,
  DOUBLED,
  EXCEPTION_BYTES,
  type KernelAction,
  type KernelPlan,
  KIND,
  keptTextType,
  kernelPlan,
} from "./kernel-layout.ts";
import { type CsvKernel, loadCsvKernel } from "./kernel-module.ts";

const PAGE_BYTES = 65536;
/** Room behind the input for the sentinel and for loads that look one byte ahead. */
const PAD_BYTES = 16;
const DONE = 0;

/** Addresses of everything for an input of one length. */
interface Layout {
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
  end: number;
}

/** @returns the kernel's decoder, or the reference where the kernel does not know the dialect */
export const makeKernelDecoder: MakeCsvDecoder = (description, plan) => {
  const known = kernelPlan(description, plan);
  const reference = new CsvParseDecoder(description, plan);
  return known === null ? reference : new KernelDecoder(description, plan, known, reference);
};

class KernelDecoder implements CsvDecoder {
  private readonly kernel: CsvKernel = loadCsvKernel();
  private readonly filler: TensorFiller;
  private readonly nulls: Set<string>;
  /** Tables lie first, the input behind them: its place is the same for every chunk. */
  private readonly columnTable: number;
  private readonly actionTable: number;
  private readonly input: number;
  private readonly width: number;

  constructor(
    private readonly description: SourceDescription,
    private readonly plan: BindingPlan,
    private readonly known: KernelPlan,
    private readonly reference: CsvDecoder,
  ) {
    this.filler = new TensorFiller(plan, description.dialect!);
    this.nulls = new Set(description.dialect!.nullValues);
    this.width = description.columns.length;
    this.columnTable = align(this.kernel.heapBase());
    this.actionTable = align(this.columnTable + this.width * COLUMN_BYTES);
    this.input = align(this.actionTable + known.actions.length * ACTION_BYTES);
    this.need(this.input);
    this.writeColumnTable();
  }

  /** Memory to read the next chunk into, so that it need not be copied. */
  reserve(length: number): Uint8Array {
    this.need(this.layout(length).end);
    return new Uint8Array(this.kernel.memory.buffer, this.input, length);
  }

  decode(bytes: Uint8Array, byteStart: number, linesBefore: number): DecodedChunk {
    return this.quick(bytes, linesBefore) ?? this.reference.decode(bytes, byteStart, linesBefore);
  }

  private quick(bytes: Uint8Array, linesBefore: number): DecodedChunk | null {
    const { known, kernel, input } = this;
    if (known.bytes === "utf-8" ? !isUtf8(bytes) : known.bytes === "ascii" && !isAscii(bytes)) return null;
    const layout = this.layout(bytes.length);
    const inPlace = bytes.buffer === kernel.memory.buffer && bytes.byteOffset === input;
    this.need(layout.end);
    const memory = Buffer.from(kernel.memory.buffer);
    if (!inPlace) memory.set(bytes, input);
    memory[input + bytes.length] = known.newline;
    this.writeActions(layout, memory);
    const stopped = kernel.parse(
      input,
      input + bytes.length,
      this.columnTable,
      this.actionTable,
      this.width,
      layout.maxRows,
      layout.exceptions,
      layout.maxExceptions,
      known.delimiter,
      known.quote,
      known.newline,
    );
    if (stopped !== DONE) return null;
    return new ChunkResult(this.description, this.plan, this.known, this.filler, this.nulls, kernel, layout, memory, {
      input,
      actions: this.actionTable,
    }).collect(bytes.length, linesBefore);
  }

  /** @param length bytes of input */
  private layout(length: number): Layout {
    const { actions } = this.known;
    // A record has a delimiter or newline per column, and one of a single column at least one byte more.
    const maxRows = Math.floor(length / Math.max(2, this.width)) + 2;
    let end = align(this.input + length + PAD_BYTES);
    const take = (bytes: number): number => {
      const at = end;
      end = align(end + bytes);
      return at;
    };
    const tensors = this.plan.inputs.map(({ type, rowSize }) => {
      const elementBytes = elementBytesOf(type);
      return elementBytes === 0 ? -1 : take(maxRows * rowSize * elementBytes);
    });
    const bitmapBytes = (maxRows + 7) >> 3;
    const destinations = actions.map((action) => {
      if (action.slot === null) return action.elementBytes === 0 ? 0 : take(maxRows * action.elementBytes);
      const { tensor, offset } = this.filler.slots[action.slot]!;
      return tensors[tensor]! < 0 ? 0 : tensors[tensor]! + offset * action.elementBytes;
    });
    const bitmaps = actions.map(({ kept, elementBytes }) => (kept === null || elementBytes === 0 ? -1 : take(bitmapBytes)));
    const offsets = actions.map(({ kind }) => (kind === KIND.keepText ? take((maxRows + 1) * 4) : -1));
    const texts = actions.filter(({ kind }) => kind === KIND.keepText).length;
    // All kept texts together are no longer than the input, unless a column is kept under two names.
    const textPool = take(texts === 0 ? 0 : length * texts);
    const maxExceptions = maxRows * actions.length;
    const exceptions = take(maxExceptions * EXCEPTION_BYTES);
    return { maxRows, tensors, destinations, bitmaps, offsets, textPool, exceptions, maxExceptions, end };
  }

  private need(end: number): void {
    const { memory } = this.kernel;
    const missing = end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
  }

  private writeColumnTable(): void {
    const table = new Uint32Array(this.kernel.memory.buffer, this.columnTable, (this.width * COLUMN_BYTES) / 4);
    const order = this.known.actions;
    let run = 0;
    for (let column = this.width - 1; column >= 0; column--) {
      const first = order.findIndex((action) => action.column === column);
      const count = order.filter((action) => action.column === column).length;
      const own = order[first];
      const next = order[first + 1];
      const joins = count === 1 && next?.column === column + 1 && this.areNeighbours(own!, next);
      run = count === 1 && own!.kind === KIND.float32 ? (joins ? run + 1 : 1) : 0;
      table.set([Math.max(0, first), count, run], (column * COLUMN_BYTES) / 4);
    }
  }

  /** Both fill elements of one tensor, the second right behind the first. */
  private areNeighbours(own: KernelAction, next: KernelAction): boolean {
    if (own.kind !== KIND.float32 || next.kind !== KIND.float32) return false;
    const [left, right] = [this.filler.slots[own.slot!]!, this.filler.slots[next.slot!]!];
    return left.tensor === right.tensor && left.offset + 1 === right.offset;
  }

  private writeActions(layout: Layout, memory: Buffer): void {
    this.known.actions.forEach((action, at) => {
      const base = this.actionTable + at * ACTION_BYTES;
      const stride = action.slot === null ? action.elementBytes : action.elementBytes * this.filler.slots[action.slot]!.stride;
      const bitmap = layout.bitmaps[at]!;
      [action.kind, layout.destinations[at]!, stride, action.flags, 0, 0, Math.max(0, bitmap), action.width].forEach(
        (value, word) => {
          memory.writeUInt32LE(value, base + word * 4);
        },
      );
      memory.writeBigInt64LE(action.min, base + 32);
      memory.writeBigInt64LE(action.max, base + 40);
      if (bitmap >= 0) memory.fill(0xff, bitmap, bitmap + ((layout.maxRows + 7) >> 3));
    });
  }
}

/** One parsed chunk: its exceptions settled, its columns taken out. */
class ChunkResult {
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
    private readonly at: { input: number; actions: number },
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

  /** @returns null when a cell is bad: the reference then says which and why */
  collect(length: number, linesBefore: number): DecodedChunk | null {
    const { rows, kernel, known } = this;
    if (!this.settleExceptions()) return null;
    known.actions.forEach(({ slot }, action) => {
      if (slot !== null) this.tallies.missing[slot]! += this.word(action, 4);
    });
    const kept: (Data | null)[] = [];
    let pool = this.layout.textPool;
    for (const [action, { kept: column }] of known.actions.entries()) {
      if (column === null) continue;
      const data = this.keptData(action, column, pool);
      if (data === null) return null;
      kept[column] = data.data;
      pool += data.poolBytes;
    }
    return {
      rowsRead: rows,
      rows,
      sourceRows: null,
      tensors: this.tensors,
      kept: kept as Data[],
      rejects: [],
      counts: this.filler.countsOf(this.tallies),
      lines: linesBefore + kernel.lines.value,
      bytes: length,
    };
  }

  private settleExceptions(): boolean {
    const count = this.kernel.exceptions.value;
    const { memory, known } = this;
    const words = new Uint32Array(memory.buffer, this.layout.exceptions, count * 4);
    for (let word = 0; word < words.length; word += 4) {
      const row = words[word]!;
      const index = words[word + 1]!;
      const action = known.actions[index]!;
      const text = this.text(words[word + 2]!, words[word + 3]!);
      if (!(action.slot === null ? this.settleKept(action, index, row, text) : this.settleInput(action.slot, row, text)))
        return false;
    }
    return true;
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
    const nullCount = this.at.actions + index * ACTION_BYTES + 20;
    this.memory.writeUInt32LE(this.memory.readUInt32LE(nullCount) + 1, nullCount);
  }

  private keptData(index: number, column: number, pool: number): { data: Data; poolBytes: number } | null {
    const { rows: length, layout, kernel } = this;
    const { kind } = this.known.actions[index]!;
    const buffer = this.memory.buffer as ArrayBuffer;
    const address = layout.destinations[index]!;
    if (kind === KIND.exception) {
      const type = keptTextType(this.plan.keep[column]!, this.description);
      const { data } = keptFromText(type, this.keptTexts.get(index) ?? [], 0, this.description.dialect!);
      return data && { data, poolBytes: 0 };
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

  /** A counter of an action, as the kernel left it. */
  private word(action: number, word: number): number {
    return this.memory.readUInt32LE(this.at.actions + action * ACTION_BYTES + word * 4);
  }

  private text(start: number, endAndFlag: number): string {
    const doubled = endAndFlag >= DOUBLED;
    const text = this.memory.toString("utf8", start, doubled ? endAndFlag - DOUBLED : endAndFlag);
    if (!doubled) return text;
    const quote = String.fromCharCode(this.known.quote);
    return text.replaceAll(quote + quote, quote);
  }
}

const ELEMENT_BYTES: Record<TensorType, number> = {
  float32: 4,
  float64: 8,
  float16: 0,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  bool: 1,
  string: 0,
};

/** 0 where the tensor does not live in the kernel's memory. */
function elementBytesOf(type: TensorType): number {
  return ELEMENT_BYTES[type];
}

function viewOf(type: TensorType, buffer: ArrayBuffer, address: number, elements: number): TensorArray {
  const Constructor = allocateTensor(type, 0).constructor as new (
    buffer: ArrayBuffer,
    offset: number,
    length: number,
  ) => Float32Array;
  return new Constructor(buffer, address, elements);
}

function align(address: number): number {
  return (address + 15) & ~15;
}
