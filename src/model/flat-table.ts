/**
 * Reading a flatbuffer (FlatBuffers internals: tables with vtables, unsigned forward offsets) with every access checked against the
 * buffer: a corrupt file ends in a RangeError of DataView, never in nonsense. Positions are bytes from the start of the file.
 */
const UTF8 = new TextDecoder();

export class FlatTable {
  private readonly view: DataView;
  private readonly start: number;

  constructor(view: DataView, start: number) {
    this.view = view;
    this.start = start;
  }

  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new FlatTable(view, view.getUint32(0, true));
  }

  /** Position of the value of field `slot` (0-based, in the order of the schema), or null when absent. A union takes two slots. */
  position(slot: number): number | null {
    const vtable = this.start - this.view.getInt32(this.start, true);
    const entry = 4 + 2 * slot;
    if (entry >= this.view.getUint16(vtable, true)) return null;
    const offset = this.view.getUint16(vtable + entry, true);
    return offset === 0 ? null : this.start + offset;
  }

  private target(position: number): number {
    return position + this.view.getUint32(position, true);
  }

  uint8(slot: number): number {
    const at = this.position(slot);
    return at === null ? 0 : this.view.getUint8(at);
  }

  int32(slot: number): number {
    const at = this.position(slot);
    return at === null ? 0 : this.view.getInt32(at, true);
  }

  int64(slot: number): number {
    const at = this.position(slot);
    return at === null ? 0 : Number(this.view.getBigInt64(at, true));
  }

  text(slot: number): string | null {
    const at = this.position(slot);
    return at === null ? null : this.textAt(this.target(at));
  }

  table(slot: number): FlatTable | null {
    const at = this.position(slot);
    return at === null ? null : new FlatTable(this.view, this.target(at));
  }

  tables(slot: number): FlatTable[] {
    return this.elements(slot).map((at) => new FlatTable(this.view, this.target(at)));
  }

  texts(slot: number): string[] {
    return this.elements(slot).map((at) => this.textAt(this.target(at)));
  }

  int64s(slot: number): bigint[] {
    return this.elements(slot, 8).map((at) => this.view.getBigInt64(at, true));
  }

  /** Positions of a vector's elements. */
  private elements(slot: number, width = 4): number[] {
    const at = this.position(slot);
    if (at === null) return [];
    const start = this.target(at);
    const length = this.view.getUint32(start, true);
    // Checked before allocating: a corrupt length must not become an array of four billion.
    if (length > 0) this.view.getUint8(start + 4 + length * width - 1);
    return Array.from({ length }, (_, index) => start + 4 + index * width);
  }

  private textAt(position: number): string {
    const length = this.view.getUint32(position, true);
    if (length > 0) this.view.getUint8(position + 4 + length - 1);
    return UTF8.decode(new Uint8Array(this.view.buffer, this.view.byteOffset + position + 4, length));
  }
}
