import { expect } from '../src/expect.ts';
import { countNonzero, type Matrix } from '../src/formats/index.ts';
import type { Graph } from '../src/graph/graph.ts';
import { timeTogether } from '../src/measure/time.ts';
import { randomFrom } from '../src/random.ts';
import { SparseSession } from '../src/runtime/session.ts';
import { Tensor } from '../src/tensor.ts';
import { mathjs } from './peers/mathjs.ts';
import { mlSparseMatrix } from './peers/ml-sparse-matrix.ts';
import type { SparsePeer } from './peers/sparse-peer.ts';

export const sparsePeers: readonly SparsePeer[] = [mathjs, mlSparseMatrix];

export interface SparseProduct {
  readonly name: string;
  readonly matrix: Matrix;
  /** Columns of the other operand. */
  readonly n: number;
}

/** C[m×n] = A[m×k]·B[k×n] with a sparse A, in one library. */
export interface SparseRow {
  readonly case: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly nonzeros: number;
  readonly engine: string;
  readonly version: string;
  readonly medianMs: number;
  /** 10^9 FLOPs a second of useful work. */
  readonly gflops: number;
}

/** Ours sums in f32, theirs in f64: of the largest value. */
const TOLERANCE = 1e-4;

/** C = A·B as a network of one layer: its input holds the columns of B as rows, its output those of C. */
function graphOf({ name, matrix: { rows, cols, values }, n }: SparseProduct): Graph {
  return {
    name,
    inputs: [{ name: 'x', type: 'float32', dims: [n, cols] }], outputs: [{ name: 'y', type: 'float32', dims: [n, rows] }],
    nodes: [{ name: 'product', op: 'Linear', inputs: ['x', 'w'], outputs: ['y'], attrs: {} }],
    constants: new Map([['w', new Tensor('float32', values, [rows, cols])]]),
  };
}

const transposed = (values: Float32Array, rows: number, cols: number): Float32Array =>
  Float32Array.from({ length: values.length }, (_, i) => values[(i % rows) * cols + Math.floor(i / rows)]);

/** @throws BurinError `device` where a library's C differs from ours */
function expectSame(where: string, ours: Float32Array, theirs: Float64Array): void {
  const largest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const error = theirs.reduce((most, value, i) => Math.max(most, Math.abs(value - ours[i])), 0);
  expect(error <= TOLERANCE * largest, {
    kind: 'device', where, needs: `products within ${TOLERANCE * largest}`, got: `a difference of ${error}`,
    remedy: 'nothing was timed: a wrong product has no speed',
  });
}

/** One product in our session and in every library, in turns, after all of them gave the same. */
export async function sparseRows(product: SparseProduct, samples: number, peers = sparsePeers): Promise<SparseRow[]> {
  const { name, matrix, n } = product, { rows: m, cols: k } = matrix;
  const b = randomFrom(1, name).normals(new Float32Array(k * n), 1);
  const session = await SparseSession.create(graphOf(product)), feeds = { x: new Tensor('float32', transposed(b, k, n), [n, k]) };
  try {
    const ours = transposed((await session.run(feeds)).y.data as Float32Array, n, m);
    const loaded = await Promise.all(peers.map(async (peer) =>
      ({ engine: peer.name, version: await peer.version(), product: await peer.load(matrix, b, n) })));
    for (const { engine, product: one } of loaded) expectSame(`${engine}, ${name}`, ours, one.result());
    const tasks = { burin: () => session.run(feeds), ...Object.fromEntries(loaded.map((one) => [one.engine, () => one.product.run()])) };
    const times = await timeTogether<string>(tasks, { samples }), nonzeros = countNonzero(matrix.values);
    return [{ engine: 'burin', version: '' }, ...loaded].map(({ engine, version }): SparseRow => {
      const { medianMs } = times[engine];
      return { case: name, m, n, k, nonzeros, engine, version, medianMs, gflops: (2 * nonzeros * n) / medianMs / 1e6 };
    });
  } finally {
    session.release();
  }
}
