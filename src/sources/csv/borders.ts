/**
 * Finds record borders for chunk planning, block by block. Two automata with one interface, both equal to scanRecord:
 * the quick one (single-byte delimiter, quote and escape, no comments) jumps from quote to quote, has the many of a long way passed by
 * a WebAssembly kernel, and looks at newlines only where a border is wanted; the plain one scans every record and holds the one in progress.
 */
import { type BorderKernel, loadBorderKernel } from "./border-kernel.ts";
import { scanRecord, type Tokens } from "./records.ts";

export interface BorderFinder {
  /** Absolute byte where the record in progress began. */
  readonly recordStart: number;
  /** Absolute byte where the record that ends at the border just found began. */
  readonly lastStart: number;
  /** Absolute byte of the quote that is open at the end of what was seen, -1 if none. */
  readonly openQuote: number;
  /**
   * Goes on from block[from]; everything before was seen. `base` is the absolute offset of block[0].
   * @returns index in the block of the first record border at or after `stopAt`, or -1 when the block ends before: then the next
   * call is for the bytes that follow, from 0
   */
  find(block: Buffer, base: number, from: number, stopAt: number): number;
  /** Memory for blocks of up to that many bytes: one that is read into it need not be copied. Undefined where it makes no difference. */
  blockMemory?(bytes: number): Buffer | undefined;
}

/** @param start absolute offset of the first record */
export function borderFinder(tokens: Tokens, start: number): BorderFinder {
  return isGuessable(tokens) ? new QuickBorders(tokens, start) : new PlainBorders(tokens, start);
}

/** A newline ends a record wherever no quote is open, and whether one is can be told at the end of a chunk that begins at a border. */
export function isGuessable(tokens: Tokens): boolean {
  const single = (token: Uint8Array | null): boolean => token === null || token.length === 1;
  return tokens.comment === null && single(tokens.delimiter) && single(tokens.quote) && single(tokens.escape);
}

const UNQUOTED = 0;
const QUOTED = 1;
/** A quote that ended a block: doubled or closing, the next byte tells. */
const MAYBE_CLOSED = 2;
const ESCAPED = 3;

/** Bytes looked at one by one before Buffer.indexOf, whose call costs as much as some 60 of them. */
const NEAR = 64;
/** Bytes from which a call of the kernel is cheaper. */
const WORTH_PASSING = 256;

class QuickBorders implements BorderFinder {
  recordStart: number;
  lastStart: number;
  private quoteAt = -1;
  private state: 0 | 1 | 2 | 3 = UNQUOTED;
  /** The last byte seen was a delimiter or a newline (or nothing was seen). */
  private atFieldStart = true;
  private readonly delimiter: number;
  private readonly quote: number;
  private readonly escapeByte: number;
  private readonly newline: number;
  /** Next newline and quote known in the block at `knownBase`, so that no byte is searched twice for one. */
  private knownNewline = -1;
  private knownQuote = -1;
  private knownBase = -1;
  /** Passes blocks with many quotes; loaded for the first of them. */
  private kernel: BorderKernel | null = null;
  private readonly passable: boolean;

  constructor(tokens: Tokens, start: number) {
    this.recordStart = start;
    this.lastStart = start;
    this.delimiter = tokens.delimiter[0]!;
    this.quote = tokens.quote === null ? -1 : tokens.quote[0]!;
    this.escapeByte = tokens.escape === null || tokens.escapeIsQuote ? -1 : tokens.escape[0]!;
    this.newline = tokens.newline;
    this.passable = this.quote >= 0 && this.escapeByte < 0;
  }

  get openQuote(): number {
    return this.state === QUOTED || this.state === ESCAPED ? this.quoteAt : -1;
  }

  find(block: Buffer, base: number, from: number, stopAt: number): number {
    const length = block.length;
    let i = from;
    if (base !== this.knownBase) {
      this.knownBase = base;
      this.knownNewline = -1;
      this.knownQuote = -1;
    }
    if (this.passable) i = this.pass(block, base, i, Math.min(length, stopAt - 1));
    while (i < length) {
      if (this.state === UNQUOTED) {
        const quoteAt = this.nextQuote(block, i);
        const border = this.newlineIn(block, Math.max(i, stopAt - 1), quoteAt);
        if (border >= 0) {
          this.noteRecordStart(block, base, i, border);
          this.lastStart = this.recordStart;
          this.recordStart = base + border + 1;
          this.atFieldStart = true;
          return border + 1;
        }
        this.noteRecordStart(block, base, i, quoteAt);
        if (quoteAt > i) {
          const before = block[quoteAt - 1];
          this.atFieldStart = before === this.delimiter || before === this.newline;
        }
        if (quoteAt === length) return -1;
        if (this.atFieldStart) {
          this.state = QUOTED;
          this.quoteAt = base + quoteAt;
        }
        this.atFieldStart = false;
        i = quoteAt + 1;
      } else if (this.state === QUOTED) i = this.skipQuoted(block, i);
      else if (this.state === MAYBE_CLOSED) {
        if (block[i] === this.quote) {
          this.state = QUOTED;
          i++;
        } else this.state = UNQUOTED;
      } else {
        this.state = QUOTED;
        i++;
      }
    }
    return -1;
  }

  blockMemory(bytes: number): Buffer | undefined {
    if (!this.passable) return undefined;
    this.kernel ??= loadBorderKernel();
    return this.kernel.memory(bytes);
  }

  /** Over bytes in which no border is wanted, where quotes would be met one by one. @returns the byte to go on from */
  private pass(block: Buffer, base: number, from: number, to: number): number {
    if (to - from < WORTH_PASSING || (this.state === UNQUOTED && this.nextQuote(block, from) >= to - WORTH_PASSING)) return from;
    this.kernel ??= loadBorderKernel();
    const { delimiter, quote, newline } = this;
    const passed = this.kernel.pass(block, from, to, this.state, this.atFieldStart, delimiter, quote, newline);
    this.state = passed.state;
    if (passed.behindNewline >= 0) this.recordStart = base + passed.behindNewline;
    if (passed.openedAt >= 0) this.quoteAt = base + passed.openedAt;
    const last = block[to - 1];
    this.atFieldStart = passed.state === UNQUOTED && (last === delimiter || last === newline);
    return to;
  }

  /** From within a quoted field to behind its closing quote, or to the end of the block. */
  private skipQuoted(block: Buffer, from: number): number {
    const { quote, escapeByte } = this;
    const length = block.length;
    let i = from;
    while (i < length) {
      const c = block[i];
      if (c === quote) {
        i++;
        if (escapeByte >= 0) {
          this.state = UNQUOTED;
          return i;
        }
        if (i === length) {
          this.state = MAYBE_CLOSED;
          return i;
        }
        if (block[i] !== quote) {
          this.state = UNQUOTED;
          return i;
        }
        i++;
      } else if (c === escapeByte) {
        if (i + 1 === length) {
          this.state = ESCAPED;
          return length;
        }
        i += 2;
      } else i++;
    }
    return i;
  }

  private nextQuote(block: Buffer, from: number): number {
    if (this.quote < 0) return block.length;
    if (this.knownQuote >= from) return this.knownQuote;
    const near = Math.min(block.length, from + NEAR);
    for (let i = from; i < near; i++) if (block[i] === this.quote) return i;
    const found = block.indexOf(this.quote, near);
    this.knownQuote = found < 0 ? block.length : found;
    return this.knownQuote;
  }

  private newlineIn(block: Buffer, from: number, to: number): number {
    if (from >= to) return -1;
    if (this.knownNewline < from) {
      const found = block.indexOf(this.newline, from);
      this.knownNewline = found < 0 ? block.length : found;
    }
    return this.knownNewline < to ? this.knownNewline : -1;
  }

  /** The newest record start that block[from, to) of unquoted text shows. */
  private noteRecordStart(block: Buffer, base: number, from: number, to: number): void {
    for (let i = to - 1; i >= from; i--) {
      if (block[i] === this.newline) {
        this.recordStart = base + i + 1;
        return;
      }
    }
  }
}

/** Memory: the record in progress; a record of b bytes in blocks of s is scanned b/s times. */
class PlainBorders implements BorderFinder {
  recordStart: number;
  lastStart: number;
  openQuote = -1;
  private held: Buffer = Buffer.alloc(0);

  constructor(
    private readonly tokens: Tokens,
    start: number,
  ) {
    this.recordStart = start;
    this.lastStart = start;
  }

  find(block: Buffer, base: number, from: number, stopAt: number): number {
    const fresh = block.subarray(from);
    const bytes = this.held.length > 0 ? Buffer.concat([this.held, fresh]) : fresh;
    const shift = from - this.held.length;
    let position = 0;
    for (;;) {
      const scan = scanRecord(bytes, position, bytes.length, this.tokens, false);
      if (scan.kind === "incomplete") {
        this.held = Buffer.from(bytes.subarray(position));
        this.recordStart = base + shift + position;
        this.openQuote = scan.openQuote < 0 ? -1 : base + shift + scan.openQuote;
        return -1;
      }
      this.lastStart = base + shift + position;
      position = scan.next;
      if (position + shift >= stopAt) {
        this.held = Buffer.alloc(0);
        this.recordStart = base + shift + position;
        this.openQuote = -1;
        return position + shift;
      }
    }
  }
}
