/** Damage by a seed: the same seed gives the same bytes, so a finding can be made again. */

/** Numbers in [0, 1) of a 32-bit state. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const BORDERS = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 16, 64, 1024, 65536];

const TOKENS = {
  csv: ['"', '""', ",", "\n", "\r\n", "\r", "\0", ";", "\t", "\ufeff", "1e400", "-", "NaN", "9223372036854775808", "é", "#", "\\", ",,,,", "0x10", "1_000"],
  jsonl: ['"', "{", "}", "[", "]", ",", ":", "\n", "\\", "\\u", "\\ud800", "\0", "null", "NaN", "1e999", "-0", "9223372036854775808", "é", "\ufeff", '{"a":1}'],
};

/** @param other a second file to take parts from */
export function mutate(bytes, other, rng, kind) {
  let out = Buffer.from(bytes);
  const below = (limit) => Math.floor(rng() * limit);
  const turns = 1 + below(rng() < 0.2 ? 30 : 4);
  for (let turn = 0; turn < turns; turn++) {
    const at = below(out.length + 1);
    // The ends hold footers and headers: half of all damage goes there.
    const near = rng() < 0.5 ? at : rng() < 0.5 ? Math.max(0, out.length - 1 - below(Math.min(out.length, 400))) : below(Math.min(out.length + 1, 200));
    switch (below(kind in TOKENS ? 9 : 7)) {
      case 0:
        if (near < out.length) out[near] ^= 1 << below(8);
        break;
      case 1:
        if (near < out.length) out[near] = below(256);
        break;
      case 2: {
        const value = BORDERS[below(BORDERS.length)];
        const width = [1, 2, 4][below(3)];
        if (near + width <= out.length) out.writeUIntLE(value % 256 ** width, near, width);
        break;
      }
      case 3:
        out = Buffer.concat([out.subarray(0, near), out.subarray(near + below(rng() < 0.3 ? 4000 : 16))]);
        break;
      case 4: {
        const from = below(other.length + 1);
        out = Buffer.concat([out.subarray(0, near), other.subarray(from, from + below(rng() < 0.3 ? 4000 : 32)), out.subarray(near)]);
        break;
      }
      case 5:
        if (rng() < 0.5) out = out.subarray(0, at);
        break;
      case 6: {
        const from = below(out.length + 1);
        const part = out.subarray(from, from + below(64));
        out = Buffer.concat([out.subarray(0, near), part, out.subarray(near)]);
        break;
      }
      default: {
        const tokens = TOKENS[kind];
        out = Buffer.concat([out.subarray(0, at), Buffer.from(tokens[below(tokens.length)]), out.subarray(at)]);
      }
    }
  }
  return out;
}
