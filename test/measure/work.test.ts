import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate, inferShapes } from '../../src/graph/evaluate.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { prunableLayers, readWeight, writeWeight } from '../../src/graph/layers.ts';
import { livenessOf } from '../../src/graph/liveness.ts';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { conventions } from '../../src/measure/conventions.ts';
import { inspect, workOf } from '../../src/measure/work.ts';
import { prune } from '../../src/prune/index.ts';
import { randomFrom } from '../../src/random.ts';
import { Tensor } from '../../src/tensor.ts';

/**
 * Network, parameters, multiply-adds, ptflops, multiply-adds in bounds. The last four: parameters as torchvision states them,
 * whose multiply-adds (4.09, 0.30, 0.82 and 0.35 G) these round to.
 */
const table: [string, number, number, number?, number?][] = [
  ['lenet-300-100', 266_610, 266_200, 267_010, 266_200],
  ['lenet-5-caffe', 431_080, 2_293_000, 2_323_450, 2_293_000],
  ['vgg16', 138_357_544, 15_470_264_320, 15_503_523_304, 14_969_824_000],
  ['vgg16-cifar', 14_991_946, 313_463_808, 314_696_714, 247_576_320],
  ['vgg16-bn-cifar', 14_728_266, 313_201_664, 314_432_522, 247_314_176],
  ['resnet18', 11_689_512, 1_814_073_344, 1_822_177_768, 1_680_390_912],
  ['resnet20-cifar', 272_474, 40_813_184],
  ['mobilenetv1', 4_231_976, 568_740_352, 583_919_592, 567_875_744],
  ['resnet50', 25_557_032, 4_089_184_256],
  ['mobilenetv2', 3_504_872, 300_774_272],
  ['squeezenet1.0', 1_248_424, 818_924_576],
  ['squeezenet1.1', 1_235_496, 349_151_936],
];

for (const [name, params, macs, ptflops, inBounds] of table) {
  test(`${name}: parameters and work`, () => {
    const graph = zooGraph(name);
    const { totals } = inspect(graph);
    assert.is(totals.params, params);
    assert.is(totals.nonzeroParams, params);
    assert.is(totals.macs, macs);
    if (ptflops !== undefined) assert.is(inspect(graph, { convention: 'ptflops' }).totals.macs, ptflops);
    if (inBounds !== undefined) assert.is(inspect(graph, { convention: 'inBounds' }).totals.macs, inBounds);
  });
}

test('conventions: flops2 and macs+bias', () => {
  const graph = zooGraph('lenet-300-100');
  assert.is(inspect(graph, { convention: 'flops2' }).totals.macs, 2 * 266_200);
  assert.is(inspect(graph, { convention: 'macs+bias' }).totals.macs, 266_200 + 410);
  const names = Object.keys(conventions).join(', ');
  assert.throws(() => inspect(graph, { convention: 'gops' }), (error: Error) => error.message.includes(`one of ${names}, got 'gops'`));
});

test('an inspection has exactly the promised fields', () => {
  const inspection = inspect(zooGraph('lenet-5-caffe'));
  assert.equal(inspection.model, 'lenet-5-caffe');
  assert.equal(inspection.convention, 'macs');
  assert.equal(inspection.layers.map(({ name, op, params, nonzero, macs }) => [name, op, params, nonzero, macs]), [
    ['conv1', 'Conv', 520, 520, 288_000], ['conv2', 'Conv', 25_050, 25_050, 1_600_000],
    ['fc1', 'Gemm', 400_500, 400_500, 400_000], ['fc2', 'Gemm', 5_010, 5_010, 5_000],
  ]);
});

test('VGG16: the last three convolutions hold 48.115 % of the weights of all and 9.040 % of the work (Hubens 2020)', () => {
  const share = (convention: string): number => {
    const convolutions = inspect(zooGraph('vgg16-bn-cifar'), { convention }).layers.filter(({ op }) => op === 'Conv');
    const macs = convolutions.map((layer) => layer.macs);
    return macs.slice(-3).reduce((a, b) => a + b) / macs.reduce((a, b) => a + b);
  };
  const { constants, nodes } = zooGraph('vgg16-bn-cifar');
  const sizes = nodes.filter(({ op }) => op === 'Conv').map(({ inputs }) => constants.get(inputs[1])!.size);
  const [last, all] = [sizes.slice(-3), sizes].map((list) => list.reduce((a, b) => a + b));
  assert.equal([last, all], [7_077_888, 14_710_464]);
  assert.is((100 * last / all).toFixed(3), '48.115');
  assert.is((100 * share('macs')).toFixed(3), '9.040');
  assert.is((100 * share('inBounds')).toFixed(2), '5.09');
});

const vggCifar = zooGraph('vgg16-bn-cifar');
const filterPruning: [number, string, string, number?, number?][] = [
  [0.25, '1.3333', '1.7744', 176_508_672, 8_288_314],
  [0.5, '2.0000', '3.9775', 78_744_064, 3_686_954],
  [0.75, '3.9998', '15.7326'],
];
for (const [sparsity, masked, effective, macs, params] of filterPruning) {
  test(`VGG16-CIFAR without ${sparsity} of its filters`, () => {
    const { totals } = workOf(prune(vggCifar, { granularity: 'filter', sparsity, exclude: ['classifier'] }).graph);
    assert.is(totals.theoreticalSpeedup.masked!.toFixed(4), masked);
    assert.is(totals.theoreticalSpeedup.effective!.toFixed(4), effective);
    if (macs !== undefined) assert.is(totals.macs.effective, macs);
    if (params !== undefined) assert.is(totals.effectiveParams, params);
  });
}

for (const name of ['resnet20-cifar', 'mobilenetv2', 'squeezenet1.1']) {
  test(`${name}: a dense network has no dead channels, and each count is the dense one`, () => {
    const { totals } = workOf(zooGraph(name));
    assert.is(totals.macs.masked, totals.macs.dense);
    assert.is(totals.macs.effective, totals.macs.dense);
    assert.is(totals.macs.inBounds, totals.denseInBounds);
    assert.is(totals.effectiveParams, totals.params);
    assert.equal(totals.theoreticalSpeedup, { masked: 1, effective: 1, inBounds: 1 });
    assert.is(totals.compressionRatio, 1);
  });
}

test('unstructured zeros count in proportion to the positions they are used at', () => {
  const graph = zooGraph('resnet20-cifar');
  const { graph: pruned, report } = prune(graph, { sparsity: 0.8 });
  const [before, after] = [workOf(graph), workOf(pruned)];
  after.layers.filter(({ macs }) => macs.dense > 0).forEach((layer, i) => {
    assert.is(layer.macs.masked, (layer.macs.dense * report[i].kept) / report[i].total, layer.name);
  });
  assert.is(after.totals.macs.dense, before.totals.macs.dense);
  assert.ok(after.totals.macs.inBounds < after.totals.macs.masked);
});

const f32 = (dims: number[], values: number[]): Tensor => new Tensor('float32', values, dims);

/** x [1, 1, 3, 3] → Conv 3 × 3 with padding 1. */
function padded(kernel: number[]): Graph {
  return {
    name: 'padded',
    inputs: [{ name: 'x', type: 'float32', dims: [1, 1, 3, 3] }],
    outputs: [{ name: 'y', type: 'float32', dims: [1, 1, 3, 3] }],
    nodes: [{ name: 'conv', op: 'Conv', inputs: ['x', 'w'], outputs: ['y'], attrs: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] } }],
    constants: new Map([['w', f32([1, 1, 3, 3], kernel)]]),
  };
}

test('in bounds: a corner tap meets the image at 4 of 9 positions, the middle one at all', () => {
  const corner = workOf(padded([1, 0, 0, 0, 0, 0, 0, 0, 0])).totals;
  const middle = workOf(padded([0, 0, 0, 0, 2, 0, 0, 0, 0])).totals;
  assert.equal([corner.macs.masked, corner.macs.inBounds], [9, 4]);
  assert.equal([middle.macs.masked, middle.macs.inBounds], [9, 9]);
  assert.is(middle.denseInBounds, 49);
  assert.is(workOf(padded(new Array<number>(9).fill(0))).totals.theoreticalSpeedup.masked, null);
});

/** A chain of 1 × 1 convolutions, a → middle → b, on two channels, so that dead channels can be followed by hand. */
function chain(a: number[], b: number[], middle: Graph['nodes'], last = 'a'): Graph {
  const point = (name: string, x: string) => ({ name, op: 'Conv', inputs: [x, `${name}.w`], outputs: [name], attrs: {} });
  return {
    name: 'chain',
    inputs: [{ name: 'x', type: 'float32', dims: [1, 2, 4, 4] }],
    outputs: [{ name: 'b', type: 'float32', dims: [1, 2, 4, 4] }],
    nodes: [point('a', 'x'), ...middle, point('b', last)],
    constants: new Map([['a.w', f32([2, 2, 1, 1], a)], ['b.w', f32([2, b.length / 2, 1, 1], b)]]),
  };
}
const effective = (graph: Graph): number[] => workOf(graph).layers.map((layer) => layer.macs.effective / 16);

test('effective: a dead filter kills the kernels that read it, a channel nobody reads its producer', () => {
  assert.equal(effective(chain([1, 1, 0, 0], [1, 1, 1, 1], [])), [2, 2]);
  assert.equal(effective(chain([1, 1, 1, 1], [0, 1, 0, 1], [])), [2, 2]);
  assert.equal(effective(chain([0, 0, 1, 1], [1, 0, 1, 0], [])), [0, 0]);
});

test('effective: a sum is dead only where both terms are, a concatenation maps its channels', () => {
  const add: Graph['nodes'] = [{ name: 'add', op: 'Add', inputs: ['a', 'x'], outputs: ['add'], attrs: {} }];
  assert.equal(effective(chain([1, 1, 0, 0], [1, 1, 1, 1], add, 'add')), [2, 4]);
  const twice: Graph['nodes'] = [{ name: 'twice', op: 'Concat', inputs: ['a', 'a'], outputs: ['twice'], attrs: { axis: 1 } }];
  assert.equal(effective(chain([1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1], twice, 'twice')), [2, 4]);
  assert.equal(effective(chain([1, 1, 1, 1], [0, 1, 0, 0, 0, 1, 0, 0], twice, 'twice')), [2, 2]);
});

test('effective: an operator whose channels are not known to stay apart keeps everything alive', () => {
  const softmax: Graph['nodes'] = [{ name: 'softmax', op: 'Softmax', inputs: ['a'], outputs: ['softmax'], attrs: { axis: 1 } }];
  assert.equal(effective(chain([1, 1, 0, 0], [0, 1, 0, 1], softmax, 'softmax')), [2, 2]);
});

test('effective: through batch normalisation, depthwise convolution and flatten', () => {
  const graph = zooGraph('mobilenetv1', { input: 64, classes: 10 });
  const { totals } = workOf(prune(graph, { granularity: 'filter', sparsity: 0.5, layers: ['features.*.1.0', 'features.0.0'] }).graph);
  // Half of the filters everywhere: pointwise work to a quarter, depthwise work and the stem to a half, as in a MobileNet of width 1/2.
  assert.is(totals.macs.effective, inspect(graph).layers.reduce((sum, { name, macs }) => sum + macs * shareAtHalfWidth(name), 0));
  assert.ok(totals.effectiveParams < 0.26 * totals.params, `${totals.effectiveParams} of ${totals.params}`);
});

function shareAtHalfWidth(name: string): number {
  const pointwise = /^features\.\d+\.1\.0$/.test(name);
  return pointwise ? 0.25 : 0.5;
}

/** A network with many dead kernels, filters and inputs. */
function riddled(name: string, options: { input: number }): Graph {
  const kernels = prune(zooGraph(name, { ...options, classes: 3 }), { granularity: 'kernel', sparsity: 0.9, criterion: 'random' }).graph;
  return prune(kernels, { granularity: 'filter', sparsity: 0.3 }).graph;
}

/** Positions of an [N = 1, C, …] value whose channel has this flag. */
const inChannels = (length: number, flags: Uint8Array, flag: number): number[] =>
  Array.from({ length }, (_, i) => i).filter((i) => flags[Math.floor((i * flags.length) / length)] === flag);

for (const [name, input] of [['resnet20-cifar', 8], ['mobilenetv2', 32], ['squeezenet1.1', 32]] as const) {
  test(`${name}: what is called constant does not move with the input, what is called unread does not move the output`, () => {
    const graph = riddled(name, { input });
    const { varies, needed } = livenessOf(graph, inferShapes(graph));
    const everything = { ...graph, outputs: graph.nodes.map(({ outputs }) => ({ name: outputs[0], type: 'float32' as const, dims: [] })) };
    const [one, other] = [1, 2].map((seed) => evaluate(everything, { input: image(input, seed) }));
    let constant = 0, unread = 0;
    for (const { name: value } of everything.outputs) {
      const [a, b] = [one, other].map((values) => values[value].data);
      for (const i of inChannels(a.length, varies.get(value)!, 0)) assert.is(a[i], b[i], value);
      constant += varies.get(value)!.filter((flag) => flag === 0).length;
      unread += needed.get(value)!.filter((flag) => flag === 0).length;
    }
    assert.ok(constant > 10 && unread > 10, `${constant} constant, ${unread} unread`);
    assert.equal(evaluate(withNoise(graph, needed), { input: image(input, 1) }).scores.data, one.scores.data);
  });
}

function image(side: number, seed: number): Tensor {
  return f32([1, 3, side, side], [...randomFrom(seed).normals(new Float32Array(3 * side * side), 1)]);
}

/** Other weights for every filter whose output nobody reads. */
function withNoise(graph: Graph, needed: ReadonlyMap<string, Uint8Array>): Graph {
  const constants = new Map(graph.constants);
  for (const layer of prunableLayers(graph)) {
    const weights = readWeight(graph, layer).slice();
    for (const i of inChannels(weights.length, needed.get(layer.node.outputs[0])!, 0)) weights[i] += 1;
    constants.set(layer.weight, writeWeight(graph, layer, weights));
  }
  return { ...graph, constants };
}

test.run();
