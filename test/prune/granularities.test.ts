import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { randomFrom } from '../../src/random.ts';
import { extentsOf, granularities, meanings, prune } from '../../src/prune/index.ts';
import { sketch, weightsOf } from './networks.ts';

type Dims = [number, number, number, number];

const parameters: Record<string, string> = { block: '(3,2)', block_kernels: '(2,3)', block_rows: '(4)' };
const names = Object.keys(granularities).map((name) => name + (parameters[name] ?? ''));
const dimension = fc.integer({ min: 1, max: 5 });

/** Which group each weight is in, straight from the definition. */
function groupKeys(dims: Dims, granularity: string): string[] {
  const extents = extentsOf(granularity);
  const keys: string[] = [];
  for (let o = 0; o < dims[0]; o++) for (let i = 0; i < dims[1]; i++) for (let h = 0; h < dims[2]; h++) for (let w = 0; w < dims[3]; w++) {
    keys.push([o, i, h, w].map((at, axis) => Math.floor(at / Math.min(extents[axis], 99))).join());
  }
  return keys;
}

/** The same pruning as `prune`, by sorting objects. */
function expected(dims: Dims, granularity: string, weights: number[], dropped: (groups: number) => number): number[] {
  const keys = groupKeys(dims, granularity);
  const groups = new Map<string, number[]>();
  keys.forEach((key, i) => groups.set(key, [...(groups.get(key) ?? []), Math.abs(weights[i])]));
  const scores = [...groups].map(([key, members]) => ({ key, score: members.reduce((a, b) => a + b) / members.length }));
  // Groups met in flat order of their first weight are in the order of their numbers, and sorting is stable.
  const gone = new Set(scores.sort((a, b) => a.score - b.score).slice(0, dropped(scores.length)).map(({ key }) => key));
  return weights.map((w, i) => (gone.has(keys[i]) ? 0 : w));
}

for (const granularity of names) {
  test(`${granularity}: exactly half of the groups go, the smallest, each as one`, () => {
    fc.assert(fc.property(fc.tuple(dimension, dimension, dimension, dimension), fc.integer(), (dims, seed) => {
      const values = Array.from(randomFrom(seed).normals(new Float32Array(dims.reduce((a, b) => a * b)), 1));
      const graph = sketch({ conv: { dims, values } });
      const half = (groups: number): number => (groups % 4 === 3 ? (groups + 1) / 2 : Math.floor(groups / 2));
      assert.equal(weightsOf(prune(graph, { granularity, sparsity: 0.5 }).graph, 'conv'), expected(dims, granularity, values, half));
    }), { numRuns: 40 });
  });
}

const scoreShapes: Record<string, Dims> = {
  weight: [8, 6, 3, 5], shared_weight: [1, 6, 3, 5], channel: [8, 1, 3, 5], column: [8, 6, 1, 5], row: [8, 6, 3, 1],
  kernel: [8, 6, 1, 1], filter: [8, 1, 1, 1],
  shared_channel: [1, 1, 3, 5], shared_column: [1, 6, 1, 5], shared_row: [1, 6, 3, 1], vertical_slice: [8, 1, 1, 5],
  horizontal_slice: [8, 1, 3, 1],
  shared_vertical_slice: [1, 1, 1, 5], shared_horizontal_slice: [1, 1, 3, 1], shared_kernel: [1, 6, 1, 1], layer: [1, 1, 1, 1],
  'block(4,3)': [2, 2, 3, 5], 'block:16x1': [1, 6, 3, 5], 'block_kernels(4,3)': [2, 2, 1, 1], 'block_rows(8)': [1, 6, 3, 5],
};
for (const [granularity, shape] of Object.entries(scoreShapes)) {
  test(`${granularity}: ${shape.join(' x ')} groups in a weight of 8 x 6 x 3 x 5`, () => {
    assert.is(new Set(groupKeys([8, 6, 3, 5], granularity)).size, shape.reduce((a, b) => a * b));
  });
}

test('every granularity of the table is tested', () => {
  const tested = new Set(Object.keys(scoreShapes).map((name) => name.replace(/[(:].*/, '')));
  assert.equal(Object.keys(granularities).filter((name) => !tested.has(name)), []);
});

test('a group scores its mean, or its sum', () => {
  const graph = sketch({ fc: { op: 'Linear', dims: [3, 1], values: [2, 2, 3] } });
  assert.equal(weightsOf(prune(graph, { granularity: 'block(2,1)', sparsity: 0.5 }).graph, 'fc'), [0, 0, 3]);
  assert.equal(weightsOf(prune(graph, { granularity: 'block(2,1)', sparsity: 0.5, reduction: 'sum' }).graph, 'fc'), [2, 2, 0]);
});

test('a linear layer is [O, I, 1, 1]: its output neurons are filters, its input features shared kernels', () => {
  const graph = sketch({ fc: { op: 'Linear', dims: [2, 3], values: [1, 5, 9, 2, 6, 6] } });
  assert.equal(weightsOf(prune(graph, { granularity: 'filter', sparsity: 0.5 }).graph, 'fc'), [1, 5, 9, 0, 0, 0]);
  assert.equal(weightsOf(prune(graph, { granularity: 'shared_kernel', sparsity: 1 / 3 }).graph, 'fc'), [0, 5, 9, 0, 6, 6]);
});

test('extents may be given themselves', () => {
  assert.equal(extentsOf([2, 1, Infinity, Infinity]), [2, 1, Infinity, Infinity]);
  assert.throws(() => extentsOf([0, 1, 1, 1]), /four extents/);
});

test('rows and columns of a linear layer are its neurons and its features, as fasterai says', () => {
  const graph = sketch({
    fc: { op: 'Linear', dims: [2, 3], values: [1, 1, 9, 1, 1, 8] }, gemm: { op: 'Gemm', dims: [2, 2], values: [1, 9, 1, 9] },
  });
  const left = (granularity: string, layer: string): number[] => weightsOf(prune(graph, { granularity, sparsity: 0.5 }).graph, layer);
  assert.equal(left('row', 'fc'), [1, 1, 9, 0, 0, 0]);
  assert.equal(left('column', 'fc'), [0, 0, 9, 0, 0, 8]);
  assert.equal(left('row', 'gemm'), [0, 9, 0, 9]);
});

test('vector is the vector along the input channels, and every name has a meaning', () => {
  assert.equal(extentsOf('vector'), extentsOf('channel'));
  assert.equal(extentsOf('vector', true), extentsOf('channel', true));
  assert.throws(() => extentsOf('vector(4)'), /granularity vector\(4\): needs no numbers, got 1/);
  assert.equal(Object.keys(meanings), Object.keys(granularities));
});

test.run();
