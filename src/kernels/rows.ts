/**
 * AssemblyScript, compiled to WebAssembly: columns of floats into the rows of a float32 tensor, four rows of four columns at a time. Rounds to
 * nearest even, as storing into a Float32Array does.
 */

const INFINITE_BITS: i32 = 0x7f800000;

export function heapBase(): usize {
  return __heap_base;
}

/** Rows r to r + 3 of a column of doubles. */
// @ts-ignore: decorator
@inline
function fourDoubles(at: usize): v128 {
  const low = f32x4.demote_f64x2_zero(v128.load(at));
  const high = f32x4.demote_f64x2_zero(v128.load(at, 16));
  return v128.shuffle<f32>(low, high, 0, 1, 4, 5);
}

/** Four columns of four rows each become four rows of four columns. */
// @ts-ignore: decorator
@inline
function storeRows(a: v128, b: v128, c: v128, d: v128, to: usize, rowBytes: usize): void {
  const ab01 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const ab23 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd01 = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const cd23 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(ab01, cd01, 0, 1, 4, 5));
  v128.store(to + rowBytes, v128.shuffle<f32>(ab01, cd01, 2, 3, 6, 7));
  v128.store(to + 2 * rowBytes, v128.shuffle<f32>(ab23, cd23, 0, 1, 4, 5));
  v128.store(to + 3 * rowBytes, v128.shuffle<f32>(ab23, cd23, 2, 3, 6, 7));
}

// @ts-ignore: decorator
@inline
function infinite(four: v128): v128 {
  return i32x4.eq(v128.and(four, i32x4.splat(0x7fffffff)), i32x4.splat(INFINITE_BITS));
}

/**
 * @param columns address of the first column; each has `columnBytes` until the next one, of which rows * 8 are read
 * @param to address of the tensor: rows * count floats
 * @returns whether a result is infinite: a number may have been too large, which is for the caller to count
 */
export function doublesToRows(columns: usize, columnBytes: usize, count: u32, rows: u32, to: usize): bool {
  const rowBytes = <usize>count << 2;
  const fours = rows & ~3;
  let seen = i32x4.splat(0);
  let large = false;
  for (let row: u32 = 0; row < fours; row += 4) {
    let at = columns + (<usize>row << 3);
    let out = to + <usize>row * rowBytes;
    let column: u32 = 0;
    for (; column + 4 <= count; column += 4) {
      const a = fourDoubles(at);
      const b = fourDoubles(at + columnBytes);
      const c = fourDoubles(at + 2 * columnBytes);
      const d = fourDoubles(at + 3 * columnBytes);
      seen = v128.or(seen, v128.or(v128.or(infinite(a), infinite(b)), v128.or(infinite(c), infinite(d))));
      storeRows(a, b, c, d, out, rowBytes);
      at += 4 * columnBytes;
      out += 16;
    }
    for (; column < count; column++) {
      const a = fourDoubles(at);
      seen = v128.or(seen, infinite(a));
      f32.store(out, f32x4.extract_lane(a, 0));
      f32.store(out + rowBytes, f32x4.extract_lane(a, 1));
      f32.store(out + 2 * rowBytes, f32x4.extract_lane(a, 2));
      f32.store(out + 3 * rowBytes, f32x4.extract_lane(a, 3));
      at += columnBytes;
      out += 4;
    }
  }
  for (let row = fours; row < rows; row++) {
    for (let column: u32 = 0; column < count; column++) {
      const value = <f32>f64.load(columns + <usize>column * columnBytes + (<usize>row << 3));
      if ((reinterpret<i32>(value) & 0x7fffffff) == INFINITE_BITS) large = true;
      f32.store(to + <usize>row * rowBytes + (<usize>column << 2), value);
    }
  }
  return large || v128.any_true(seen);
}

/** The same of columns of float32, which lose nothing. */
export function singlesToRows(columns: usize, columnBytes: usize, count: u32, rows: u32, to: usize): void {
  const rowBytes = <usize>count << 2;
  const fours = rows & ~3;
  for (let row: u32 = 0; row < rows; row++) {
    let column: u32 = 0;
    if (row < fours) {
      let at = columns + (<usize>row << 2);
      let out = to + <usize>row * rowBytes;
      for (; column + 4 <= count; column += 4) {
        storeRows(
          v128.load(at),
          v128.load(at + columnBytes),
          v128.load(at + 2 * columnBytes),
          v128.load(at + 3 * columnBytes),
          out,
          rowBytes,
        );
        at += 4 * columnBytes;
        out += 16;
      }
      for (let next = row; next < row + 4; next++) copyRow(columns, columnBytes, column, count, next, to);
      row += 3;
    } else copyRow(columns, columnBytes, 0, count, row, to);
  }
}

// @ts-ignore: decorator
@inline
function copyRow(columns: usize, columnBytes: usize, from: u32, count: u32, row: u32, to: usize): void {
  for (let column = from; column < count; column++) {
    i32.store(
      to + ((<usize>row * <usize>count + <usize>column) << 2),
      i32.load(columns + <usize>column * columnBytes + (<usize>row << 2)),
    );
  }
}
