import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate, specialize } from '../../src/graph/evaluate.ts';
import type { Attr, Graph, Node } from '../../src/graph/graph.ts';
import { optimize, type Optimized } from '../../src/graph/passes/index.ts';
import { weigh } from '../../src/graph/weigh.ts';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { prune } from '../../src/prune/index.ts';
import { randomFrom } from '../../src/random.ts';
import { numbersOf, Tensor, type Shape } from '../../src/tensor.ts';
import { filled } from './call.ts';

type Constants = Record<string, Tensor>;
const node = (name: string, op: string, inputs: string[], attrs: Readonly<Record<string, Attr>> = {}): Node =>
  ({ name, op, inputs, outputs: [name], attrs });
const int = (...values: number[]): Tensor => new Tensor('int64', values, [values.length]);
const f32 = (dims: Shape, values: readonly number[]): Tensor => new Tensor('float32', values, dims);

function graphOf(nodes: Node[], dims: Shape, constants: Constants, outputs = [nodes[nodes.length - 1].name]): Graph {
  return {
    name: 'g', inputs: [{ name: 'x', type: 'float32', dims }], outputs: outputs.map((name) => ({ name, type: 'float32', dims: [] })),
    nodes, constants: new Map(Object.entries(constants)),
  };
}

/** A weight [O, I, …] whose filters in `dead` and whose input channels in `unread` are zero. */
function riddled(dims: Shape, seed: number, { dead = [] as readonly number[], unread = [] as readonly number[] } = {}): Tensor {
  const weight = filled(dims, seed), row = weight.size / dims[0], window = row / dims[1];
  weight.data.forEach((_, i) => {
    if (dead.includes(Math.floor(i / row)) || unread.includes(Math.floor(i / window) % dims[1])) weight.data[i] = 0;
  });
  return weight;
}

/** Optimises; results and names must be as before, and a second time must change nothing. */
function optimized(graph: Graph): Optimized {
  const fixed = specialize(graph), after = optimize(fixed.graph, fixed.types);
  assert.equal([after.graph.inputs, after.graph.outputs], [fixed.graph.inputs, fixed.graph.outputs]);
  const feeds = Object.fromEntries(fixed.graph.inputs.map(({ name, dims }) => [name, filled(dims as Shape, 9)]));
  const whole = optimize(fixed.graph, fixed.types, { removeDead: false });
  assert.equal(after.graph.nodes.map(({ name, op }) => [name, op]), whole.graph.nodes.map(({ name, op }) => [name, op]), 'nodes');
  assert.equal(after.parts, whole.parts);
  agree(evaluate(after.graph, feeds), evaluate(fixed.graph, feeds), largest(whole.graph, feeds));
  assert.is(optimize(after.graph, after.types).graph, after.graph, 'a second time changes nothing');
  described(after, whole);
  return after;
}

/** What is noted of smaller nodes is what they were. */
function described(after: Optimized, whole: Optimized): void {
  for (const before of whole.graph.nodes) {
    const now = after.graph.nodes.find(({ name }) => name === before.name)!;
    const { nnz: _, ...was } = weigh(whole.graph, whole.types, before), { nnz: __, ...is } = after.given.get(before.name)
      ?? weigh(after.graph, after.types, now);
    assert.equal(is, was, before.name);
  }
}

function largest(graph: Graph, feeds: Readonly<Record<string, Tensor>>): number {
  const outputs = graph.nodes.flatMap((n) => n.outputs.map((name) => ({ name, type: 'float32' as const, dims: [] })));
  const all = Object.values(evaluate({ ...graph, outputs }, feeds)).map((tensor) =>
    Array.from(numbersOf(tensor)).reduce((most, v) => Math.max(most, Number.isFinite(v) ? Math.abs(v) : 0), 0));
  return Math.max(1e-30, ...all);
}

/** Equal within 1e-5 of `size`. */
function agree(got: Readonly<Record<string, Tensor>>, want: Readonly<Record<string, Tensor>>, size: number): void {
  for (const [name, tensor] of Object.entries(want)) {
    assert.equal(got[name].dims, tensor.dims, name);
    const [a, b] = [numbersOf(got[name]), numbersOf(tensor)];
    for (let i = 0; i < b.length; i++) {
      if (!Object.is(a[i], b[i]) && !(Math.abs(a[i] - b[i]) <= 1e-5 * size)) assert.unreachable(`${name}[${i}]: ${a[i]} for ${b[i]}`);
    }
  }
}

const weightDims = ({ graph }: Optimized, name: string): Shape => graph.constants.get(name)!.dims;
type Attrs = Readonly<Record<string, Attr>>;
const conv = (name: string, x: string, attrs: Attrs = {}): Node => node(name, 'Conv', [x, `${name}.w`, `${name}.b`], attrs);
const same: Readonly<Record<string, Attr>> = { pads: [1, 1, 1, 1] };

/** A convolution 1x1 with two dead filters of six, `middle`, and a convolution that reads the result; biases of both signs. */
function pair(middle: Node[], last: { dims: Shape; attrs?: Readonly<Record<string, Attr>> }, more: Constants = {}): Optimized {
  const nodes = [conv('a', 'x'), ...middle, conv('y', middle.at(-1)?.name ?? 'a', last.attrs)];
  return optimized(graphOf(nodes, [1, 3, 5, 6], {
    'a.w': riddled([6, 3, 1, 1], 1, { dead: [1, 4] }), 'a.b': f32([6], [0.3, -0.4, 0.2, 0.1, 0.7, -0.2]),
    'y.w': filled(last.dims, 2), 'y.b': filled([last.dims[0]], 3), ...more,
  }));
}

test('a dead filter goes, and its bias is in the bias of the next layer', () => {
  const after = pair([], { dims: [4, 6, 1, 1] });
  assert.equal([weightDims(after, 'a.w'), weightDims(after, 'y.w')], [[4, 3, 1, 1], [4, 4, 1, 1]]);
  assert.equal(after.given.get('a'), { shape: [1, 6, 5, 6], size: 18, nnz: 12, macs: 540 });
});

test('behind a Relu a negative bias is zero: nothing is owed at the border; of the positive one a single channel stays', () => {
  const relu = [node('r', 'Relu', ['a'])];
  assert.equal(weightDims(pair(relu, { dims: [4, 6, 3, 3] }), 'y.w'), [4, 4, 3, 3]);
  assert.equal(weightDims(pair(relu, { dims: [4, 6, 3, 3], attrs: same }), 'y.w'), [4, 5, 3, 3]);
  const many = optimized(graphOf([conv('a', 'x'), conv('y', 'a', same)], [1, 3, 5, 5], {
    'a.w': riddled([9, 3, 1, 1], 1, { dead: [0, 2, 3, 5, 8] }), 'a.b': filled([9], 4),
    'y.w': filled([2, 9, 3, 3], 2), 'y.b': filled([2], 3),
  }));
  assert.equal(weightDims(many, 'y.w'), [2, 5, 3, 3], 'five constants in one channel');
});

test('a constant whose number nearly vanishes does not stand for a larger one', () => {
  const after = optimized(graphOf([conv('a', 'x'), node('s', 'Neg', ['a']), node('t', 'Softmax', ['a'], { axis: 1 }), conv('y', 's', same)],
    [1, 3, 5, 5], {
      'a.w': riddled([4, 3, 1, 1], 1, { dead: [1, 2] }), 'a.b': f32([4], [0.1, 1e-30, 3, 1]),
      'y.w': filled([2, 4, 3, 3], 2), 'y.b': filled([2], 3),
    }, ['y']));
  assert.equal(weightDims(after, 'y.w'), [2, 3, 3, 3]);
});

const between: Readonly<Record<string, readonly [Node[], Constants]>> = {
  clip: [[node('m', 'Clip', ['a', 'low', 'high'])], { low: f32([], [-0.1]), high: f32([], [0.5]) }],
  'hard swish': [[node('m', 'HardSwish', ['a'])], {}],
  sigmoid: [[node('m', 'Sigmoid', ['a'])], {}],
  prelu: [[node('m', 'PRelu', ['a', 'slope'])], { slope: filled([6, 1, 1], 5) }],
  'constant product': [[node('r', 'Relu', ['a']), node('m', 'Mul', ['r', 'c'])], { c: filled([1, 6, 1, 1], 5) }],
  'constant sum on the left': [[node('r', 'Relu', ['a']), node('m', 'Sub', ['c', 'r'])], { c: filled([6, 1, 1], 5) }],
  'max pool': [[node('m', 'MaxPool', ['a'], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })], {}],
  'average pool': [[node('m', 'AveragePool', ['a'], { kernel_shape: [2, 2], pads: [1, 1, 1, 1] })], {}],
  'average pool with its padding': [
    [node('r', 'Relu', ['a']), node('m', 'AveragePool', ['r'], { kernel_shape: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1 })], {},
  ],
  pad: [[node('r', 'Relu', ['a']), node('m', 'Pad', ['r', 'p', 'v'])], { p: int(0, 0, 1, 1, 0, 0, 1, 1), v: f32([], [0.7]) }],
  reflection: [[node('m', 'Pad', ['a', 'p'], { mode: 'reflect' })], { p: int(0, 0, 1, 1, 0, 0, 1, 1) }],
  'resize by scales': [[node('m', 'Resize', ['a', '', 's'], { mode: 'linear' })], { s: f32([4], [1, 1, 2, 2]) }],
  'resize to sizes': [[node('m', 'Resize', ['a', '', '', 's'], { mode: 'nearest' })], { s: int(1, 6, 7, 9) }],
  depthwise: [[conv('m', 'a', { group: 6 })], { 'm.w': filled([6, 1, 3, 3], 7), 'm.b': filled([6], 8) }],
  'global pool': [[node('m', 'GlobalAveragePool', ['a'])], {}],
  mean: [[node('m', 'ReduceMean', ['a', 'axes'])], { axes: int(-1, 2) }],
  normalisation: [
    [node('r', 'Relu', ['a']), node('m', 'InstanceNormalization', ['r', 's', 'o'])], { s: filled([6], 3), o: filled([6], 4) },
  ],
};
/** Inputs that the second layer keeps of six, where it is not four: a padding may make a constant one that is not everywhere the same. */
const inputsLeft: Readonly<Record<string, number>> = { 'average pool with its padding': 5, pad: 5, normalisation: 5 };
for (const [name, [middle, constants]] of Object.entries(between)) {
  test(`through ${name}`, () => {
    const after = pair(middle, { dims: [4, 6, 1, 1] }, constants);
    assert.is(weightDims(after, 'y.w')[1], inputsLeft[name] ?? 4);
  });
}

test('a channel nobody reads goes, with what makes it, through groups, depthwise layers and normalisation', () => {
  const after = pair([conv('m', 'a', { ...same, group: 6 }), node('n', 'InstanceNormalization', ['m', 's', 'o'])],
    { dims: [4, 6, 1, 1] }, {
      'm.w': filled([6, 1, 3, 3], 7), 'm.b': filled([6], 8), s: filled([6], 3), o: filled([6], 4),
      'y.w': riddled([4, 6, 1, 1], 2, { unread: [0, 3, 5] }),
    });
  assert.equal(['a.w', 'm.w', 'y.w', 's'].map((name) => weightDims(after, name)[0]), [3, 3, 4, 3]);
  assert.is(after.graph.nodes.find(({ name }) => name === 'm')!.attrs.group, 3);
});

test('groups lose whole groups, and the same number each', () => {
  const grouped = (dead: readonly number[]): number[] => {
    const after = optimized(graphOf([conv('a', 'x', { group: 3 }), conv('y', 'a')], [1, 6, 4, 4], {
      'a.w': riddled([9, 2, 1, 1], 1, { dead }), 'a.b': filled([9], 4), 'y.w': filled([2, 9, 1, 1], 2), 'y.b': filled([2], 3),
    }));
    return [weightDims(after, 'a.w')[0], after.graph.nodes[0].attrs.group as number];
  };
  assert.equal(grouped([0, 4, 8]), [6, 3]);
  assert.equal(grouped([0, 1, 4, 5, 8]), [6, 3], 'one group keeps two');
  assert.equal(grouped([0, 1, 2, 4, 5, 8]), [6, 3], 'the input is fed: no group goes whole');
});

test('a group whose inputs die as well goes whole', () => {
  const after = optimized(graphOf([conv('a', 'x'), conv('b', 'a', { group: 3 }), conv('y', 'b')], [1, 2, 4, 4], {
    'a.w': riddled([6, 2, 1, 1], 1, { dead: [2, 3, 4] }), 'a.b': filled([6], 4), 'b.w': riddled([6, 2, 3, 3], 2, { dead: [2, 3] }),
    'b.b': filled([6], 5), 'y.w': filled([2, 6, 1, 1], 6), 'y.b': filled([2], 3),
  }));
  assert.equal([weightDims(after, 'a.w'), weightDims(after, 'b.w'), weightDims(after, 'y.w')], [[4, 2, 1, 1], [4, 2, 3, 3], [2, 4, 1, 1]]);
});

test('a sum is dead where all its operands are; a concatenation maps its channels; a transposed convolution loses both sides', () => {
  const constants = {
    'a.w': riddled([4, 2, 1, 1], 1, { dead: [0, 1, 3] }), 'a.b': filled([4], 2), 'b.w': riddled([4, 2, 1, 1], 3, { dead: [1, 2, 3] }),
    'b.b': filled([4], 4), 'y.b': filled([3], 5),
  };
  const two = [conv('a', 'x'), conv('b', 'x')];
  const added = [...two, node('s', 'Add', ['a', 'b']), conv('y', 's')];
  const sum = optimized(graphOf(added, [1, 2, 4, 4], { ...constants, 'y.w': filled([3, 4, 1, 1], 6) }));
  assert.equal(weightDims(sum, 'y.w'), [3, 2, 1, 1]);
  const joined = [...two, node('c', 'Concat', ['a', 'b'], { axis: 1 }), conv('y', 'c')];
  assert.equal(weightDims(optimized(graphOf(joined, [1, 2, 4, 4], { ...constants, 'y.w': filled([3, 8, 1, 1], 6) })), 'y.w'), [3, 2, 1, 1]);
  const back = [conv('a', 'x'), node('t', 'ConvTranspose', ['a', 'y.w'], { strides: [2, 2] }), conv('y2', 't')];
  const up = optimized(graphOf(back, [1, 2, 4, 4], {
    ...constants, 'y.w': riddled([4, 3, 2, 2], 6, { unread: [1] }), 'y2.w': filled([2, 3, 1, 1], 7), 'y2.b': filled([2], 8),
  }));
  assert.equal([weightDims(up, 'y.w'), weightDims(up, 'y2.w')], [[2, 2, 2, 2], [2, 2, 1, 1]], 'one carrier beside the live channel');
});

test('to the end of a classifier: flatten, linear layers, an output and an input that never shrink', () => {
  const nodes = [
    conv('a', 'x'), node('f', 'Flatten', ['a']), node('l', 'Gemm', ['f', 'l.w', 'l.b'], { transB: 1 }), node('r', 'Relu', ['l']),
    node('y', 'Gemm', ['r', 'y.w', 'y.b'], { transB: 1 }),
  ];
  const after = optimized(graphOf(nodes, [2, 3, 2, 2], {
    'a.w': riddled([4, 3, 1, 1], 1, { dead: [1, 2], unread: [0] }), 'a.b': filled([4], 2),
    'l.w': riddled([5, 16], 3, { dead: [0, 4] }), 'l.b': filled([5], 4), 'y.w': riddled([3, 5], 5, { dead: [1] }), 'y.b': filled([3], 6),
  }));
  assert.equal(['a.w', 'l.w', 'y.w'].map((name) => weightDims(after, name)), [[2, 3, 1, 1], [3, 8], [3, 3]]);
});

test('a value all of whose channels died keeps one, and what mixes channels keeps all', () => {
  const dead = {
    'a.w': riddled([3, 2, 1, 1], 1, { dead: [0, 1, 2] }), 'a.b': filled([3], 2), 'y.w': filled([2, 3, 1, 1], 3), 'y.b': filled([2], 4),
  };
  assert.equal(weightDims(optimized(graphOf([conv('a', 'x'), conv('y', 'a')], [1, 2, 3, 3], dead)), 'y.w'), [2, 1, 1, 1]);
  const through = (middle: Node): Shape =>
    weightDims(optimized(graphOf([conv('a', 'x'), middle, conv('y', 'm')], [1, 2, 3, 3], dead)), 'y.w');
  assert.equal(through(node('m', 'Softmax', ['a'], { axis: 1 })), [2, 3, 1, 1]);
  assert.equal(through(node('m', 'Transpose', ['a'], { perm: [0, 2, 1, 3] })), [2, 3, 1, 1], 'rows are read as channels');
  assert.equal(through(node('m', 'Transpose', ['a'], { perm: [0, 1, 3, 2] })), [2, 1, 1, 1], 'channels stay channels');
  assert.equal(weightDims(optimized(graphOf([conv('a', 'x'), conv('y', 'a')], [1, 2, 3, 3], dead, ['a', 'y'])), 'a.w'), [3, 2, 1, 1]);
});

test('a weight that two layers share is cut for each of them', () => {
  const nodes = [conv('a', 'x'), node('b', 'Conv', ['a', 's'], {}), node('y', 'Conv', ['b', 's'], {})];
  const after = optimized(graphOf(nodes, [1, 4, 3, 3], {
    'a.w': riddled([4, 4, 1, 1], 1, { dead: [1] }), 'a.b': filled([4], 2), s: riddled([4, 4, 1, 1], 3, { dead: [0, 2] }),
  }));
  assert.equal(after.graph.nodes.map(({ inputs }) => weightDims(after, inputs[1])), [[3, 4, 1, 1], [2, 3, 1, 1], [4, 2, 1, 1]]);
});

/** What a random network is made of: each takes one or two values [1, 6, 6, 6] and gives one of that shape. */
const steps: Record<string, (name: string, a: string, b: string, seed: number, c: Constants) => Node[]> = {
  conv: (name, a, _b, seed, c) => {
    const group = [1, 1, 2, 3, 6][seed % 5], random = randomFrom(seed, 'dead');
    const some = (n: number): number[] => Array.from({ length: n }, (_, i) => i).filter(() => random.next() < 0.4);
    const weight = riddled([6, 6 / group, 3, 3], seed, { dead: some(6), unread: some(6 / group) });
    Object.assign(c, { [`${name}.w`]: weight, [`${name}.b`]: filled([6], seed + 1) });
    return [conv(name, a, { ...same, group })];
  },
  pointwise: (name, a, _b, seed, c) => {
    const dead = Array.from({ length: 6 }, (_, i) => i).filter((i) => (seed >> i) % 2 === 0);
    Object.assign(c, { [`${name}.w`]: riddled([6, 6, 1, 1], seed, { dead }), [`${name}.b`]: filled([6], seed + 1) });
    return [conv(name, a)];
  },
  norm: (name, a, _b, seed, c) => {
    for (const [i, key] of ['g', 'o', 'm'].entries()) c[`${name}.${key}`] = filled([6], seed + i);
    c[`${name}.v`] = f32([6], [1, 2, 1, 0.5, 1, 3]);
    return [node(name, 'BatchNormalization', [a, ...['g', 'o', 'm', 'v'].map((key) => `${name}.${key}`)])];
  },
  scale: (name, a, _b, seed, c) => {
    c[`${name}.s`] = filled(seed % 2 ? [6, 1, 1] : [1], seed);
    return [node(name, ['Mul', 'Add', 'Sub', 'Max'][seed % 4], seed % 8 < 3 ? [`${name}.s`, a] : [a, `${name}.s`])];
  },
  relu: (name, a) => [node(name, 'Relu', [a])],
  swish: (name, a) => [node(name, 'HardSwish', [a])],
  add: (name, a, b) => [node(name, 'Add', [a, b])],
  gate: (name, a, b) =>
    [node(`${name}p`, 'GlobalAveragePool', [b]), node(`${name}g`, 'Sigmoid', [`${name}p`]), node(name, 'Mul', [a, `${name}g`])],
  join: (name, a, b, seed, c) => {
    Object.assign(c, { [`${name}.w`]: riddled([6, 12, 1, 1], seed, { unread: [1, 5, 6, 7] }), [`${name}.b`]: filled([6], seed + 1) });
    return [node(`${name}c`, 'Concat', [a, b], { axis: 1 }), conv(name, `${name}c`)];
  },
  pool: (name, a, _b, seed) => [node(name, seed % 2 ? 'MaxPool' : 'AveragePool', [a], {
    kernel_shape: [3, 3], pads: [1, 1, 1, 1], ...(seed % 2 ? {} : { count_include_pad: seed % 4 ? 1 : 0 }),
  })],
};

test('any network of these steps computes the same afterwards, and many lose channels', () => {
  let smaller = 0;
  const kind = fc.constantFrom(...Object.keys(steps), 'pointwise', 'conv');
  const step = fc.record({ kind, a: fc.nat(), b: fc.nat(), seed: fc.nat(1000) });
  fc.assert(fc.property(fc.array(step, { minLength: 5, maxLength: 10 }), fc.boolean(), (drawn, inner) => {
    const [values, constants, nodes] = [['x'], {} as Constants, [] as Node[]];
    drawn.forEach(({ kind, a, b, seed }, i) => {
      const before = values.slice(a % 4 === 0 ? -2 : -1)[0];
      nodes.push(...steps[kind](`v${i}`, before, values[b % values.length], seed, constants));
      values.push(`v${i}`);
    });
    const last = values[values.length - 1];
    const ends = inner && values.length > 3 ? [values[values.length - 3], last] : [last];
    smaller += Math.sign(optimized(graphOf(nodes, [1, 6, 6, 6], constants, ends)).given.size);
  }), { numRuns: 200 });
  assert.ok(smaller > 60, `${smaller} of 200`);
});

const nets: readonly (readonly [string, number])[] = [
  ['lenet-300-100', 28], ['lenet-5-caffe', 28], ['vgg16-bn-cifar', 32], ['resnet18', 32], ['resnet20-cifar', 16], ['mobilenetv1', 32],
  ['mobilenetv2', 32], ['squeezenet1.0', 48],
];
const masks = {
  'half of the filters': { granularity: 'filter', sparsity: 0.5 }, 'inputs and kernels': { granularity: 'shared_kernel', sparsity: 0.4 },
  '98 % of the weights': { granularity: 'weight', sparsity: 0.98 },
} as const;
for (const [name, input] of nets) {
  for (const [mask, how] of Object.entries(masks)) {
    test(`zoo ${name}, ${mask}`, () => {
      const after = optimized(prune(zooGraph(name, { input, classes: 10 }), { ...how, strict: false }).graph);
      if (mask !== '98 % of the weights') assert.ok(after.given.size > 0, 'nothing became smaller');
    });
  }
}

test('MobileNetV1 without half of its filters: constants through padded depthwise layers are added as images', () => {
  const fixed = specialize(prune(zooGraph('mobilenetv1'), { granularity: 'filter', sparsity: 0.5 }).graph);
  const { graph, types } = optimize(fixed.graph, fixed.types);
  const macs = graph.nodes.reduce((sum, each) => sum + weigh(graph, types, each).macs, 0);
  assert.ok(macs < 50e6, `${macs}, where 88 million were left with the constants kept`);
});

test.run();
