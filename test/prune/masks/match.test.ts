import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../../src/expect.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import { layerOf, prunableLayers, readWeight } from '../../../src/graph/layers.ts';
import { zooGraph } from '../../../src/graph/zoo/index.ts';
import {
  applyMasks, maskFrom, masksOf, matchMasks, prune, type LayoutName, type Mask, type MatchOptions,
} from '../../../src/prune/index.ts';
import { sizeOf, Tensor, type Shape } from '../../../src/tensor.ts';
import { sketch, type Sketch } from '../networks.ts';

const ones = (dims: Shape): Mask => maskFrom(new Uint8Array(sizeOf(dims)).fill(1), dims);

/** Whether a test mask keeps weight (o, i, position of the window): no two places of a small weight have the same neighbours. */
const keeps = (o: number, i: number, k: number): boolean => ((o * 7919 + i * 104729 + k * 1299709 + 13) * 2654435761 >>> 0) % 3 === 0;

interface Shaped {
  readonly outputs: number;
  /** Of one group. */
  readonly inputs: number;
  readonly window: Shape;
  readonly groups: number;
}

/** Index of (o, i, k) in a layout of dimensions `dims`: written out once more, by the documents of each tool. */
type Place = (o: number, i: number, k: number) => number;

function convolution({ outputs: O, inputs: I, window, groups }: Shaped): Record<LayoutName, readonly [Shape, Place]> {
  const size = sizeOf(window), stored: readonly [Shape, Place] = [[O, I, ...window], (o, i, k) => (o * I + i) * size + k];
  return {
    stored, torch: stored,
    keras: I === 1 && groups > 1
      // DepthwiseConv2D [window, C, M]: output c · M + m reads channel c.
      ? [[...window, groups, O / groups], (o, _i, k) => k * O + o]
      : [[...window, I, O], (o, i, k) => (k * I + i) * O + o],
    matrix: [[O, I * size], (o, i, k) => (o * I + i) * size + k],
  };
}

/** ONNX and PyTorch [I in all, O/g, window]; Keras, which has no groups there, [window, O, I]. */
function transposed({ outputs: O, inputs: I, window, groups }: Shaped): Partial<Record<LayoutName, readonly [Shape, Place]>> {
  const size = sizeOf(window), per = O / groups;
  const stored: readonly [Shape, Place] = [[I * groups, per, ...window],
    (o, i, k) => ((Math.floor(o / per) * I + i) * per + (o % per)) * size + k];
  return {
    stored, torch: stored, matrix: [[O, I * size], (o, i, k) => (o * I + i) * size + k],
    ...(groups === 1 && { keras: [[...window, O, I], (o: number, i: number, k: number) => (k * O + o) * I + i] as const }),
  };
}

function linear({ outputs: O, inputs: I }: Shaped, turned: boolean): Record<LayoutName, readonly [Shape, Place]> {
  const rows: readonly [Shape, Place] = [[O, I], (o, i) => o * I + i], columns: readonly [Shape, Place] = [[I, O], (o, i) => i * O + o];
  return { stored: turned ? columns : rows, torch: rows, keras: columns, matrix: rows };
}

interface Kind {
  readonly sketch: Omit<Sketch, 'values' | 'dims'>;
  readonly places: Partial<Record<LayoutName, readonly [Shape, Place]>>;
}

const kinds: Record<string, (shape: Shaped) => Kind> = {
  Conv: (shape) => ({ sketch: { attrs: { group: shape.groups } }, places: convolution(shape) }),
  ConvTranspose: (shape) => ({ sketch: { op: 'ConvTranspose', attrs: { group: shape.groups } }, places: transposed(shape) }),
  Linear: (shape) => ({ sketch: { op: 'Linear' }, places: linear(shape, false) }),
  MatMul: (shape) => ({ sketch: { op: 'MatMul' }, places: linear(shape, true) }),
  Gemm: (shape) => ({ sketch: { op: 'Gemm' }, places: linear(shape, true) }),
  'Gemm, transB': (shape) => ({ sketch: { op: 'Gemm', attrs: { transB: 1 } }, places: linear(shape, false) }),
};

const shapes = fc.record({
  per: fc.integer({ min: 1, max: 4 }), inputs: fc.integer({ min: 1, max: 5 }), groups: fc.integer({ min: 1, max: 3 }),
  window: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
});

for (const [kind, of] of Object.entries(kinds)) {
  test(`${kind}: a mask in any layout drops the weights it means`, () => {
    fc.assert(fc.property(shapes, ({ per, inputs, groups, window }) => {
      const shape = { outputs: per * groups, inputs, window, groups }, { sketch: layer, places } = of(shape);
      const values = new Float32Array(sizeOf(places.stored![0])).fill(1);
      const graph = sketch({ a: { ...layer, dims: places.stored![0], values } });
      const { dims: [O, I, height, width] } = layerOf(graph, graph.nodes[0])!;
      for (const [layout, [dims, place]] of Object.entries(places) as [LayoutName, readonly [Shape, Place]][]) {
        const bits = new Uint8Array(values.length), each = (visit: (o: number, i: number, k: number) => void): void => {
          for (let o = 0; o < O; o++) for (let i = 0; i < I; i++) for (let k = 0; k < height * width; k++) visit(o, i, k);
        };
        each((o, i, k) => { bits[place(o, i, k)] = Number(keeps(o, i, k)); });
        const { masks } = matchMasks(graph, new Map([['a.weight', maskFrom(bits, dims)]]), { layout });
        const pruned = applyMasks(graph, masks), weights = readWeight(pruned, layerOf(pruned, pruned.nodes[0])!);
        each((o, i, k) => assert.is(weights[(o * I + i) * height * width + k], Number(keeps(o, i, k)), `${layout} ${o} ${i} ${k}`));
      }
    }), { seed: 5, numRuns: 200 });
  });
}

/** What each mask matched, or the error. */
function matches(graph: Graph, masks: Record<string, Shape>, options?: MatchOptions): string {
  try {
    const given = new Map(Object.entries(masks).map(([name, dims]) => [name, ones(dims)]));
    const { matched, unmatched } = matchMasks(graph, given, options);
    const found = matched.map(({ mask, weight, by, layout }) => `${mask} → ${weight} (${by}, ${layout})`);
    return [...found, ...unmatched.map(({ mask }) => `${mask} ?`)].join('; ');
  } catch (error) {
    if (!(error instanceof BurinError)) throw error;
    return `${error.kind}: ${error.message}`;
  }
}

const layer = (dims: Shape, op?: string): Sketch => ({ op, dims, values: new Float32Array(sizeOf(dims)) });
const small = sketch({
  'layer1.0.conv1': layer([4, 3, 3, 3]), 'layer1.1.conv1': layer([4, 4, 3, 3]), 'layer2.0.conv1': layer([8, 4, 3, 3]),
  fc: layer([10, 8], 'Linear'),
});

const names: readonly (readonly [string, Record<string, Shape>, string | RegExp, MatchOptions?])[] = [
  ['the same', { 'fc.weight': [10, 8] }, 'fc.weight → fc.weight (name, stored)'],
  ['the layer', { fc: [10, 8] }, 'fc → fc.weight (layer, stored)'],
  ['a prefix more', { 'module.fc.weight': [10, 8] }, 'module.fc.weight → fc.weight (end, stored)'],
  ['a prefix less', { '1.conv1': [4, 4, 3, 3] }, '1.conv1 → layer1.1.conv1.weight (end, stored)'],
  ['the shape decides', { 'conv1.weight': [8, 4, 3, 3] }, 'conv1.weight → layer2.0.conv1.weight (end, stored)'],
  ['TensorFlow', { 'prune_low_magnitude_fc/kernel': [8, 10] }, 'prune_low_magnitude_fc/kernel → fc.weight (layer, keras)'],
  ['told', { x: [10, 8] }, 'x → fc.weight (told, stored)', { names: { x: 'fc.weight' } }],
  ['nothing', { 'fc9.weight': [10, 8], 'conv1.weight': [1, 1] }, 'fc9.weight ?; conv1.weight ?'],
  ['a surer name first', { 'net.fc': [10, 8], 'fc.weight': [10, 8] }, 'fc.weight → fc.weight (name, stored); net.fc ?'],
  ['another shape', { 'fc.weight': [10, 9] }, /^shape: mask 'fc.weight': needs a shape that fits fc.weight \[10, 8\], got \[10, 9\]/],
  ['two for one', { 'a.fc': [10, 8], 'b.fc': [10, 8] }, /^argument: weight 'fc.weight': needs one mask, got 'a.fc' and 'b.fc'; say which/],
  ['told what is not there', { x: [10, 8] }, /^argument: option names: needs weights among layer1.0.conv1.weight/, { names: { x: 'y' } }],
  ['told of no mask', { x: [10, 8] }, /^argument: option names: needs masks among x, got \[y\]/, { names: { y: 'fc.weight' } }],
  ['told of another shape', { x: [3, 8] }, /^shape: mask 'x'/, { names: { x: 'fc.weight' } }],
  ['an unknown layout', { fc: [10, 8] }, /^argument: option layout: needs one of stored, torch, keras, matrix/,
    { layout: 'nhwc' as 'keras' }],
  ['a matrix', { 'layer1.0.conv1': [4, 27] }, 'layer1.0.conv1 → layer1.0.conv1.weight (layer, matrix)', { layout: 'matrix' }],
];
for (const [name, masks, expected, options] of names) {
  test(`names: ${name}`, () => {
    const found = matches(small, masks, options);
    if (typeof expected === 'string') assert.is(found, expected);
    else assert.match(found, expected);
  });
}

test('a name that several weights have lists them', () => {
  const graph = sketch({ 'a.conv': layer([4, 3, 3, 3]), 'b.conv': layer([4, 3, 3, 3]) });
  assert.match(matches(graph, { conv: [4, 3, 3, 3] }), /^argument: mask 'conv': needs one weight .*got a.conv.weight, b.conv.weight; say/);
  assert.is(matches(graph, { conv: [4, 3, 3, 3] }, { names: { conv: 'b.conv.weight' } }), 'conv → b.conv.weight (told, stored)');
});

test('of several ends the longest is meant', () => {
  const graph = sketch({ conv: layer([4, 3, 3, 3]), 'a.b.conv': layer([4, 3, 3, 3]) });
  assert.is(matches(graph, { 'b.conv': [4, 3, 3, 3] }), 'b.conv → a.b.conv.weight (end, stored)');
});

test('the layer of a node whose weight has another name', () => {
  const { nodes: [node], constants, ...rest } = sketch({ x: layer([6, 8], 'MatMul') });
  const graph: Graph = {
    ...rest, nodes: [{ ...node, name: '/head/fc/MatMul', inputs: ['x', 'onnx::MatMul_12'] }],
    constants: new Map([['onnx::MatMul_12', constants.get('x.weight')!]]),
  };
  assert.is(matches(graph, { 'head.fc.weight': [8, 6] }), 'head.fc.weight → onnx::MatMul_12 (layer, torch)');
  assert.is(matches(graph, { 'model.head.fc.weight': [8, 6] }), 'model.head.fc.weight → onnx::MatMul_12 (end, torch)');
});

test('names of TensorFlow Lite: fused operators, dequantized weights', () => {
  const own = (k: number): string => `m/bn_${k}/FusedBatchNormV3;m/depthwise_conv2d_${k}/depthwise;m/depthwise_conv2d_9/depthwise`;
  const depthwise = layer([8, 1, 3, 3]), conv = layer([8, 4, 1, 1]);
  const drawn = sketch({ [own(1)]: depthwise, [own(2)]: depthwise, 'm/conv2d/Conv2D_dequantize': conv });
  // There a weight and its node have the same name.
  const graph: Graph = {
    ...drawn, nodes: drawn.nodes.map((node) => ({ ...node, inputs: ['x', node.name] })),
    constants: new Map([...drawn.constants].map(([name, tensor]) => [name.slice(0, -'.weight'.length), tensor])),
  };
  const masks = {
    'depthwise_conv2d_2/depthwise_kernel': [3, 3, 8, 1], 'conv2d/kernel': [1, 1, 4, 8], 'depthwise_conv2d_7/Kernel': [3, 3, 8, 1],
  };
  const grouped = { ...graph, nodes: graph.nodes.map((node) => ({ ...node, attrs: { group: node.name === own(2) ? 8 : 1 } })) };
  assert.equal(matches(grouped, masks).split('; '), [
    `depthwise_conv2d_2/depthwise_kernel → ${own(2)} (end, keras)`,
    'conv2d/kernel → m/conv2d/Conv2D_dequantize (end, keras)', 'depthwise_conv2d_7/Kernel ?',
  ]);
  assert.is(matches(graph, { 'depthwise_conv2d_9/Kernel': [8, 1, 3, 3] }), 'depthwise_conv2d_9/Kernel ?');
  const plain = sketch({ depthwise_conv2d_1: depthwise, depthwise_conv2d_3: depthwise });
  assert.is(matches(plain, { [own(1)]: [8, 1, 3, 3], [own(2)]: [8, 1, 3, 3] }),
    `${own(1)} → depthwise_conv2d_1.weight (end, stored); ${own(2)} ?`);
});

test('a square weight may lie two ways: an error, unless the name is the same, a layout is told, or other masks decide', () => {
  const graph = sketch({ a: layer([5, 5], 'Linear'), b: layer([5, 3], 'Linear') });
  assert.match(matches(graph, { a: [5, 5] }), /^argument: mask 'a' for a.weight \[5, 5\]: needs one layout .*got stored, torch, keras; /);
  assert.is(matches(graph, { 'a.weight': [5, 5] }), 'a.weight → a.weight (name, stored)');
  assert.is(matches(graph, { a: [5, 5] }, { layout: 'keras' }), 'a → a.weight (layer, keras)');
  assert.is(matches(graph, { a: [5, 5], b: [3, 5] }), 'a → a.weight (layer, keras); b → b.weight (layer, keras)');
  assert.is(matches(graph, { 'a.weight': [5, 5], b: [3, 5] }), 'a.weight → a.weight (name, keras); b → b.weight (layer, keras)');
  assert.is(matches(graph, { a: [5, 5], b: [5, 3] }, { layout: ['keras', 'stored'] }),
    'a → a.weight (layer, stored); b → b.weight (layer, stored)');
});

test('biases are matched by name where the shape is the same', () => {
  const bias = new Tensor('float32', new Float32Array(10), [10]);
  const graph: Graph = { ...small, constants: new Map([...small.constants, ['fc.bias', bias]]) };
  assert.is(matches(graph, { 'fc.bias': [10] }), 'fc.bias → fc.bias (name, stored)');
  assert.is(matches(graph, { 'module.fc.bias': [10] }, { layout: ['torch'] }), 'module.fc.bias → fc.bias (end, stored)');
  assert.is(matches(graph, { 'fc.bias': [9] }), 'fc.bias ?');
});

test('masks of a network match it as they are, and what got none is said', () => {
  for (const name of ['lenet-5-caffe', 'mobilenetv1', 'resnet20-cifar']) {
    const graph = zooGraph(name), { masks } = prune(graph, { sparsity: 0.5 });
    const { masks: found, unmatched, bare } = matchMasks(graph, masks);
    assert.equal([unmatched, bare], [[], []]);
    for (const [weight, mask] of masks) assert.is(found.get(weight), mask, weight);
  }
  const [first, ...others] = prunableLayers(small).map(({ weight }) => weight);
  assert.equal(matchMasks(small, new Map([[first, masksOf(small).get(first)!]])).bare, others);
});

test.run();
