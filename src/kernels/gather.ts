/** Kept texts: the kernel only points at them while it parses; here they are put side by side. */

/** Top bit of the end of a cell: it holds doubled quotes. */
export const DOUBLED: u32 = 0x80000000;

/**
 * Kept text of one action: spans -> contiguous bytes and Arrow offsets, doubled quotes made single.
 * @param offsets room for rowCount + 1 i32
 * @returns bytes written to `target`
 */
export function gather(spans: usize, rowCount: u32, target: usize, offsets: usize, quote: u32): u32 {
  let to = target;
  store<u32>(offsets, 0);
  for (let row: u32 = 0; row < rowCount; row++) {
    const start = <usize>load<u32>(spans + ((<usize>row) << 3));
    const rawEnd = load<u32>(spans + ((<usize>row) << 3), 4);
    const end = <usize>(rawEnd & ~DOUBLED);
    if (rawEnd & DOUBLED) {
      for (let p = start; p < end; p++) {
        const c: u32 = load<u8>(p);
        store<u8>(to++, <u8>c);
        if (c == quote) p++;
      }
    } else {
      const size = end - start;
      if (size <= 16) {
        for (let i: usize = 0; i < size; i++) store<u8>(to + i, load<u8>(start + i));
      } else memory.copy(to, start, size);
      to += size;
    }
    store<u32>(offsets + ((<usize>(row + 1)) << 2), <u32>(to - target));
  }
  return <u32>(to - target);
}
