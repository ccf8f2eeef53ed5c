/**
 * The quick decoder: the WebAssembly kernel parses plain records straight into tensor memory; cells it does not know are read here by
 * the text table; a chunk with anything else (a bad cell, an odd record, bytes that are not text) is decoded again by the reference.
 * One result, two speeds.
 *
 * Tensors and kept columns are views into the kernel's memory: they hold until the next `reserve` or `decode`.
 */
import { isAscii, isUtf8 } from "node:buffer";
import type { BindingPlan } from "../../core/binding-plan.ts";
import type { DecodedChunk } from "../../core/chunk.ts";
import type { SourceDescription } from "../../core/source.ts";
import { reserveMemory } from "../../core/wasm-kernel.ts";
import { CsvParseDecoder } from "./csv-parse-decoder.ts";
import type { CsvDecoder, MakeCsvDecoder } from "./decoder.ts";
import { TensorFiller } from "./fill-tensors.ts";
import {
  ACTION_BYTES,
  COLUMN_BYTES,
  EXCEPTION_BYTES,
  KERNEL_ELEMENT_BYTES,
  type KernelAction,
  type KernelPlan,
  KIND,
  kernelPlan,
} from "./kernel-layout.ts";
import { DONE, FULL, mendChunk, type Parsed } from "./kernel-mend.ts";
import { type CsvKernel, loadCsvKernel } from "./kernel-module.ts";
import { KernelResult, type Layout } from "./kernel-result.ts";
import { KernelRoom } from "./kernel-room.ts";
import { type Tokens, tokensOf } from "./records.ts";

/** Room behind the input for the sentinel and for loads of 64 bytes that begin at it or next to it. */
const PAD_BYTES = 80;
/** Beyond it (a long record of very many columns) the reference decodes, whose memory grows with what is there. */
const MAX_MEMORY_BYTES = 512 * 1024 * 1024;

/** @returns the kernel's decoder, or the reference where the kernel does not know the dialect */
export const makeKernelDecoder: MakeCsvDecoder = (description, plan) => {
  const known = kernelPlan(description, plan);
  const reference = new CsvParseDecoder(description, plan);
  return known === null ? reference : new KernelDecoder(description, plan, known, reference);
};

/** Ahead of the first decoder, which takes what is compiled. */
export function compileKernel(): void {
  loadCsvKernel();
}

class KernelDecoder implements CsvDecoder {
  private readonly kernel: CsvKernel = loadCsvKernel();
  private readonly filler: TensorFiller;
  private readonly nulls: Set<string>;
  /** Tables lie first, the input behind them: its place is the same for every chunk. */
  private readonly columnTable: number;
  private readonly actionTable: number;
  private readonly input: number;
  private readonly width: number;
  private readonly tokens: Tokens;
  private readonly textCopies: number;
  private readonly room: KernelRoom;

  constructor(
    private readonly description: SourceDescription,
    private readonly plan: BindingPlan,
    private readonly known: KernelPlan,
    private readonly reference: CsvDecoder,
  ) {
    this.filler = new TensorFiller(plan, description.dialect!);
    this.nulls = new Set(description.dialect!.nullValues);
    this.textCopies = textCopiesOf(known.actions);
    this.width = description.columns.length;
    this.room = new KernelRoom(this.width, known.actions.length);
    this.tokens = tokensOf(description.dialect!);
    this.columnTable = align(this.kernel.heapBase());
    this.actionTable = align(this.columnTable + this.width * COLUMN_BYTES);
    this.input = align(this.actionTable + known.actions.length * ACTION_BYTES);
    this.need(this.input);
    this.writeColumnTable();
  }

  /** Memory to read the next chunk into, so that it need not be copied. */
  reserve(length: number): Uint8Array | undefined {
    const { end } = this.layout(length);
    if (end > MAX_MEMORY_BYTES) return undefined;
    this.need(end);
    return new Uint8Array(this.kernel.memory.buffer, this.input, length);
  }

  decode(bytes: Uint8Array, byteStart: number, linesBefore: number, check?: () => void): DecodedChunk {
    return this.quick(bytes, byteStart, linesBefore) ?? this.reference.decode(bytes, byteStart, linesBefore, check);
  }

  private quick(bytes: Uint8Array, byteStart: number, linesBefore: number): DecodedChunk | null {
    const { known, kernel, input } = this;
    if (known.bytes === "utf-8" ? !isUtf8(bytes) : known.bytes === "ascii" && !isAscii(bytes)) return null;
    const layout = this.layout(bytes.length);
    if (layout.end > MAX_MEMORY_BYTES) return null;
    const inPlace = bytes.buffer === kernel.memory.buffer && bytes.byteOffset === input;
    this.need(layout.end);
    const memory = Buffer.from(kernel.memory.buffer);
    if (!inPlace) memory.set(bytes, input);
    const whole = this.parse(input, bytes.length, layout, memory);
    if (whole.stopped === FULL) this.room.overflowed();
    else if (whole.stopped === DONE) this.room.learn(bytes.length, whole.rows, kernel.exceptions.value);
    if (whole.stopped === DONE && whole.result.badRows().length === 0) return whole.result.collect(bytes.length, linesBefore);
    // Under `fail` the first bad row ends the run: the reference finds it, speed is no matter any more.
    if (whole.stopped === FULL || this.plan.onError === "fail") return null;
    const parse = (at: number, length: number): Parsed => this.parse(at, length, layout, memory);
    return mendChunk({
      bytes,
      byteStart,
      linesBefore,
      input,
      layout,
      memory,
      tokens: this.tokens,
      reference: this.reference,
      parse,
    });
  }

  /** @param at address of the first byte; behind the last there is room for the sentinel */
  private parse(at: number, length: number, layout: Layout, memory: Buffer): Parsed {
    const { known, kernel } = this;
    const behind = memory[at + length]!;
    memory[at + length] = known.newline;
    this.writeActions(layout, memory);
    const stopped = kernel.parse(
      at,
      at + length,
      this.columnTable,
      this.actionTable,
      this.width,
      layout.maxRows,
      layout.starts,
      layout.exceptions,
      layout.maxExceptions,
      known.delimiter,
      known.quote,
      known.newline,
    );
    memory[at + length] = behind;
    const result = new KernelResult(
      this.description,
      this.plan,
      known,
      this.filler,
      this.nulls,
      kernel,
      layout,
      memory,
      this.actionTable,
    );
    return { stopped, rows: kernel.rows.value, position: kernel.position.value, result };
  }

  /** @param length bytes of input */
  private layout(length: number): Layout {
    const { actions } = this.known;
    const maxRows = this.room.rows(length);
    let end = align(this.input + length + PAD_BYTES);
    const take = (bytes: number): number => {
      const at = end;
      end = align(end + bytes);
      return at;
    };
    const tensors = this.plan.inputs.map(({ type, rowSize }) => {
      const elementBytes = KERNEL_ELEMENT_BYTES[type];
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
    const textPool = take(length * this.textCopies);
    const maxExceptions = this.room.exceptions(maxRows);
    const exceptions = take(maxExceptions * EXCEPTION_BYTES);
    const starts = take(maxRows * 4);
    const spare = take(length + PAD_BYTES);
    return { maxRows, tensors, destinations, bitmaps, offsets, textPool, exceptions, maxExceptions, starts, spare, end };
  }

  private need(end: number): void {
    reserveMemory(this.kernel.memory, end);
  }

  private writeColumnTable(): void {
    const table = new Uint32Array(this.kernel.memory.buffer, this.columnTable, (this.width * COLUMN_BYTES) / 4);
    const order = this.known.actions;
    let run = 0;
    let skip = 0;
    // Actions are in order of their columns.
    let behind = order.length;
    for (let column = this.width - 1; column >= 0; column--) {
      let first = behind;
      while (first > 0 && order[first - 1]!.column === column) first--;
      const count = behind - first;
      behind = first;
      const own = count > 0 ? order[first] : undefined;
      const next = order[first + 1];
      const joins = count === 1 && next?.column === column + 1 && this.areNeighbours(own!, next);
      run = count === 1 && own!.kind === KIND.float32 ? (joins ? run + 1 : 1) : 0;
      skip = count === 0 ? skip + 1 : 0;
      table.set([count > 0 ? first : 0, count, run, skip], (column * COLUMN_BYTES) / 4);
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
      memory.writeUInt32LE(0, base + 48);
      if (bitmap >= 0) memory.fill(0xff, bitmap, bitmap + ((layout.maxRows + 7) >> 3));
    });
  }
}

/** Addresses may pass 2^31 while a layout is weighed. */
function align(address: number): number {
  return Math.ceil(address / 16) * 16;
}

/** How often the column that is kept as text most often is: all kept texts together are no longer than that many times the input. */
function textCopiesOf(actions: readonly KernelAction[]): number {
  const copies = new Map<number, number>();
  for (const { kind, column } of actions) if (kind === KIND.keepText) copies.set(column, (copies.get(column) ?? 0) + 1);
  return [...copies.values()].reduce((most, count) => Math.max(most, count), 0);
}
