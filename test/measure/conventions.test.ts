import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Graph } from '../../src/graph/graph.ts';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { conventions } from '../../src/measure/conventions.ts';
import { profileOf } from '../../src/measure/profile.ts';
import { inspect } from '../../src/measure/work.ts';
import { prune } from '../../src/prune/index.ts';
import { Tensor } from '../../src/tensor.ts';

const total = (graph: Graph, convention: string): number => inspect(graph, { convention }).totals.macs;

interface Place {
  readonly kernel?: number[];
  readonly batch?: number;
  readonly group?: number;
  readonly strides?: number[];
  readonly pads?: number[];
  readonly dilations?: number[];
}

/** One convolution of 10 filters over an image of 10 channels, 4 rows and 5 columns. */
function conv({ kernel = [3, 2], batch = 1, group = 1, ...attrs }: Place): Graph {
  const dims = [10, 10 / group, ...kernel];
  return {
    name: 'conv',
    inputs: [{ name: 'x', type: 'float32', dims: [batch, 10, 4, 5] }],
    outputs: [{ name: 'y', type: 'float32', dims: [] }],
    nodes: [{ name: 'conv', op: 'Conv', inputs: ['x', 'w'], outputs: ['y'], attrs: { group, ...attrs } }],
    constants: new Map([['w', new Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b)).fill(1), dims)]]),
  };
}

test('shrinkbench: the cases of its own documentation', () => {
  // c_in = c_out = 10, image 4 × 5, window 3 × 2: SAME, and SAME with stride 2, whose output is 2 × 3.
  assert.is(total(conv({}), 'shrinkbench'), 10 * 10 * 6 * 4 * 5);
  assert.is(total(conv({ strides: [2, 2] }), 'shrinkbench'), 10 * 10 * 6 * 2 * 3);
  assert.is(total(conv({}), 'macs'), 10 * 10 * 6 * 2 * 4);
  assert.is(total(conv({ strides: [2, 2] }), 'macs'), 10 * 10 * 6 * 1 * 2);
});

test('shrinkbench: padding, groups and batch do not change its count', () => {
  const plain = total(conv({ kernel: [3, 3] }), 'shrinkbench');
  assert.is(plain, 10 * 10 * 9 * 20);
  assert.is(total(conv({ kernel: [3, 3], pads: [1, 1, 1, 1] }), 'shrinkbench'), plain);
  assert.is(total(conv({ kernel: [3, 3], group: 5 }), 'shrinkbench'), plain);
  assert.is(total(conv({ kernel: [3, 3], batch: 3 }), 'shrinkbench'), plain);
  assert.is(total(conv({ kernel: [3, 3], group: 5, pads: [1, 1, 1, 1], batch: 3 }), 'macs'), (plain / 5) * 3);
});

test('shrinkbench: a dilation has no count, as there', () => {
  const dilated = conv({ dilations: [1, 2] });
  assert.throws(() => total(dilated, 'shrinkbench'), (error: { kind: string; message: string }) =>
    error.kind === 'unsupported' && /node 'conv' \(Conv\).*no dilation.*\[1,2\]/.test(error.message));
  assert.is(total(dilated, 'macs'), 10 * 10 * 6 * 2 * 3);
  assert.is(profileOf(dilated).counts.shrinkbench, null);
});

/**
 * Network and count by ShrinkBench. Where all padding is SAME and nothing is grouped it is that of plain multiply-adds; LeNet-5 has
 * no padding: 28² · 500 + 12² · 25000 + 405000.
 */
const known: readonly (readonly [string, number])[] = [
  ['lenet-300-100', 266_200], ['lenet-5-caffe', 28 ** 2 * 500 + 12 ** 2 * 25_000 + 405_000], ['vgg16', 15_470_264_320],
  ['vgg16-cifar', 313_463_808], ['vgg16-bn-cifar', 313_201_664], ['resnet18', 1_814_073_344], ['resnet20-cifar', 40_813_184],
];
for (const [name, count] of known) {
  test(`shrinkbench: ${name}`, () => { assert.is(total(zooGraph(name), 'shrinkbench'), count); });
}

test('shrinkbench: a depthwise convolution counts as a full one', () => {
  const graph = zooGraph('mobilenetv1'), depthwise = (name: string): boolean => /^features\.\d+\.0\.0$/.test(name);
  const macs = inspect(graph).layers, counted = inspect(graph, { convention: 'shrinkbench' }).layers;
  const channels = new Map(graph.nodes.map((node) => [node.name, Number(node.attrs.group)]));
  counted.forEach(({ name, macs: count }, i) => assert.is(count, macs[i].macs * (depthwise(name) ? channels.get(name)! : 1), name));
  assert.ok(counted.some(({ name }) => depthwise(name)));
});

test('shrinkbench: nonzero work goes with the nonzero weights of each layer', () => {
  const { graph } = prune(zooGraph('lenet-5-caffe'), { sparsity: 0.75 });
  const { counts, layers } = profileOf(graph, { convention: 'shrinkbench' });
  assert.is(counts.shrinkbench!.kept, layers.reduce((sum, { work, sparsity }) => sum + work.total * (1 - sparsity), 0));
  assert.is(counts.shrinkbench!.total / counts.shrinkbench!.kept, 4);
});

test('every convention says in a line what it counts, and counts no less dense than masked', () => {
  const { graph } = prune(zooGraph('resnet20-cifar'), { sparsity: 0.5 });
  for (const [name, { about }] of Object.entries(conventions)) {
    assert.ok(about.length > 10 && about.length < 110, name);
    const { work } = profileOf(graph, { convention: name });
    assert.is(work.total, total(graph, name), name);
    assert.ok(work.kept < work.total, name);
  }
});

test.run();
