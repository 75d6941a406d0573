import fc from 'fast-check';
import type { Graph, Node } from '../../../src/graph/graph.ts';
import { randomFrom } from '../../../src/random.ts';
import { filled } from '../../graph/call.ts';
import { f32, graphOf, int, node, riddled, type Constants } from './removing.ts';

// Networks of random steps and masks, with biases and shifts that are not zero.

const C = 8, SIZE = 6;

interface Draw { readonly name: string; readonly a: string; readonly b: string; readonly seed: number; readonly c: Constants }

/** Each takes one or two values [1, 8, 6, 6] and gives one of that shape. */
type Step = (draw: Draw) => Node[];

const some = (seed: number, n: number, share = 0.4): number[] => {
  const random = randomFrom(seed, 'dead');
  return Array.from({ length: n }, (_, i) => i).filter(() => random.next() < share);
};

function conv({ name, seed, c }: Draw, x: string, { inputs = C, outputs = C, kernel = 1, group = 1, attrs = {} }): Node {
  const dims = [outputs, inputs / group, kernel, kernel];
  Object.assign(c, {
    [`${name}.w`]: riddled(dims, seed, { dead: some(seed, outputs), unread: some(seed + 1, inputs / group, 0.2) }),
    [`${name}.b`]: filled([outputs], seed + 1),
  });
  return node(name, 'Conv', [x, `${name}.w`, `${name}.b`], { pads: Array(4).fill((kernel - 1) / 2), group, ...attrs });
}

/** A step of one operator without constants. */
const plain = (op: string, attrs = {}): Step => ({ name, a }) => [node(name, op, [a], attrs)];

const steps: Record<string, Step> = {
  padded: (d) => [conv(d, d.a, { kernel: [3, 5][d.seed % 2], group: [1, 1, 2, 4][d.seed % 4] })],
  depthwise: (d) => [conv(d, d.a, { kernel: 3, group: C })],
  pointwise: (d) => [conv(d, d.a, {})],
  separable: (d) => {
    const first = { ...d, name: `${d.name}d` };
    return [conv({ ...d, name: `${d.name}p` }, d.a, {}), conv(first, `${d.name}p`, { kernel: 3, group: C }),
      node(`${d.name}r`, 'Relu', [`${d.name}d`]), conv(d, `${d.name}r`, {})];
  },
  norm: ({ name, a, seed, c }) => {
    for (const [i, key] of ['g', 'o', 'm'].entries()) c[`${name}.${key}`] = filled([C], seed + i);
    if (seed % 3 === 0) c[`${name}.g`].data[seed % C] = 0;
    c[`${name}.v`] = f32([C], [1, 2, 1, 0.5, 1, 3, 1, 2]);
    return [node(name, 'BatchNormalization', [a, ...['g', 'o', 'm', 'v'].map((key) => `${name}.${key}`)])];
  },
  relu: plain('Relu'), sigmoid: plain('Sigmoid'), hard: plain('HardSigmoid'), softplus: plain('Softplus'), swish: plain('HardSwish'),
  prelu: ({ name, a, seed, c }) => {
    c[`${name}.s`] = filled([C, 1, 1], seed);
    return [node(name, 'PRelu', [a, `${name}.s`])];
  },
  scale: ({ name, a, seed, c }) => {
    c[`${name}.s`] = filled([[C, 1, 1], [1, C, 1, 1], [1], [1, C, SIZE, SIZE]][seed % 4], seed);
    return [node(name, ['Mul', 'Add', 'Sub', 'Max'][(seed >> 2) % 4], seed % 7 < 3 ? [`${name}.s`, a] : [a, `${name}.s`])];
  },
  add: ({ name, a, b }) => [node(name, 'Add', [a, b])],
  gate: ({ name, a, b }) =>
    [node(`${name}p`, 'GlobalAveragePool', [b]), node(`${name}g`, 'Sigmoid', [`${name}p`]), node(name, 'Mul', [a, `${name}g`])],
  attention: ({ name, a, b, c }) => {
    c[`${name}.axes`] = int(1);
    return [node(`${name}m`, 'ReduceMean', [b, `${name}.axes`]), node(name, 'Mul', [a, `${name}m`])];
  },
  join: (d) => [node(`${d.name}c`, 'Concat', [d.a, d.seed % 3 ? d.b : d.a], { axis: 1 }), conv(d, `${d.name}c`, { inputs: 2 * C })],
  split: ({ name, a, seed, c }) => {
    const parts = [`${name}1`, `${name}2`, `${name}3`];
    c[`${name}.n`] = int(...[[2, 2, 4], [1, 6, 1], [3, 3, 2]][seed % 3]);
    return [node(`${name}s`, 'Split', [a, `${name}.n`], { axis: 1 }, parts), node(name, 'Concat', parts.toReversed(), { axis: 1 })];
  },
  slice: (d) => {
    Object.assign(d.c, { [`${d.name}.f`]: int(d.seed % 4), [`${d.name}.t`]: int(d.seed % 2 ? -1 : 7), [`${d.name}.x`]: int(1) });
    const cut = node(`${d.name}s`, 'Slice', [d.a, `${d.name}.f`, `${d.name}.t`, `${d.name}.x`]);
    return [cut, conv(d, `${d.name}s`, { inputs: 7 - (d.seed % 4) })];
  },
  gather: ({ name, a, seed, c }) => {
    c[`${name}.i`] = int(...Array.from({ length: C }, (_, i) => (i * 3 + seed) % C));
    return [node(name, 'Gather', [a, `${name}.i`], { axis: 1 })];
  },
  depth: (d) => {
    const mode = d.seed % 2 ? 'CRD' : 'DCR', attrs = { blocksize: 2 };
    const down = node(`${d.name}d`, 'DepthToSpace', [d.a], { ...attrs, mode });
    const between = conv({ ...d, name: `${d.name}c` }, `${d.name}d`, { inputs: 2, outputs: 2 });
    return [down, between, node(d.name, 'SpaceToDepth', [`${d.name}c`], attrs)];
  },
  pad: (d) => {
    Object.assign(d.c, { [`${d.name}.p`]: int(0, d.seed % 3, 0, 0, 0, 2, 0, 0), [`${d.name}.v`]: f32([], [d.seed % 2 ? 0.3 : 0]) });
    const padded = node(`${d.name}p`, 'Pad', [d.a, `${d.name}.p`, `${d.name}.v`]);
    return [padded, conv(d, `${d.name}p`, { inputs: C + 2 + (d.seed % 3) })];
  },
  transposed: ({ name, a, seed, c }) => {
    const group = [1, 2, 8][seed % 3];
    Object.assign(c, {
      [`${name}.w`]: riddled([C, C / group, 3, 3], seed, { dead: some(seed, C, 0.2), unread: some(seed, C / group, 0.2) }),
      [`${name}.b`]: filled([C], seed),
    });
    return [node(name, 'ConvTranspose', [a, `${name}.w`, `${name}.b`], { pads: [1, 1, 1, 1], group })];
  },
  resize: ({ name, a, seed, c }) => {
    Object.assign(c, { [`${name}.s`]: f32([4], [1, 1, 2, 2]), [`${name}.n`]: int(1, C, SIZE * 2, SIZE * 2) });
    const by = seed % 2 ? [`${name}.s`] : ['', `${name}.n`], mode = seed % 3 ? 'linear' : 'nearest';
    const down = node(name, 'MaxPool', [`${name}u`], { kernel_shape: [2, 2], strides: [2, 2] });
    return [node(`${name}u`, 'Resize', [a, '', ...by], { mode }), down];
  },
  pool: ({ name, a, seed }) => [node(name, seed % 2 ? 'MaxPool' : 'AveragePool', [a], {
    kernel_shape: [3, 3], pads: [1, 1, 1, 1], ...(seed % 2 ? {} : { count_include_pad: seed % 4 ? 1 : 0 }),
  })],
  instance: ({ name, a, seed, c }) => {
    Object.assign(c, { [`${name}.g`]: filled([C], seed), [`${name}.o`]: filled([C], seed + 1) });
    return [node(name, 'InstanceNormalization', [a, `${name}.g`, `${name}.o`])];
  },
  softmax: plain('Softmax', { axis: 1 }),
  shuffle: ({ name, a, seed, c }) => {
    const groups = seed % 2 ? 2 : 4;
    Object.assign(c, { [`${name}.s`]: int(0, groups, C / groups, SIZE, SIZE), [`${name}.t`]: int(seed % 3 ? 1 : 0, C, -1, SIZE) });
    return [
      node(`${name}r`, 'Reshape', [a, `${name}.s`]), node(`${name}p`, 'Transpose', [`${name}r`], { perm: [0, 2, 1, 3, 4] }),
      node(name, 'Reshape', [`${name}p`, `${name}.t`]),
    ];
  },
  squeeze: ({ name, a, b, c }) => {
    Object.assign(c, { [`${name}.a`]: int(2, 3), [`${name}.u`]: int(-1, 2) });
    return [
      node(`${name}m`, 'ReduceMean', [b, `${name}.a`], { keepdims: 0 }), node(`${name}g`, 'Tanh', [`${name}m`]),
      node(`${name}u`, 'Unsqueeze', [`${name}g`, `${name}.u`]), node(name, 'Mul', [`${name}u`, a]),
    ];
  },
  turn: ({ name, a }) => [
    node(`${name}t`, 'Transpose', [a], { perm: [0, 2, 3, 1] }), node(`${name}r`, 'Relu', [`${name}t`]),
    node(name, 'Transpose', [`${name}r`], { perm: [0, 3, 1, 2] }),
  ],
};

/** Layers with other strides, paddings and dimensions. */
const layers: Record<string, Step> = {
  bare: ({ name, a, seed, c }) => {
    c[`${name}.w`] = riddled([C, C, 3, 3], seed, { dead: some(seed, C) });
    return [node(name, 'Conv', [a, `${name}.w`], { auto_pad: seed % 2 ? 'SAME_UPPER' : 'SAME_LOWER' })];
  },
  dilated: (d) => [conv(d, d.a, { kernel: 3, group: d.seed % 2 ? 1 : 2, attrs: { dilations: [2, 2], pads: [2, 2, 2, 2] } })],
  halved: (d) => {
    const half = conv({ ...d, name: `${d.name}h` }, d.a, { kernel: 3, attrs: { strides: [2, 2] } });
    d.c[`${d.name}.w`] = riddled([C, C, 2, 2], d.seed, { dead: some(d.seed, C, 0.2), unread: some(d.seed + 2, C, 0.2) });
    const attrs = { strides: [2, 2], kernel_shape: [2, 2] };
    return [half, node(`${d.name}r`, 'Relu', [half.name]), node(d.name, 'ConvTranspose', [`${d.name}r`, `${d.name}.w`], attrs)];
  },
  row: ({ name, a, seed, c }) => {
    Object.assign(c, {
      [`${name}.s`]: int(1, -1, SIZE * SIZE), [`${name}.t`]: int(1, C, SIZE, SIZE), [`${name}.b`]: filled([C], seed),
      [`${name}.w`]: riddled([C, C, 3], seed, { dead: some(seed, C) }),
    });
    return [
      node(`${name}v`, 'Reshape', [a, `${name}.s`]), node(`${name}c`, 'Conv', [`${name}v`, `${name}.w`, `${name}.b`], { pads: [1, 1] }),
      node(name, 'Reshape', [`${name}c`, `${name}.t`]),
    ];
  },
  product: ({ name, a, seed, c }) => {
    Object.assign(c, {
      [`${name}.s`]: int(1, C, -1), [`${name}.t`]: int(0, -1, SIZE, SIZE), [`${name}.w`]: riddled([C, C], seed, { unread: some(seed, C) }),
      [`${name}.b`]: filled([C], seed),
    });
    return [
      node(`${name}v`, 'Reshape', [a, `${name}.s`]), node(`${name}p`, 'Transpose', [`${name}v`], { perm: [0, 2, 1] }),
      node(`${name}m`, 'MatMul', [`${name}p`, `${name}.w`]), node(`${name}b`, 'Add', [`${name}.b`, `${name}m`]),
      node(`${name}q`, 'Transpose', [`${name}b`], { perm: [0, 2, 1] }), node(name, 'Reshape', [`${name}q`, `${name}.t`]),
    ];
  },
  excite: (d) => {
    const at = (name: string): Draw => ({ ...d, name: d.name + name });
    return [
      node(`${d.name}r`, 'Relu', [d.a]), node(`${d.name}p`, 'GlobalAveragePool', [`${d.name}r`]),
      conv(at('s'), `${d.name}p`, { outputs: 4 }), node(`${d.name}t`, 'Relu', [`${d.name}s`]), conv(at('e'), `${d.name}t`, { inputs: 4 }),
      node(`${d.name}g`, 'HardSigmoid', [`${d.name}e`], { alpha: 1, beta: 0.2 }),
      node(d.name, 'Mul', d.seed % 2 ? [`${d.name}r`, `${d.name}g`] : [`${d.name}g`, `${d.name}r`]),
    ];
  },
  attend: (d) => [
    conv({ ...d, name: `${d.name}c` }, d.b, { outputs: 1 }), node(`${d.name}g`, d.seed % 2 ? 'Relu' : 'Sigmoid', [`${d.name}c`]),
    node(d.name, 'Mul', [`${d.name}g`, d.a]),
  ],
};

/** Images cut, joined, framed and turned, and arithmetic of several values. */
const moves: Record<string, Step> = {
  stack: ({ name, a, b, seed, c }) => {
    Object.assign(c, { [`${name}.f`]: int(seed % 6), [`${name}.t`]: int((seed % 6) + SIZE), [`${name}.k`]: filled([1, C, 2, SIZE], seed) });
    if (seed % 2) c[`${name}.k`] = f32([1, C, 2, SIZE], Array(C * 2 * SIZE).fill(0.5));
    c[`${name}.x`] = int(2);
    return [
      node(`${name}c`, 'Concat', [a, `${name}.k`, b], { axis: -2 }),
      node(name, 'Slice', [`${name}c`, `${name}.f`, `${name}.t`, `${name}.x`]),
    ];
  },
  sides: ({ name, a, c }) => {
    c[`${name}.n`] = int(2, 4);
    const parts = [`${name}1`, `${name}2`];
    return [node(`${name}s`, 'Split', [a, `${name}.n`], { axis: 3 }, parts), node(name, 'Concat', parts.toReversed(), { axis: 3 })];
  },
  rows: ({ name, a, c }) => {
    c[`${name}.i`] = int(5, 0, 4, 1, -4, 3);
    return [node(name, 'Gather', [a, `${name}.i`], { axis: 2 })];
  },
  frame: (d) => {
    const mode = ['constant', 'reflect', 'edge', 'wrap'][d.seed % 4];
    Object.assign(d.c, { [`${d.name}.p`]: int(1, 1, 1, 1), [`${d.name}.v`]: f32([], [d.seed % 3 ? 0 : 0.4]), [`${d.name}.x`]: int(2, -1) });
    const pad = node(`${d.name}p`, 'Pad', [d.a, `${d.name}.p`, `${d.name}.v`, `${d.name}.x`], { mode });
    return [pad, conv(d, `${d.name}p`, { kernel: 3, attrs: { pads: [0, 0, 0, 0] } })];
  },
  last: ({ name, a, seed, c }) => {
    c[`${name}.k`] = filled(seed % 2 ? [C] : [SIZE, 1], seed);
    return [
      node(`${name}t`, 'Transpose', [a], { perm: [0, 2, 3, 1] }),
      node(`${name}k`, ['Add', 'Mul', 'Sub'][seed % 3], [`${name}t`, `${name}.k`]),
      node(name, 'Transpose', [`${name}k`], { perm: [0, 3, 1, 2] }),
    ];
  },
  several: ({ name, a, b, seed }) => [node(name, ['Sum', 'Mean', 'Max', 'Min'][seed % 4], seed % 3 ? [a, b] : [b, a, b])],
  quotient: ({ name, a, b }) => [
    node(`${name}p`, 'Softplus', [b]), node(`${name}e`, 'Exp', [`${name}p`]), node(name, 'Div', [a, `${name}e`]),
  ],
  reduced: ({ name, a, b, seed, c }) => {
    c[`${name}.x`] = int(-1, 2);
    const op = ['ReduceMax', 'ReduceSum', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare', 'ReduceMin'][seed % 6];
    const by = node(name, ['Add', 'Mul'][seed % 2], [a, `${name}t`]);
    return [node(`${name}r`, op, [b, `${name}.x`]), node(`${name}t`, 'Tanh', [`${name}r`]), by];
  },
  flat: ({ name, a, c }) => {
    c[`${name}.s`] = int(1, C, SIZE, SIZE);
    const back = node(name, 'Reshape', [`${name}r`, `${name}.s`]);
    return [node(`${name}f`, 'Flatten', [a]), node(`${name}r`, 'LeakyRelu', [`${name}f`]), back];
  },
  tile: ({ name, a, c }) => {
    c[`${name}.n`] = int(1, 1, 2, 2);
    const half = node(`${name}h`, 'AveragePool', [a], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
    return [half, node(name, 'Tile', [`${name}h`, `${name}.n`])];
  },
  cubic: ({ name, a, seed, c }) => {
    c[`${name}.s`] = f32([2], [1.5, 1.5]);
    const attrs = { mode: 'cubic', axes: [2, 3], coordinate_transformation_mode: ['half_pixel', 'align_corners', 'asymmetric'][seed % 3] };
    const small = node(name, 'MaxPool', [`${name}u`], { kernel_shape: [4, 4] });
    return [node(`${name}u`, 'Resize', [a, '', `${name}.s`], attrs), small];
  },
  clip: ({ name, a, c }) => {
    Object.assign(c, { [`${name}.l`]: f32([], [-0.2]), [`${name}.h`]: f32([], [0.7]) });
    return [node(name, 'Clip', [a, `${name}.l`, `${name}.h`])];
  },
  normalised: ({ name, a, seed, c }) => {
    c[`${name}.g`] = filled([SIZE], seed);
    return [seed % 2 ? node(name, 'LRN', [a], { size: 3 }) : node(name, 'LayerNormalization', [a, `${name}.g`])];
  },
  copied: ({ name, a }) => [node(`${name}i`, 'Identity', [a]), node(name, 'Dropout', [`${name}i`])],
};

/** From an image to ten numbers. */
const heads: Record<string, Step> = {
  flat: (d) => linear(d, [node(`${d.name}f`, 'Flatten', [d.a])]),
  interleaved: (d) => {
    d.c[`${d.name}.shape`] = int(1, d.seed % 2 ? -1 : C * SIZE * SIZE);
    const turned = node(`${d.name}t`, 'Transpose', [d.a], { perm: [0, 2, 3, 1] });
    return linear(d, [turned, node(`${d.name}f`, 'Reshape', [`${d.name}t`, `${d.name}.shape`])]);
  },
  rows: (d) => {
    Object.assign(d.c, { [`${d.name}.shape`]: int(0, C, SIZE * SIZE), [`${d.name}.w`]: riddled([C, 10], d.seed, { unread: [3] }) });
    return [
      node(`${d.name}f`, 'Reshape', [d.a, `${d.name}.shape`]), node(`${d.name}t`, 'Transpose', [`${d.name}f`], { perm: [0, 2, 1] }),
      node(d.name, 'MatMul', [`${d.name}t`, `${d.name}.w`]),
    ];
  },
  image: ({ name, a }) => [node(name, 'Identity', [a])],
};

function linear({ name, seed, c }: Draw, before: Node[]): Node[] {
  const length = C * SIZE * SIZE;
  Object.assign(c, {
    [`${name}.w`]: riddled([12, length], seed, { dead: some(seed, 12) }), [`${name}.b`]: filled([1, 12], seed),
    [`${name}.w2`]: riddled([12, 10], seed + 1, { dead: some(seed, 12, 0.1) }),
  });
  return [
    ...before, node(`${name}h`, 'Gemm', [`${name}f`, `${name}.w`, `${name}.b`], { transB: 1, alpha: 0.5, beta: 2 }),
    node(`${name}s`, 'Sigmoid', [`${name}h`]), node(name, 'MatMul', [`${name}s`, `${name}.w2`]),
  ];
}

const all = { ...steps, ...layers, ...moves };
const kind = fc.constantFrom(...Object.keys(all), 'pointwise', 'padded', 'separable', 'excite');
const step = fc.record({ kind, a: fc.nat(), b: fc.nat(), seed: fc.nat(1000) });
export const drawn = fc.record({
  path: fc.array(step, { minLength: 3, maxLength: 8 }), head: fc.constantFrom(...Object.keys(heads)), inner: fc.boolean(),
  seed: fc.nat(1000),
});

export type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

export function network({ path, head, inner, seed }: Drawn): Graph {
  const [values, c, nodes] = [['x'], {} as Constants, [] as Node[]];
  path.forEach(({ kind, a, b, seed }, i) => {
    const before = values.slice(a % 4 === 0 ? -2 : -1)[0];
    nodes.push(...all[kind]({ name: `v${i}`, a: before, b: values[b % values.length], seed, c }));
    values.push(`v${i}`);
  });
  nodes.push(...heads[head]({ name: 'y', a: values.at(-1)!, b: 'x', seed, c }));
  return graphOf(nodes, [1, C, SIZE, SIZE], c, inner ? ['y', values.at(-2)!].filter((name) => name !== 'x') : ['y']);
}
