/**
 * How much room the kernel's results are given. What any bytes may take (a record of two bytes each, every cell one for the text table) is twenty
 * times what a chunk takes: memory that is hardly touched, but that counts as garbage of the thread and has it collect everything. So chunks are given
 * what those before them took and half as much again; one that takes more goes to the reference, and from then on all get what any bytes may take.
 */
export class KernelRoom {
  readonly #width: number;
  readonly #actions: number;
  /** Of the densest chunk, 0: none was seen. */
  #rowBytes = 0;
  #exceptionsPerRow = 0;
  #tight = true;

  /** @param width columns of a record @param actions cells of a record that are looked at */
  constructor(width: number, actions: number) {
    this.#width = width;
    this.#actions = actions;
  }

  /** @param length bytes of input */
  rows(length: number): number {
    // A record has a delimiter or newline per column, and one of a single column at least one byte more.
    const most = Math.floor(length / Math.max(2, this.#width)) + 2;
    return this.#knows() ? Math.min(most, Math.ceil((1.5 * length) / this.#rowBytes) + 64) : most;
  }

  exceptions(rows: number): number {
    const most = rows * this.#actions;
    return this.#knows() ? Math.min(most, Math.ceil(1.5 * rows * this.#exceptionsPerRow) + (rows >> 2) + 1024) : most;
  }

  /** What a chunk took. */
  learn(length: number, rows: number, exceptions: number): void {
    if (rows === 0) return;
    const rowBytes = length / rows;
    this.#rowBytes = this.#rowBytes === 0 ? rowBytes : Math.min(this.#rowBytes, rowBytes);
    this.#exceptionsPerRow = Math.max(this.#exceptionsPerRow, exceptions / rows);
  }

  /** A chunk took more than it was given. */
  overflowed(): void {
    this.#tight = false;
  }

  #knows(): boolean {
    return this.#tight && this.#rowBytes > 0;
  }
}
