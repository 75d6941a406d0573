import { expect } from '../../expect.ts';
import type { Layer } from '../../graph/layers.ts';
import type { Context } from './criteria.ts';

// Optimal brain surgeon (Hassibi & Stork 1993), filter by filter: the loss is ½·δᵀHδ, with one H for all filters of a group.

/** A Hessian of n rows takes n²·8 bytes and n³/3 multiplications. */
const MOST_COLUMNS = 4096;
/** What is added to the diagonal, as a share of its mean, until H is positive definite. */
const DAMPING = [0, 1e-8, 1e-6, 1e-4, 1e-2, 1];

interface Square { readonly n: number; readonly at: Float64Array }

/** Lower Cholesky factor of the rows and columns `list` of `h`, or undefined where it is not positive definite. */
function factor({ n, at }: Square, list: ArrayLike<number>, damping: number): Float64Array | undefined {
  const size = list.length, lower = new Float64Array(size * size);
  for (let r = 0; r < size; r++) {
    for (let c = 0; c <= r; c++) {
      let sum = at[list[r] * n + list[c]] + (r === c ? damping : 0);
      for (let k = 0; k < c; k++) sum -= lower[r * size + k] * lower[c * size + k];
      if (r === c && !(sum > 0)) return undefined;
      lower[r * size + c] = r === c ? Math.sqrt(sum) : sum / lower[c * size + c];
    }
  }
  return lower;
}

/** Solves L·Lᵀ·x = b in place. */
function solve(lower: Float64Array, b: Float64Array): Float64Array {
  const n = b.length;
  for (let r = 0; r < n; r++) {
    for (let k = 0; k < r; k++) b[r] -= lower[r * n + k] * b[k];
    b[r] /= lower[r * n + r];
  }
  for (let r = n - 1; r >= 0; r--) {
    for (let k = r + 1; k < n; k++) b[r] -= lower[k * n + r] * b[k];
    b[r] /= lower[r * n + r];
  }
  return b;
}

/** The factor of those rows and columns, damped as little as it takes. */
function damped(h: Square, list: ArrayLike<number>, where: string): Float64Array {
  let mean = 0;
  for (let i = 0; i < h.n; i++) mean += Math.abs(h.at[i * h.n + i]) / h.n;
  for (const share of DAMPING) {
    const lower = factor(h, list, share * (mean || 1));
    if (lower) return lower;
  }
  expect(false, { kind: 'model', where, needs: 'a Hessian that is symmetric and not negative', got: 'one that no damping mends' });
}

/** Diagonal of the inverse: Σ over the rows of L⁻¹ squared. */
function inverseDiagonal(lower: Float64Array, n: number): Float64Array {
  const diagonal = new Float64Array(n), column = new Float64Array(n);
  for (let c = 0; c < n; c++) {
    column.fill(0, c);
    for (let r = c; r < n; r++) {
      let sum = r === c ? 1 : 0;
      for (let k = c; k < r; k++) sum -= lower[r * n + k] * column[k];
      column[r] = sum / lower[r * n + r];
      diagonal[c] += column[r] ** 2;
    }
  }
  return diagonal;
}

function hessians({ layer, evidence }: Context): Square[] {
  const n = columnsOf(layer);
  expect(n <= MOST_COLUMNS, {
    kind: 'limit', where: `${layer.name} [${layer.dims.join(', ')}], obs`, needs: `at most ${MOST_COLUMNS} weights a filter`, got: `${n}`,
    remedy: 'take obd for this layer',
  });
  const all = Float64Array.from(evidence.hessian!);
  return Array.from({ length: layer.groups }, (_, group) => ({ n, at: all.subarray(group * n * n, (group + 1) * n * n) }));
}

const columnsOf = ({ dims }: Layer): number => dims[1] * dims[2] * dims[3];
const every = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** w²/(2·[H⁻¹]ᵢᵢ): what the loss grows by if weight i alone goes and the others make up for it. */
export function surgeonScores(weights: Float32Array, context: Context): Float64Array {
  const n = columnsOf(context.layer), perGroup = context.layer.dims[0] / context.layer.groups;
  const diagonals = hessians(context).map((h) => inverseDiagonal(damped(h, every(n), context.layer.name), n));
  return Float64Array.from(weights, (w, i) => w ** 2 / (2 * diagonals[Math.floor(i / n / perGroup)][i % n]));
}

/**
 * The weights that stay after those in `dropped` go at once: the minimum of the quadratic loss, w_K + H_KK⁻¹·H_KQ·w_Q for kept K and
 * dropped Q of each filter. For a single dropped weight this is −(w_q/[H⁻¹]_qq)·H⁻¹_{:,q}.
 */
export function compensated(weights: Float32Array, dropped: Uint8Array, context: Context): Float32Array {
  const n = columnsOf(context.layer), perGroup = context.layer.dims[0] / context.layer.groups, squares = hessians(context);
  const out = weights.slice();
  for (let filter = 0; filter < context.layer.dims[0]; filter++) {
    const row = out.subarray(filter * n, (filter + 1) * n), gone = dropped.subarray(filter * n, (filter + 1) * n);
    makeUp(row, gone, squares[Math.floor(filter / perGroup)], context.layer.name);
  }
  return out;
}

function makeUp(row: Float32Array, gone: Uint8Array, h: Square, where: string): void {
  // What was zero before is gone too: it must not come back.
  const kept = every(h.n).filter((i) => !gone[i] && row[i] !== 0), lost = every(h.n).filter((i) => gone[i] && row[i] !== 0);
  if (kept.length && lost.length) {
    const owed = Float64Array.from(kept, (k) => lost.reduce((sum, q) => sum + h.at[k * h.n + q] * row[q], 0));
    solve(damped(h, kept, where), owed).forEach((change, i) => { row[kept[i]] += change; });
  }
  for (const q of lost) row[q] = 0;
}
