import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Graph } from '../../../src/graph/graph.ts';
import { prunableLayers, readWeight } from '../../../src/graph/layers.ts';
import { zooGraph } from '../../../src/graph/zoo/index.ts';
import { readOnnx, writeOnnx } from '../../../src/io/onnx/index.ts';
import {
  applyMasks, compareMasks, fromZeros, invert, maskFrom, maskReport, masksOf, prune, sameMask, type Masks,
} from '../../../src/prune/index.ts';
import { Tensor, type Shape } from '../../../src/tensor.ts';
import { counting, sketch, weightsOf } from '../networks.ts';

const lenet = zooGraph('lenet-5-caffe');
const sameMasks = (a: Masks, b: Masks): void => {
  assert.equal([...a.keys()], [...b.keys()]);
  for (const [name, mask] of a) assert.ok(sameMask(mask, b.get(name)!), name);
};

test('masks of a pruned network are those that pruned it, and prune the dense one alike', () => {
  const { graph, masks } = prune(lenet, { sparsity: 0.9 });
  sameMasks(masksOf(graph), masks);
  const applied = applyMasks(lenet, masks);
  for (const [name, { data }] of graph.constants) assert.equal(applied.constants.get(name)!.data, data, name);
});

test('a network without zeros keeps everything; weights that lose nothing are shared', () => {
  const masks = masksOf(lenet), { total } = maskReport(masks, lenet);
  assert.equal([total.kept, total.sparsity], [total.total, 0]);
  const conv1 = masks.get('conv1.weight')!;
  const applied = applyMasks(lenet, new Map([...masks, ['conv1.weight', invert(conv1)]]));
  assert.is(applied.constants.get('fc1.weight'), lenet.constants.get('fc1.weight'));
  assert.ok(weightsOf(applied, 'conv1').every((value) => value === 0));
  assert.ok(weightsOf(lenet, 'conv1').every((value) => value !== 0));
});

test('biases can be masked', () => {
  const graph: Graph = { ...sketch({ fc: { op: 'Linear', dims: [2, 2], values: [1, 2, 3, 4] } }) };
  const constants = new Map([...graph.constants, ['fc.bias', new Tensor('float32', [5, 6])]]);
  assert.equal(applyMasks({ ...graph, constants }, new Map([['fc.bias', maskFrom([0, 1], [2])]])).constants.get('fc.bias')!.data,
    Float32Array.of(0, 6));
});

test('names, shapes and types are checked', () => {
  const refused: readonly (readonly [string, readonly number[], Shape, string, RegExp])[] = [
    ['fc9.weight', [1], [1], 'argument', /mask 'fc9.weight': needs a weight among conv1.weight, .*matchMasks finds/],
    ['conv1.weight', [1], [1], 'shape', /the shape of its weight, \[20, 1, 5, 5\], got \[1\]; matchMasks turns/],
  ];
  for (const [name, bits, dims, kind, message] of refused) {
    assert.throws(() => applyMasks(lenet, new Map([[name, maskFrom(bits, dims)]])),
      (error: { kind: string; message: string }) => error.kind === kind && message.test(error.message));
  }
  const ints: Graph = { ...lenet, constants: new Map([['n', new Tensor('int64', [1])]]) };
  assert.throws(() => applyMasks(ints, new Map([['n', maskFrom([1], [1])]])), /a float32 weight, got int64/);
  assert.throws(() => masksOf({} as Graph), /graph/);
});

test('a report counts weights, filters and kernels that are left', () => {
  const graph = sketch({
    conv: { dims: [3, 2, 1, 2], values: [0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 1] },
    // Stored [I, O]: output 1 keeps nothing.
    fc: { op: 'MatMul', dims: [3, 2], values: [1, 0, 1, 0, 0, 0] },
  });
  const { rows, total } = maskReport(masksOf(graph), graph);
  assert.equal(rows, [
    { name: 'conv.weight', total: 12, kept: 4, sparsity: 1 - 4 / 12, filters: 3, liveFilters: 2, kernels: 6, liveKernels: 3 },
    { name: 'fc.weight', total: 6, kept: 2, sparsity: 1 - 2 / 6, filters: 2, liveFilters: 1, kernels: 6, liveKernels: 2 },
  ]);
  assert.equal(total, { name: 'total', total: 18, kept: 6, sparsity: 1 - 6 / 18, filters: 5, liveFilters: 3, kernels: 12, liveKernels: 5 });
  assert.is(maskReport(masksOf(graph)).rows[1].filters, 3, 'as [O, I] where the network is not given');
  assert.is(maskReport(new Map()).total.sparsity, 0);
});

test('filters and kernels are those that plain loops over O, I and the window find', () => {
  const shapes: readonly (readonly [string, Shape, number])[] = [
    ['Conv', [4, 3, 2, 2], 1], ['Conv', [6, 2, 3], 3], ['ConvTranspose', [4, 3, 1, 2], 2], ['Gemm', [5, 3], 1], ['Linear', [5, 3], 1],
  ];
  fc.assert(fc.property(fc.constantFrom(...shapes), fc.infiniteStream(fc.integer({ min: 0, max: 3 })), ([op, dims, group], stream) => {
    const values = counting(dims).map(() => (stream.next().value === 3 ? 1 : 0));
    const graph = sketch({ a: { op, dims, values, attrs: { group } } }), [layer] = prunableLayers(graph);
    const weights = readWeight(graph, layer), [O, I, height, width] = layer.dims, window = height * width;
    const kernels = Array.from({ length: O * I }, (_, k) => weights.subarray(k * window, (k + 1) * window).some((w) => w !== 0));
    const filters = Array.from({ length: O }, (_, o) => kernels.slice(o * I, (o + 1) * I).some(Boolean));
    const [row] = maskReport(masksOf(graph), graph).rows, count = (list: boolean[]): number => list.filter(Boolean).length;
    assert.equal([row.filters, row.liveFilters, row.kernels, row.liveKernels], [O, count(filters), O * I, count(kernels)]);
  }), { seed: 4, numRuns: 300 });
});

test('later masks of a growing sparsity lie inside earlier ones', () => {
  const [early, late] = [0.5, 0.8].map((sparsity) => prune(lenet, { sparsity }).masks);
  const { rows, total } = compareMasks(late, early);
  assert.is(total.onlyFirst, 0);
  assert.is(rows.reduce((sum, { both }) => sum + both, 0), total.both);
  assert.ok(Math.abs(total.overlap - 0.4) < 1e-3, `${total.overlap}`);
  assert.throws(() => compareMasks(late, new Map()), /masks of the same weights, got conv1.weight/);
});

test('ONNX holds masks as zeros and as sparse initializers', () => {
  for (const sparse of [false, true]) {
    const { graph, masks } = prune(lenet, { sparsity: 0.9, granularity: 'row' });
    sameMasks(masksOf(readOnnx(writeOnnx(graph, { sparse }))), masks);
  }
});

test('a mask of a tensor with a kept zero shows it as dropped', () => {
  assert.equal(fromZeros(new Tensor<Float32Array>('float32', [0, -0, NaN, 1e-45])), maskFrom([0, 0, 1, 1], [4]));
});

test.run();
