/**
 * AssemblyScript, compiled to WebAssembly: rows through an ensemble of decision trees. Eight rows walk a tree side by side, so that the
 * loads of one hide behind those of the others; a tree stays in the cache while a block of rows goes through it.
 *
 * Node, 16 bytes: threshold (f32; in a leaf: its value, or the index of its weights), feature (u32: byte offset in a row; the lowest bit
 * says that NaN is below the threshold), child (u32: address of the node for `value <= threshold`; the other one stands behind it; in a
 * leaf: itself), step (u32: 16, in a leaf 0).
 *
 * Sums are float32 in the order of the trees: bit for bit those of ONNX Runtime's TreeEnsemble operators on one thread.
 */

// @ts-ignore: decorator
@inline
function next(node: usize, row: usize): usize {
  const value = load<f32>(row + <usize>load<u32>(node, 4));
  const above = i32(!(value <= load<f32>(node)));
  return <usize>load<u32>(node, 8) + <usize>(-above & load<i32>(node, 12));
}

/** The same where NaN may count as below. */
// @ts-ignore: decorator
@inline
function nextOrMissing(node: usize, row: usize): usize {
  const feature = load<u32>(node, 4);
  const value = load<f32>(row + <usize>(feature & ~3));
  const below = i32(value <= load<f32>(node)) | (i32(value != value) & <i32>(feature & 1));
  return <usize>load<u32>(node, 8) + <usize>((below - 1) & load<i32>(node, 12));
}

// @ts-ignore: decorator
@inline
function steps(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, g: usize, h: usize): u32 {
  return (
    load<u32>(a, 12) | load<u32>(b, 12) | load<u32>(c, 12) | load<u32>(d, 12) |
    load<u32>(e, 12) | load<u32>(f, 12) | load<u32>(g, 12) | load<u32>(h, 12)
  );
}

/** Where the leaves of eight rows are noted for `add`. */
const leaves = memory.data(8 * 4);

// @ts-ignore: decorator
@inline
function walk(root: usize, row: usize, stride: usize, missing: bool): void {
  let a = root, b = root, c = root, d = root, e = root, f = root, g = root, h = root;
  const rb = row + stride, rc = rb + stride, rd = rc + stride, re = rd + stride, rf = re + stride, rg = rf + stride, rh = rg + stride;
  if (missing) {
    while (steps(a, b, c, d, e, f, g, h) != 0) {
      a = nextOrMissing(a, row);
      b = nextOrMissing(b, rb);
      c = nextOrMissing(c, rc);
      d = nextOrMissing(d, rd);
      e = nextOrMissing(e, re);
      f = nextOrMissing(f, rf);
      g = nextOrMissing(g, rg);
      h = nextOrMissing(h, rh);
    }
  } else {
    while (steps(a, b, c, d, e, f, g, h) != 0) {
      a = next(a, row);
      b = next(b, rb);
      c = next(c, rc);
      d = next(d, rd);
      e = next(e, re);
      f = next(f, rf);
      g = next(g, rg);
      h = next(h, rh);
    }
  }
  store<u32>(leaves, <u32>a);
  store<u32>(leaves, <u32>b, 4);
  store<u32>(leaves, <u32>c, 8);
  store<u32>(leaves, <u32>d, 12);
  store<u32>(leaves, <u32>e, 16);
  store<u32>(leaves, <u32>f, 20);
  store<u32>(leaves, <u32>g, 24);
  store<u32>(leaves, <u32>h, 28);
}

/**
 * Adds every tree's leaf to the sums.
 * @param roots addresses of the trees' roots, u32 each
 * @param rows float32 rows of `stride` bytes; `count` is a multiple of 8 (rows behind the last are computed and ignored)
 * @param sums float32, `targets` per row; the caller sets them to 0
 * @param weights of leaves, `targets` float32 each; with one target the leaf holds its value itself
 */
export function predict(
  roots: usize,
  trees: i32,
  rows: usize,
  count: i32,
  stride: usize,
  sums: usize,
  targets: i32,
  weights: usize,
  missing: bool,
): void {
  for (let tree = 0; tree < trees; tree++) {
    const root = <usize>load<u32>(roots + (<usize>tree << 2));
    for (let row = 0; row < count; row += 8) {
      walk(root, rows + <usize>row * stride, stride, missing);
      let sum = sums + ((<usize>(row * targets)) << 2);
      for (let k: usize = 0; k < 32; k += 4) {
        const leaf = <usize>load<u32>(leaves + k);
        if (targets == 1) {
          store<f32>(sum, load<f32>(sum) + load<f32>(leaf));
          sum += 4;
          continue;
        }
        let weight = weights + ((<usize>load<u32>(leaf) * <usize>targets) << 2);
        for (let target = 0; target < targets; target++) {
          store<f32>(sum, load<f32>(sum) + load<f32>(weight));
          sum += 4;
          weight += 4;
        }
      }
    }
  }
}

/** First byte that the caller may lay out. */
export function heapBase(): usize {
  return __heap_base;
}
