import { expect } from '../../expect.ts';
import type { Layer } from '../../graph/layers.ts';
import type { Context } from './criteria.ts';

// Optimal brain surgeon (Hassibi & Stork 1993), filter by filter: the loss is ½·δᵀHδ, with one H for all filters of a group.

/** A Hessian of n rows takes n²·8 bytes and n³/3 multiplications. */
const MOST_COLUMNS = 4096;
/** What is added to the diagonal, as a share of its mean, until H is positive definite. */
const DAMPING = [0, 1e-8, 1e-6, 1e-4, 1e-2, 1];

interface Square { readonly n: number; readonly at: Float64Array }

/**
 * Lower Cholesky factor of the rows and columns `list` of `h`, or undefined where it is not positive definite. Four columns of two rows
 * are worked out at a time, as the sum of one waits for each of its parts.
 */
function factor({ n, at }: Square, list: ArrayLike<number>, damping: number): Float64Array | undefined {
  const size = list.length, lower = new Float64Array(size * size);
  for (let r = 0; r < size; r++) {
    for (let c = 0; c <= r; c++) lower[r * size + c] = at[list[r] * n + list[c]] + (r === c ? damping : 0);
  }
  for (let r = 0; r < size; r += 2) {
    const fours = r & ~3, rows = r + 1 < size ? [r, r + 1] : [r];
    for (let c = 0; c < fours; c += 4) {
      if (rows.length === 2) subtractTile(lower, size, { r, c });
      for (const row of rows) for (let j = c; j < c + 4; j++) finish(lower, size, { row, col: j, from: rows.length === 2 ? c : 0 });
    }
    for (const row of rows) {
      for (let c = fours; c <= row; c++) if (!finish(lower, size, { row, col: c, from: 0 })) return undefined;
    }
  }
  return lower;
}

/** What products of earlier columns take from columns c … c + 3 of rows r and r + 1. */
function subtractTile(lower: Float64Array, size: number, { r, c }: { readonly r: number; readonly c: number }): void {
  const x = r * size, y = x + size, a = c * size, b = a + size, d = b + size, e = d + size;
  let s0 = lower[x + c], s1 = lower[x + c + 1], s2 = lower[x + c + 2], s3 = lower[x + c + 3];
  let t0 = lower[y + c], t1 = lower[y + c + 1], t2 = lower[y + c + 2], t3 = lower[y + c + 3];
  for (let k = 0; k < c; k++) {
    const u = lower[x + k], v = lower[y + k], p = lower[a + k], q = lower[b + k], w = lower[d + k], z = lower[e + k];
    s0 -= u * p;
    s1 -= u * q;
    s2 -= u * w;
    s3 -= u * z;
    t0 -= v * p;
    t1 -= v * q;
    t2 -= v * w;
    t3 -= v * z;
  }
  lower.set([s0, s1, s2, s3], x + c);
  lower.set([t0, t1, t2, t3], y + c);
}

interface Entry { readonly row: number; readonly col: number; readonly from: number }

/** An entry of the factor from what is left of it before column `from`; false where it is on the diagonal and not positive. */
function finish(lower: Float64Array, size: number, { row, col, from }: Entry): boolean {
  const x = row * size, y = col * size;
  let sum = lower[x + col];
  for (let k = from; k < col; k++) sum -= lower[x + k] * lower[y + k];
  lower[x + col] = row === col ? Math.sqrt(sum) : sum / lower[y + col];
  return row !== col || sum > 0;
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

/** Diagonal of the inverse: Σ over the rows of L⁻¹ squared, four columns at a time. */
function inverseDiagonal(lower: Float64Array, n: number): Float64Array {
  const diagonal = new Float64Array(n + 3), columns = new Float64Array(4 * n);
  for (let c = 0; c < n; c += 4) {
    for (let r = c; r < n; r++) {
      let s0 = Number(r === c), s1 = Number(r === c + 1), s2 = Number(r === c + 2), s3 = Number(r === c + 3);
      for (let k = c, at = r * n + c, x = 4 * c; k < r; k++, at++, x += 4) {
        const value = lower[at];
        s0 -= value * columns[x];
        s1 -= value * columns[x + 1];
        s2 -= value * columns[x + 2];
        s3 -= value * columns[x + 3];
      }
      const scale = lower[r * n + r];
      for (const [j, sum] of [s0, s1, s2, s3].entries()) {
        columns[4 * r + j] = sum / scale;
        diagonal[c + j] += columns[4 * r + j] ** 2;
      }
    }
  }
  return diagonal.subarray(0, n);
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
