import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../../src/expect.ts';
import { evaluate } from '../../../src/graph/evaluate.ts';
import type { Graph, Node } from '../../../src/graph/graph.ts';
import { readModel, writeModel } from '../../../src/io/index.ts';
import { removeChannels, type RemoveOptions } from '../../../src/prune/index.ts';
import type { Shape } from '../../../src/tensor.ts';
import { filled } from '../../graph/call.ts';
import { dimsOf, distance, f32, feedsOf, graphOf, int, node, removed, riddled, type Attrs, type Constants } from './removing.ts';

const conv = (name: string, x: string, attrs: Attrs = {}): Node => node(name, 'Conv', [x, `${name}.w`, `${name}.b`], attrs);
const around: Attrs = { pads: [1, 1, 1, 1] };

/** Filters 1, 4 and 5 of six are dead, with biases of both signs. */
const first: Constants = { 'a.w': riddled([6, 3, 1, 1], 1, { dead: [1, 4, 5] }), 'a.b': f32([6], [0.3, -0.4, 0.2, 0.1, 0.7, 0.9]) };

interface LeftOptions extends RemoveOptions { inputs?: number; last?: Attrs; kernel?: number }

/** Convolution `a` with dead filters, what is between, and convolution `y`; the input channels that `y` keeps. */
function left(middle: Node[], constants: Constants, options: LeftOptions = {}): number {
  const { inputs = 6, last, kernel = 1, ...how } = options, at = middle.at(-1)?.outputs[0] ?? 'a';
  const all = { ...first, ...constants, 'y.w': filled([4, inputs, kernel, kernel], 2), 'y.b': filled([4], 3) };
  return dimsOf(removed(graphOf([conv('a', 'x'), ...middle, conv('y', at, last)], [1, 3, 6, 8], all), how), 'y.w')[1];
}

const parts = ['p', 'q', 'r'];
const between: Readonly<Record<string, readonly [middle: Node[], constants: Constants, inputs: number, left: number]>> = {
  'nothing': [[], {}, 6, 3],
  'an unfused normalisation': [
    [node('n', 'BatchNormalization', ['a', 'g', 'o', 'm', 'v'])],
    { g: filled([6], 1), o: filled([6], 2), m: filled([6], 3), v: f32([6], [1, 2, 3, 1, 2, 3]) }, 6, 3,
  ],
  'a normalisation whose scale is zero': [
    [node('n', 'BatchNormalization', ['a', 'g', 'o', 'm', 'v'])],
    { g: f32([6], [0, 1, 0.5, 2, 1, 1]), o: filled([6], 2), m: filled([6], 3), v: f32([6], [1, 2, 3, 1, 2, 3]) }, 6, 2,
  ],
  'a sigmoid': [[node('s', 'Sigmoid', ['a'])], {}, 6, 3],
  'a hard sigmoid': [[node('s', 'HardSigmoid', ['a'])], {}, 6, 3],
  'a softplus': [[node('s', 'Softplus', ['a'])], {}, 6, 3],
  'PRelu': [[node('s', 'PRelu', ['a', 'slope'])], { slope: filled([6, 1, 1], 4) }, 6, 3],
  'a value joined to itself': [[node('c', 'Concat', ['a', 'a'], { axis: 1 })], {}, 12, 6],
  'a constant joined to it': [[node('c', 'Concat', ['a', 'k'], { axis: 1 })], { k: f32([1, 2, 6, 8], Array(96).fill(0.4)) }, 8, 3],
  'split and joined the other way round': [
    [node('s', 'Split', ['a', 'n'], { axis: 1 }, parts), node('c', 'Concat', parts.toReversed(), { axis: 1 })], { n: int(1, 2, 3) }, 6, 3,
  ],
  'split in equal parts': [
    [node('s', 'Split', ['a'], { axis: 1, num_outputs: 3 }, parts), node('c', 'Concat', ['r', 'p'], { axis: 1 })], {}, 4, 1 + 1,
  ],
  'a slice': [[node('s', 'Slice', ['a', 'from', 'to', 'axes'])], { from: int(1), to: int(5), axes: int(1) }, 4, 2],
  'a slice of every second': [
    [node('s', 'Slice', ['a', 'from', 'to', 'axes', 'steps'])], { from: int(0), to: int(6), axes: int(1), steps: int(2) }, 3, 3,
  ],
  'another order': [[node('s', 'Gather', ['a', 'i'], { axis: 1 })], { i: int(5, 4, 3, 2, 1, 0) }, 6, 3],
  'turned to NHWC and back': [
    [node('t', 'Transpose', ['a'], { perm: [0, 2, 3, 1] }), node('u', 'Transpose', ['t'], { perm: [0, 3, 1, 2] })], {}, 6, 3,
  ],
  'padded channels': [[node('p', 'Pad', ['a', 'n', 'v'])], { n: int(0, 2, 0, 0, 0, 1, 0, 0), v: f32([], [0.3]) }, 9, 3],
  'cropped channels': [[node('p', 'Pad', ['a', 'n'])], { n: int(0, -1, 0, 0, 0, -2, 0, 0) }, 3, 2],
  'padded images': [[node('r', 'Relu', ['a']), node('p', 'Pad', ['r', 'n'])], { n: int(0, 0, 1, 1, 0, 0, 1, 1) }, 6, 5],
  'twice as large by scales': [[node('u', 'Resize', ['a', '', 's'], { mode: 'linear' })], { s: f32([4], [1, 1, 2, 2]) }, 6, 3],
  'another size': [[node('u', 'Resize', ['a', '', '', 's'])], { s: int(1, 6, 7, 9) }, 6, 3],
  'global pools': [[node('g', 'GlobalAveragePool', ['a'])], {}, 6, 3],
  'means over the image': [[node('g', 'ReduceMean', ['a', 'axes'])], { axes: int(2, 3) }, 6, 3],
  'softmax, which mixes': [[node('s', 'Softmax', ['a'], { axis: 1 })], {}, 6, 6],
  'instance normalisation': [[node('i', 'InstanceNormalization', ['a', 'g', 'o'])], { g: filled([6], 1), o: filled([6], 2) }, 6, 6],
};
for (const [name, [middle, constants, inputs, want]] of Object.entries(between)) {
  test(`${name}: ${inputs} inputs become ${want}`, () => assert.is(left(middle, constants, { inputs }), want));
}

test('depth to space and back, both orders of depth', () => {
  for (const mode of ['DCR', 'CRD']) {
    const dead = mode === 'DCR' ? [1, 3, 5, 7] : [4, 5, 6, 7], constants = {
      'a.w': riddled([8, 3, 1, 1], 1, { dead }), 'a.b': f32([8], [0.3, 0.4, 0.2, 0.4, 0.7, 0.4, 1, 0.4]),
      'y.w': filled([2, 2, 1, 1], 2), 'y.b': filled([2], 3),
    };
    if (mode === 'CRD') (constants['a.b'].data as Float32Array).fill(0.4, 4);
    const middle = node('d', 'DepthToSpace', ['a'], { blocksize: 2, mode });
    const deep = removed(graphOf([conv('a', 'x'), middle, conv('y', 'd')], [1, 3, 4, 4], constants));
    assert.equal([dimsOf(deep, 'a.w')[0], dimsOf(deep, 'y.w')[1]], [4, 1], mode);
  }
  const flat = removed(graphOf([conv('a', 'x'), node('s', 'SpaceToDepth', ['a'], { blocksize: 2 }), conv('y', 's')], [1, 3, 4, 4], {
    ...first, 'y.w': filled([2, 24, 1, 1], 2), 'y.b': filled([2], 3),
  }));
  assert.equal([dimsOf(flat, 'a.w')[0], dimsOf(flat, 'y.w')[1]], [3, 12]);
});

test('transposed convolutions lose both sides, in groups too', () => {
  for (const [group, filters, want] of [[1, 4, [4, 3]], [3, 6, [4, 4]]] as const) {
    const dead = group === 1 ? [1, 4, 5] : [2, 3], up = node('t', 'ConvTranspose', ['a', 't.w', 't.b'], { strides: [2, 2], group });
    const constants = {
      'a.w': riddled([6, 3, 1, 1], 1, { dead }), 'a.b': f32([6], [0.3, 0.4, group === 1 ? 0.2 : 0, 0, 0.7, 0.9]),
      't.b': filled([filters], 4),
      't.w': filled([6, filters / group, 3, 3], 5), 'y.w': riddled([2, filters, 1, 1], 2, { unread: [1] }), 'y.b': filled([2], 3),
    };
    const small = removed(graphOf([conv('a', 'x'), up, conv('y', 't')], [1, 3, 4, 4], constants));
    assert.equal([dimsOf(small, 't.w')[0], dimsOf(small, 'y.w')[1]], want, `${group} groups`);
  }
});

/** The classifiers' way out: an image as one row, and a matrix without a bias. */
function flattened(nhwc: boolean, op: string): readonly [Graph, Shape] {
  const turn = node('t', 'Transpose', ['a'], { perm: [0, 2, 3, 1] });
  const flat = nhwc ? [turn, node('f', 'Reshape', ['t', 'shape'])] : [node('f', 'Flatten', ['a'])];
  const head = node('y', op, ['f', 'l.w'], op === 'Gemm' ? { transB: 1, alpha: 0.5 } : {});
  const graph = graphOf([conv('a', 'x'), ...flat, head], [2, 3, 2, 4], {
    ...first, shape: int(2, 48), 'l.w': filled(op === 'Gemm' ? [5, 48] : [48, 5], 4),
  });
  return [graph, op === 'Gemm' ? [5, 24] : [24, 5]];
}
for (const nhwc of [false, true]) {
  for (const op of ['Gemm', 'MatMul']) {
    test(`${nhwc ? 'NHWC' : 'NCHW'} flattened into a ${op} without a bias: it gets one`, () => {
      const [graph, want] = flattened(nhwc, op), small = removed(graph);
      assert.equal(dimsOf(small, 'l.w'), want);
      assert.equal(small.graph.nodes.map(({ name }) => name).slice(0, graph.nodes.length), graph.nodes.map(({ name }) => name));
    });
  }
}

test('where padding shows, a carrier stays of the constants, or an image is added where the window is large', () => {
  assert.is(left([], {}, { kernel: 3, last: around }), 4, 'carrier');
  assert.is(left([node('r', 'Relu', ['a'])], {}, { kernel: 3, last: around }), 4, 'of the positive ones');
  assert.is(left([], {}, { kernel: 5, last: { pads: [2, 2, 2, 2] } }), 3, 'image');
  assert.is(left([], {}, { kernel: 5, last: { pads: [2, 2, 2, 2] }, borders: 'none' }), 4, 'no image is wanted');
});

/** 1x1, depthwise 3x3 with padding, Relu, 1x1 on 32 channels of which 24 are dead in front. */
function separable(dims: Graph['inputs'][number]['dims'] = [1, 3, 6, 6]): Graph {
  const dead = Array.from({ length: 24 }, (_, i) => i);
  return graphOf([conv('a', 'x'), conv('d', 'a', { ...around, group: 32 }), node('r', 'Relu', ['d']), conv('y', 'r')], dims, {
    'a.w': riddled([32, 3, 1, 1], 1, { dead }), 'a.b': filled([32], 2), 'd.w': filled([32, 1, 3, 3], 3), 'd.b': filled([32], 4),
    'y.w': filled([5, 32, 1, 1], 5), 'y.b': filled([5], 6),
  });
}

test('constants through a padded depthwise layer become an image that the next layer adds', () => {
  const small = removed(separable());
  assert.equal(['a.w', 'd.w', 'y.w'].map((name) => dimsOf(small, name)), [[8, 3, 1, 1], [8, 1, 3, 3], [5, 8, 1, 1]]);
  assert.equal(small.report.borders, [{ layer: 'y', elements: 180 }]);
  assert.is(small.graph.nodes[1].attrs.group, 8);
  assert.equal(removeChannels(separable([3, 3, 6, 6])).report.borders, [{ layer: 'y', elements: 540 }], 'of a batch');
  removed(separable([3, 3, 6, 6]));
});

test('where the size is free there is no image: the constants stay, the report says why, and other sizes work', () => {
  const graph = separable(['N', 3, 'H', 'W']), small = removed(graph, { shapes: { x: [2, 3, 5, 7] } });
  assert.equal(small.graph.inputs[0].dims, [2, 3, 5, 7]);
  const open = removeChannels(graph);
  assert.equal([open.graph.inputs[0].dims, open.report.open, open.report.borders], [['N', 3, 'H', 'W'], true, []]);
  assert.ok(open.report.kept.some(({ why }) => /'d' \(Conv\) pads/.test(why)));
  for (const dims of [[1, 3, 6, 6], [2, 3, 9, 4]]) {
    const feeds = feedsOf(graph, { x: dims });
    assert.ok(distance(evaluate(open.graph, feeds), evaluate(graph, feeds)) < 1e-5);
  }
});

test('sizes that a network computes from shapes are found anew, or what would break them stays', () => {
  const constants = {
    ...first, zero: int(0), two: int(2), twice: int(12, 16), 'y.w': filled([4, 6, 1, 1], 2), 'y.b': filled([4], 3), ch: int(6),
  };
  const build = (lead: Node[], leading: string): Graph => graphOf([
    conv('a', 'x'), ...lead, node('n', 'Concat', [leading, 'twice'], { axis: 0 }), node('u', 'Resize', ['a', '', '', 'n']), conv('y', 'u'),
  ], ['N', 3, 'H', 'W'], constants);
  const own = build([node('s', 'Shape', ['a']), node('l', 'Slice', ['s', 'zero', 'two'])], 'l');
  const fixed = build([node('s', 'Shape', ['x'], { end: 1 }), node('l', 'Concat', ['s', 'ch'], { axis: 0 })], 'l');
  for (const [graph, want] of [[own, 3], [fixed, 6]] as const) {
    const open = removeChannels(graph), feeds = feedsOf(graph, { x: [2, 3, 6, 8] });
    assert.is(dimsOf(open, 'y.w')[1], want);
    assert.ok(distance(evaluate(open.graph, feeds), evaluate(graph, feeds)) < 1e-5);
    assert.is(dimsOf(removed(graph, { shapes: { x: [1, 3, 6, 8] } }), 'y.w')[1], 3, 'at one size nothing holds them');
  }
});

test('outputs and inputs keep their channels, a value keeps its last one, and nothing is left without a reason', () => {
  const dead = {
    'a.w': riddled([3, 2, 1, 1], 1, { dead: [0, 1, 2] }), 'a.b': filled([3], 2), 'y.w': filled([2, 3, 1, 1], 3), 'y.b': filled([2], 4),
  };
  const all = removed(graphOf([conv('a', 'x'), conv('y', 'a')], [1, 2, 3, 3], dead));
  assert.equal(dimsOf(all, 'y.w'), [2, 1, 1, 1]);
  assert.equal(all.report.kept, [{ value: 'a', channels: [0], why: 'the last channel of a value stays' }]);
  const out = removed(graphOf([conv('a', 'x'), conv('y', 'a')], [1, 2, 3, 3], dead, ['a', 'y']));
  assert.equal([dimsOf(out, 'a.w'), out.report.removed], [[3, 2, 1, 1], []]);
  const mixed = removed(graphOf([conv('a', 'x'), node('m', 'Softmax', ['a'], { axis: 1 }), conv('y', 'm')], [1, 2, 3, 3], dead));
  assert.equal(mixed.report.kept.filter(({ value, channels }) => value === 'a' && channels.length > 1), [
    { value: 'a', channels: [1, 2], why: "'m' (Softmax) mixes channels" },
  ]);
});

test('the report counts', () => {
  const constants = { ...first, 'y.w': filled([2, 6, 1, 1], 1), 'y.b': filled([2], 2) };
  const { report } = removed(graphOf([conv('a', 'x'), conv('y', 'a')], [1, 3, 4, 4], constants));
  assert.equal(report.removed, [{ value: 'a', node: 'a', op: 'Conv', before: 6, after: 3 }]);
  assert.equal([report.params, report.macs], [{ before: 38, after: 20 }, { before: 480, after: 240 }]);
  assert.equal([report.shapes, report.open, report.kept, report.borders], [{ x: [1, 3, 4, 4] }, false, [], []]);
});

test('a smaller network is written and read again', async () => {
  for (const graph of [separable(), ...[false, true].flatMap((nhwc) => ['Gemm', 'MatMul'].map((op) => flattened(nhwc, op)[0]))]) {
    const small = removeChannels(graph).graph, again = await readModel(await writeModel(small)), feeds = feedsOf(graph);
    assert.ok(distance(evaluate(again, feeds), evaluate(graph, feeds)) < 1e-5);
    const weights = [...small.constants.keys()].filter((name) => name.endsWith('.w'));
    for (const name of weights) assert.equal(again.constants.get(name)!.dims, small.constants.get(name)!.dims);
  }
});

test('a layer that adds an image already adds one with more in it', () => {
  const graph = separable(), last = node('y', 'Conv', ['r', 'y.w', 'y.b', 'm'], { min: -3, max: 3 });
  const constants = new Map(graph.constants).set('m', filled([1, 5, 6, 6], 7));
  const added = { ...graph, nodes: [...graph.nodes.slice(0, 3), last], constants }, small = removed(added);
  assert.equal([dimsOf(small, 'y.w'), small.report.borders], [[5, 8, 1, 1], []]);
  assert.is.not(small.graph.constants.get('m')!.data[0], added.constants.get('m')!.data[0]);
});

test('bad input is a typed error', () => {
  const graph = separable();
  const wrong = (call: () => unknown, kind: string, message: RegExp): void => assert.throws(call, (error: unknown) =>
    error instanceof BurinError && error.kind === kind && message.test(error.message));
  wrong(() => removeChannels(7 as never), 'argument', /graph: needs a Graph/);
  wrong(() => removeChannels(graph, { border: 1 } as never), 'argument', /one of shapes, borders, got 'border'/);
  wrong(() => removeChannels(graph, { borders: 'some' as never }), 'argument', /one of auto, none/);
  wrong(() => removeChannels(graph, { shapes: 1 as never }), 'argument', /option shapes/);
  wrong(() => removeChannels(graph, { shapes: { x: [1, 4, 6, 6] } }), 'shape', /agrees with it/);
});

test.run();
