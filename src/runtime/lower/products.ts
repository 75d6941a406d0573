import type { Call } from '../../backends/index.ts';
import type { Held, Steps } from '../held.ts';
import type { Context } from './context.ts';
import { lowerProduct, lowerVector, type Epilogue } from './product.ts';
import { PART, productLayout, upload } from './weight.ts';

// The calls of single products, outside any network.

interface Bounds { readonly min: number; readonly max: number }

const epilogueOf = ({ bias }: Held, bounds: Bounds): Epilogue => ({ ...bounds, ...(bias && { bias }) });

/** y[M] = clamp(A·x + bias). */
export function vectorProduct(site: Context, held: Held, bounds: Bounds): Steps {
  const { rows, cols } = held.packed, x = site.scratch(cols * 4), y = site.scratch(rows * 4);
  const choice = held.choiceFor('spmv', 1);
  const calls = lowerVector(site, { weight: held.source, choice, x, y, epilogue: epilogueOf(held, bounds) });
  return { calls, inputs: [x], output: y, length: rows };
}

/** C[M×N] = clamp(A·B + bias). */
export function wholeProduct(site: Context, held: Held, n: number, bounds: Bounds): Steps {
  const { rows, cols } = held.packed, b = site.scratch(cols * n * 4), c = site.scratch(rows * n * 4);
  const calls = lowerProduct(site, {
    weight: held.source, choice: held.choiceFor('spmm', n), cols: n, operand: { pack: 'pack_rows', job: { src: b, stride: n * 4 } },
    place: { address: c, rowStride: n * 4, colStride: 4 }, epilogue: epilogueOf(held, bounds),
  });
  return { calls, inputs: [b], output: c, length: rows * n };
}

/**
 * C[K×N] = Aᵀ·B[M×N]: a call for each block of K, the rows of C it makes. Narrower than a tile, B and C are wide in memory:
 * copies between bring them there.
 */
export function transposedProduct(site: Context, held: Held, n: number): Steps {
  const { rows, cols } = held.packed, choice = held.choiceFor('spmmt', n), { kernel } = choice, unit = kernel.width * 4;
  const { packed, kBlock, parts } = upload(site, held.source, choice, productLayout(site, held.source, choice));
  const width = Math.max(n, kernel.width), b = site.scratch(rows * n * 4), c = site.scratch(cols * n * 4);
  const wide = width > n ? { b: site.scratch(rows * width * 4), c: site.scratch(cols * width * 4) } : { b, c };
  const tile = site.scratch(Math.min(kBlock, cols) * unit);
  const calls = Array.from({ length: parts.length / PART }, (_, p): Call => ({
    kernel: kernel.name,
    job: {
      values: parts[p * PART], idx: parts[p * PART + 1], ptr: parts[p * PART + 2], rows, blockRows: packed.blockRows,
      depth: Math.min(kBlock, cols - p * kBlock), cols: width, b: wide.b, bStride: width * 4, tile, unit,
      c: wide.c + p * kBlock * width * 4, cStride: width * 4,
    },
  }));
  const between = (src: number, from: number, dst: number, to: number, count: number): Call =>
    ({ kernel: 'b32_copy', job: { src, dst, n0: 1, n1: 1, n2: 1, n3: 1, n4: count, n5: n, s4: from * 4, s5: 4, d4: to * 4, d5: 4 } });
  const whole = width === n ? calls : [between(b, n, wide.b, width, rows), ...calls, between(wide.c, width, c, n, cols)];
  return { calls: whole, inputs: [b], output: c, length: cols * n };
}

/** Floats a vector step of the sampled product takes. */
const STEP = 8;
const roundUp = (depth: number): number => Math.ceil(depth / STEP) * STEP;

/** Rows of `depth` floats, filled up with zeros to whole steps. */
export function sumRows(values: Float32Array, depth: number): Float32Array {
  const wide = roundUp(depth);
  if (wide === depth) return values;
  const out = new Float32Array((values.length / depth) * wide);
  for (let from = 0, to = 0; from < values.length; from += depth, to += wide) out.set(values.subarray(from, from + depth), to);
  return out;
}

/** Bytes of B of which each row of A meets every part that it needs: half the second cache. */
const SAMPLED_BYTES = 256 * 1024;
/** Shorter sums do not pay for loading and storing what they are added to. */
const LEAST_DEPTH = 64;

/** Depth of one pass over the positions, in whole steps, evenly split. */
function passDepth(depth: number, cols: number): number {
  const most = Math.max(LEAST_DEPTH, Math.floor(SAMPLED_BYTES / (cols * 4))), passes = Math.ceil(depth / most);
  return roundUp(Math.ceil(depth / passes));
}

/** A[M×depth]·B[K×depth]ᵀ at the stored places, row by row. */
export function sampled(site: Context, held: Held, depth: number): Steps {
  const { rows, cols } = held.packed, { colIdx, rowPtr } = held.places(), stride = roundUp(depth) * 4;
  const [a, b, values] = [site.scratch(rows * stride), site.scratch(cols * stride), site.scratch(colIdx.length * 4)];
  const idx = site.upload('columns', () => colIdx), ptr = site.upload('bounds', () => rowPtr), pass = passDepth(stride / 4, cols);
  const calls = Array.from({ length: Math.ceil(stride / 4 / pass) }, (_, p): Call => ({
    kernel: 'f32_csr_sddmm',
    job: {
      values, idx, ptr, rows, a: a + p * pass * 4, aStride: stride, b: b + p * pass * 4, bStride: stride,
      depth: Math.min(pass * 4, stride - p * pass * 4), partial: p > 0 ? 1 : 0,
    },
  }));
  return { calls, inputs: [a, b], output: values, length: colIdx.length };
}
