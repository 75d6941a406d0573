import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate, specialize } from '../../src/graph/evaluate.ts';
import type { Attr, Graph, Node } from '../../src/graph/graph.ts';
import { optimize, type Optimized } from '../../src/graph/passes/index.ts';
import { numbersOf, Tensor, type Shape } from '../../src/tensor.ts';
import { filled } from './call.ts';

type Constants = Record<string, Tensor>;
type Attrs = Record<string, Attr>;
const node = (name: string, op: string, inputs: string[], attrs: Attrs = {}): Node => ({ name, op, inputs, outputs: [name], attrs });
const int = (...values: number[]) => new Tensor('int64', values, [values.length]);
const scalar = (value: number) => new Tensor('float32', [value], []);
const positive = (shape: Shape, seed: number) => new Tensor('float32', filled(shape, seed).data.map((v) => Math.abs(v) + 0.1), shape);
/** Constants of a batch normalisation over `c` channels, and its node. */
const stats = (c: number, seed = 5): Constants => ({
  gamma: filled([c], seed), beta: filled([c], seed + 1), mean: filled([c], seed + 2), variance: positive([c], seed + 3),
});
const norm = (name: string, x: string) => node(name, 'BatchNormalization', [x, 'gamma', 'beta', 'mean', 'variance'], { epsilon: 1e-3 });

function graphOf(nodes: Node[], dims: Shape, constants: Constants = {}, outputs = [nodes[nodes.length - 1].name]): Graph {
  return {
    name: 'g', inputs: [{ name: 'x', type: 'float32', dims }], outputs: outputs.map((name) => ({ name, type: 'float32', dims: [] })),
    nodes, constants: new Map(Object.entries(constants)),
  };
}

/** Optimises; results, output names and shapes must be as before, and a second time must change nothing. */
function optimized(graph: Graph): Optimized {
  const fixed = specialize(graph);
  const after = optimize(fixed.graph, fixed.types);
  assert.equal([after.graph.inputs, after.graph.outputs], [fixed.graph.inputs, fixed.graph.outputs]);
  const x = filled(fixed.graph.inputs[0].dims as Shape, 9);
  const [want, got] = [fixed.graph, after.graph].map((g) => evaluate(g, { x }));
  for (const name of Object.keys(want)) near(got[name], want[name], largest(fixed.graph, x), name);
  assert.is(optimize(after.graph, after.types).graph, after.graph, 'a second time changes nothing');
  return after;
}

/** The largest number on the way, whose f32 rounding what comes after has to live with (a clamp makes large numbers small). */
function largest(graph: Graph, x: Tensor): number {
  const outputs = graph.nodes.flatMap((n) => n.outputs.map((name) => ({ name, type: 'float32' as const, dims: [] })));
  const all = Object.values(evaluate({ ...graph, outputs }, { x })).flatMap((tensor) => Array.from(numbersOf(tensor), Math.abs));
  return all.reduce((most, v) => (Number.isFinite(v) ? Math.max(most, v) : most), 1e-30);
}

/** Equal within 1e-5 of `size`. */
function near(got: Tensor, want: Tensor, size: number, name: string): void {
  assert.equal(got.dims, want.dims, name);
  const [a, b] = [Array.from(numbersOf(got)), Array.from(numbersOf(want))];
  const worst = a.findIndex((v, i) => !Object.is(v, b[i]) && !(Math.abs(v - b[i]) <= 1e-5 * size));
  assert.is(worst, -1, `${name}[${worst}]: ${a[worst]} instead of ${b[worst]}`);
}

const opsOf = ({ graph }: Optimized) => graph.nodes.map(({ op }) => op);
const only = (after: Optimized): Node => {
  assert.is(after.graph.nodes.length, 1, opsOf(after).join());
  return after.graph.nodes[0];
};

test('simplify: what changes nothing is gone, and an output keeps its name', () => {
  const zero = new Tensor('float32', [0, 0, 0], [3]);
  const constants = { one: scalar(1), zero, none: int(0, 0, 0, 0), start: int(0), end: int(99), two: scalar(2), half: scalar(0.5) };
  const chain = [
    node('a', 'Relu', ['x']), node('b', 'Relu', ['a']), node('c', 'Identity', ['b']), node('d', 'Mul', ['one', 'c']),
    node('e', 'Add', ['d', 'zero']),
    node('f', 'Cast', ['e'], { to: 1 }), node('g', 'Pad', ['f', 'none']), node('h', 'Slice', ['g', 'start', 'end']),
    node('i', 'Clip', ['h']),
    node('j', 'Concat', ['i'], { axis: 0 }), node('k', 'Transpose', ['j'], { perm: [0, 1] }), node('y', 'Dropout', ['k']),
  ];
  const relu = only(optimized(graphOf(chain, [2, 3], constants)));
  assert.equal([relu.op, relu.name, relu.outputs], ['Relu', 'a', ['y']]);
  assert.equal(opsOf(optimized(graphOf([node('y', 'Pow', ['x', 'two'])], [2, 3], constants))), ['Mul']);
  assert.equal(opsOf(optimized(graphOf([node('a', 'Abs', ['x']), node('y', 'Pow', ['a', 'half'])], [2, 3], constants))), ['Abs', 'Sqrt']);
  assert.equal(opsOf(optimized(graphOf([node('y', 'Div', ['x', 'two'])], [2, 3], constants))), ['Mul']);
  assert.equal(opsOf(optimized(graphOf([node('y', 'Div', ['x', 'three'])], [2, 3], { three: scalar(3) }))), ['Div'], '1/3 is not exact');
});

test('simplify: an operand that widens the result is no neutral one, nor is a Slice that turns round', () => {
  const ones = new Tensor('float32', [1, 1, 1, 1], [2, 2, 1]);
  assert.equal(opsOf(optimized(graphOf([node('y', 'Mul', ['x', 'ones'])], [2, 3], { ones }))), ['Mul']);
  const reverse = { start: int(-1), end: int(-99), axes: int(0), steps: int(-1) };
  assert.equal(opsOf(optimized(graphOf([node('y', 'Slice', ['x', 'start', 'end', 'axes', 'steps'])], [2, 3], reverse))), ['Slice']);
});

test('simplify: an input that is an output stays under both names', () => {
  const after = optimized(graphOf([node('y', 'Identity', ['x']), node('z', 'Dropout', ['x'])], [2, 3], {}, ['y', 'z', 'x']));
  assert.equal(opsOf(after), ['Identity', 'Identity']);
  const twice = optimized(graphOf([node('r', 'Relu', ['x']), node('y', 'Identity', ['r'])], [2], {}, ['r', 'y']));
  assert.equal(opsOf(twice), ['Relu', 'Identity'], 'one value, two output names');
});

test('simplify: n-ary operators become pairs, views of views one Reshape', () => {
  const sum = (op: string) => graphOf([node('a', 'Relu', ['x']), node('b', 'Neg', ['x']), node('y', op, ['a', 'b', 'x'])], [2, 3]);
  assert.equal(opsOf(optimized(sum('Sum'))), ['Relu', 'Neg', 'Add', 'Add']);
  assert.equal(opsOf(optimized(sum('Max'))), ['Relu', 'Neg', 'Max', 'Max']);
  const views = [node('a', 'Flatten', ['x']), node('b', 'Unsqueeze', ['a', 'zero']), node('y', 'Reshape', ['b', 'shape'])];
  const reshape = only(optimized(graphOf(views, [2, 3, 2], { zero: int(0), shape: int(0, 3, -1) })));
  assert.equal([reshape.op, reshape.inputs[0]], ['Reshape', 'x']);
});

test('patterns: HardSwish, HardSigmoid and Swish from their arithmetic', () => {
  const c = { three: scalar(3), six: scalar(6), sixth: scalar(1 / 6), low: scalar(0) };
  const clip = [node('a', 'Add', ['x', 'three']), node('b', 'Clip', ['a', 'low', 'six'])];
  const forms: [string, Node[]][] = [
    ['HardSwish', [...clip, node('m', 'Mul', ['x', 'b']), node('y', 'Div', ['m', 'six'])]],
    ['HardSwish', [...clip, node('m', 'Mul', ['b', 'x']), node('y', 'Mul', ['sixth', 'm'])]],
    ['HardSwish', [...clip, node('h', 'Div', ['b', 'six']), node('y', 'Mul', ['x', 'h'])]],
    ['HardSwish', [node('h', 'HardSigmoid', ['x'], { alpha: 1 / 6, beta: 0.5 }), node('y', 'Mul', ['h', 'x'])]],
    ['HardSigmoid', [...clip, node('y', 'Div', ['b', 'six'])]],
    ['Swish', [node('s', 'Sigmoid', ['x']), node('y', 'Mul', ['s', 'x'])]],
  ];
  for (const [op, nodes] of forms) {
    const after = optimized(graphOf(nodes, [2, 40], c));
    assert.equal([only(after).op, only(after).name], [op, 'y']);
    assert.equal([...after.parts.get('y')!].sort(), nodes.slice(0, -1).map(({ name }) => name).sort());
  }
  const other = [node('h', 'HardSigmoid', ['x'], { alpha: 0.2, beta: 0.5 }), node('y', 'Mul', ['h', 'x'])];
  assert.equal(opsOf(optimized(graphOf(other, [2, 40]))), ['HardSigmoid', 'Mul'], 'another slope');
  const read = [node('s', 'Sigmoid', ['x']), node('y', 'Mul', ['s', 'x'])];
  assert.equal(opsOf(optimized(graphOf(read, [3], {}, ['s', 'y']))), ['Sigmoid', 'Mul'], 'an output in between');
  const sixfold = [...clip, node('y', 'Mul', ['b', 'x'])];
  assert.equal(opsOf(optimized(graphOf(sixfold, [2, 40], c))), ['Add', 'Mul'], 'not divided');
});

test('linear: Gemm and MatMul with their sums become Linear in torch order; the weight keeps its name', () => {
  for (const transB of [0, 1]) {
    const w = filled(transB ? [4, 3] : [3, 4], 1);
    for (const bias of [[4], [1, 4], [1], []]) {
      const attrs = { transB, alpha: 0.5, beta: 2 };
      const linear = only(optimized(graphOf([node('y', 'Gemm', ['x', 'w', 'b'], attrs)], [2, 3], { w, b: filled(bias, 2) })));
      assert.equal([linear.op, linear.inputs[1]], ['Linear', 'w']);
    }
  }
  const product = [node('m', 'MatMul', ['x', 'w']), node('y', 'Add', ['b', 'm'])];
  const after = optimized(graphOf(product, [2, 5, 3], { w: filled([3, 4], 1), b: filled([4], 2) }));
  assert.equal([only(after).op, only(after).name, only(after).outputs], ['Linear', 'm', ['y']]);
  assert.equal(after.graph.constants.get('w')!.dims, [4, 3]);
  assert.equal(after.parts.get('m'), ['y']);
});

test('linear: a matrix of biases, a transposed input and a constant on the left stay', () => {
  const c = { w: filled([3, 3], 1), b: filled([3, 3], 2) };
  assert.equal(opsOf(optimized(graphOf([node('y', 'Gemm', ['x', 'w', 'b'])], [3, 3], c))), ['Gemm']);
  assert.equal(opsOf(optimized(graphOf([node('y', 'Gemm', ['x', 'w'], { transA: 1 })], [3, 3], c))), ['Gemm']);
  assert.equal(opsOf(optimized(graphOf([node('y', 'MatMul', ['w', 'x'])], [3, 3], c))), ['MatMul']);
});

test('linear: a weight that two products share is not turned round under the other', () => {
  const nodes = [node('a', 'MatMul', ['x', 'w']), node('b', 'MatMul', ['a', 'x']), node('y', 'Gemm', ['b', 'w'], { transB: 1 })];
  assert.equal(opsOf(optimized(graphOf(nodes, [3, 3], { w: filled([3, 3], 1) }))), ['Linear', 'MatMul', 'Linear']);
});

const conv = (name: string, x: string, w: string, attrs: Attrs = {}) => node(name, 'Conv', [x, w], attrs);

test('scale: batch normalisation goes into every kind of layer, and pruned weights stay exactly zero', () => {
  const layers: [Node, Tensor, Shape][] = [
    [conv('l', 'x', 'w'), filled([4, 3, 3, 3], 1), [2, 3, 5, 5]],
    [conv('l', 'x', 'w', { group: 2 }), filled([4, 2, 3, 1], 1), [1, 4, 5, 5]],
    [conv('l', 'x', 'w'), filled([4, 3, 3], 1), [2, 3, 5]],
    [node('l', 'ConvTranspose', ['x', 'w'], { group: 2, strides: [2, 2] }), filled([4, 2, 2, 2], 1), [1, 4, 3, 3]],
    [node('l', 'MatMul', ['x', 'w']), filled([3, 4], 1), [5, 3]],
  ];
  for (const [layer, w, dims] of layers) {
    w.data.forEach((_, i) => { if (i % 3 === 0) w.data[i] = i % 2 ? -0 : 0; });
    const after = optimized(graphOf([layer, norm('y', 'l')], dims, { w, ...stats(4) }));
    assert.equal([only(after).name, after.parts.get('l')], ['l', ['y']]);
    const zeros = Array.from(after.graph.constants.get('w')!.data as Float32Array).filter((v) => v === 0).length;
    assert.is(zeros, Math.ceil(w.size / 3));
  }
});

test('scale: products and sums per channel, behind a layer and in front of it', () => {
  const c = { w: filled([4, 3, 1, 1], 1), s: filled([4, 1, 1], 2), t: filled([1, 4, 1, 1], 3), u: filled([3, 1, 1], 4), v: scalar(0.7) };
  const behind = [
    conv('l', 'x', 'w'), node('a', 'Mul', ['s', 'l']), node('b', 'Add', ['a', 't']),
    node('c', 'Sub', ['v', 'b']), node('y', 'Div', ['c', 's']),
  ];
  assert.is(only(optimized(graphOf(behind, [1, 3, 4, 4], c))).name, 'l');
  const before = [node('a', 'Mul', ['x', 'u']), node('b', 'Add', ['v', 'a']), conv('y', 'b', 'w')];
  assert.equal(optimized(graphOf(before, [1, 3, 4, 4], c)).parts.get('y')!.length, 2);
  const padded = [...before.slice(0, 2), conv('y', 'b', 'w', { pads: [1, 1, 1, 1] })];
  assert.equal(opsOf(optimized(graphOf(padded, [1, 3, 4, 4], c))), ['Mul', 'Add', 'Conv'], 'padding is not shifted');
  const grouped = [node('a', 'Mul', ['x', 'f']), conv('y', 'a', 'g', { group: 2, pads: [1, 1, 1, 1] })];
  only(optimized(graphOf(grouped, [1, 4, 4, 4], { f: filled([4, 1, 1], 6), g: filled([6, 2, 3, 3], 7) })));
});

test('scale: not into a layer somebody else reads, nor along another axis; alone it is a product and a sum', () => {
  const c = { w: filled([4, 3, 1, 1], 1), ...stats(4) };
  const shared = [conv('l', 'x', 'w'), norm('n', 'l'), node('y', 'Mul', ['l', 'n'])];
  assert.equal(opsOf(optimized(graphOf(shared, [1, 3, 4, 4], c))), ['Conv', 'Mul', 'Add', 'Mul']);
  assert.equal(opsOf(optimized(graphOf([conv('l', 'x', 'w'), norm('y', 'l')], [1, 3, 4, 4], c, ['l', 'y']))), ['Conv', 'Mul', 'Add']);
  const row = [conv('l', 'x', 'w'), node('y', 'Mul', ['l', 'r'])];
  assert.equal(opsOf(optimized(graphOf(row, [1, 3, 4, 4], { ...c, r: filled([4], 2) }))), ['Conv', 'Mul'], 'along the width');
  const alone = optimized(graphOf([norm('y', 'x')], [2, 4, 3], stats(4)));
  assert.equal(opsOf(alone), ['Mul', 'Add']);
});

test('scale: a weight two layers share is folded for each of them', () => {
  const nodes = [conv('a', 'x', 'w'), norm('n', 'a'), conv('y', 'n', 'w')];
  const after = optimized(graphOf(nodes, [1, 3, 4, 4], { w: filled([3, 3, 1, 1], 1), ...stats(3) }));
  assert.equal(opsOf(after), ['Conv', 'Conv']);
});

test('pads: zeros in front of a convolution, auto_pad settled', () => {
  const pad = node('p', 'Pad', ['x', 'pads']);
  const c = { w: filled([2, 2, 3, 3], 1), pads: int(0, 0, 0, 1, 0, 0, 2, 1) };
  const kinds: Attrs[] = [
    {}, { strides: [2, 2] }, { pads: [1, 0, 0, 2] }, { auto_pad: 'SAME_UPPER', strides: [2, 2] }, { auto_pad: 'VALID' },
  ];
  for (const attrs of kinds) {
    assert.is(only(optimized(graphOf([pad, conv('y', 'p', 'w', attrs)], [1, 2, 5, 6], c))).op, 'Conv');
  }
  const line = { w: filled([2, 2, 3], 1), pads: int(0, 0, 2, 0, 0, 1) };
  only(optimized(graphOf([pad, conv('y', 'p', 'w', { pads: [1, 0] })], [1, 2, 5], line)));
});

test('pads: other values, modes, axes and crops stay', () => {
  const w = filled([2, 2, 3, 3], 1);
  const cases: [Tensor, string, number][] = [
    [int(0, 0, 1, 1, 0, 0, 1, 1), 'constant', 1], [int(0, 0, 1, 1, 0, 0, 1, 1), 'edge', 0], [int(0, 0, -1, 1, 0, 0, 1, 1), 'constant', 0],
    [int(1, 0, 0, 0, 0, 0, 0, 0), 'constant', 0],
  ];
  for (const [pads, mode, value] of cases) {
    const nodes = [node('p', 'Pad', ['x', 'pads', 'value'], { mode }), conv('y', 'p', 'w')];
    assert.equal(opsOf(optimized(graphOf(nodes, [1, 2, 5, 5], { w, pads, value: scalar(value) }))), ['Pad', 'Conv']);
  }
});

test('pads: in front of pools only where the border cannot tell', () => {
  const pads = int(0, 0, 1, 1, 0, 0, 1, 1);
  const pooled = (op: string, value: number, attrs: Attrs = {}, first = 'Identity'): string[] => opsOf(optimized(graphOf([
    node('a', first, ['x']), node('p', 'Pad', ['a', 'pads', 'value']),
    node('y', op, ['p'], { kernel_shape: [2, 2], strides: [2, 2], ...attrs }),
  ], [1, 2, 5, 5], { pads, value: scalar(value) })));
  assert.equal(pooled('MaxPool', -Infinity), ['MaxPool']);
  assert.equal(pooled('MaxPool', 0), ['Pad', 'MaxPool']);
  assert.equal(pooled('MaxPool', 0, {}, 'Relu'), ['Relu', 'MaxPool']);
  assert.equal(pooled('MaxPool', 0, { kernel_shape: [1, 1] }, 'Relu'), ['Relu', 'Pad', 'MaxPool'], 'a window on padding alone');
  assert.equal(pooled('MaxPool', 0, { dilations: [6, 6] }, 'Relu'), ['Relu', 'Pad', 'MaxPool'], 'taps that may miss the image');
  assert.equal(pooled('AveragePool', 0), ['AveragePool']);
  assert.equal(pooled('AveragePool', 0, { pads: [1, 1, 1, 1] }), ['Pad', 'AveragePool'], 'padding that does not count');
});

test('activation: clamps intersect and go into layers and sums', () => {
  const c = { w: filled([2, 2, 1, 1], 1), six: scalar(0.6), low: scalar(-0.5) };
  const nodes = [conv('l', 'x', 'w'), node('a', 'Clip', ['l', 'low', 'six']), node('y', 'Relu', ['a'])];
  const layer = only(optimized(graphOf(nodes, [1, 2, 4, 4], c)));
  assert.equal([layer.attrs.min, layer.attrs.max, layer.outputs], [0, Math.fround(0.6), ['y']]);
  const sum = [node('n', 'Neg', ['x']), node('a', 'Add', ['x', 'n']), node('y', 'Relu', ['a'])];
  assert.equal(opsOf(optimized(graphOf(sum, [3]))), ['Neg', 'Add']);
  assert.equal(opsOf(optimized(graphOf(nodes.slice(0, 2), [1, 2, 4, 4], c, ['l', 'a']))), ['Conv', 'Clip'], 'an output in between');
});

test('residual: the later of two layers adds the other, then clamps', () => {
  const c = { w: filled([2, 2, 1, 1], 1), v: filled([2, 2, 3, 3], 2) };
  const block = [conv('a', 'x', 'w'), conv('b', 'x', 'v', { pads: [1, 1, 1, 1] }), node('s', 'Add', ['a', 'b']), node('y', 'Relu', ['s'])];
  const after = optimized(graphOf(block, [1, 2, 4, 4], c));
  const lines = after.graph.nodes.map(({ name, inputs, outputs }) => `${name}(${inputs}) ${outputs}`);
  assert.equal(lines, ['a(x,w) a', 'b(x,v,,a) y']);
  assert.equal(after.parts.get('b'), ['s', 'y']);
  assert.is(after.graph.nodes[1].attrs.min, 0);
});

test('residual: the other operand may be made later; a clamp in between or another shape stays', () => {
  const c = { w: filled([2, 2, 1, 1], 1), v: filled([2, 2, 4, 4], 1) };
  const late = [conv('a', 'x', 'w'), node('n', 'Sigmoid', ['x']), node('y', 'Add', ['n', 'a'])];
  assert.equal(opsOf(optimized(graphOf(late, [1, 2, 4, 4], c))), ['Sigmoid', 'Conv']);
  const clamped = [conv('a', 'x', 'w'), node('r', 'Relu', ['a']), node('y', 'Add', ['x', 'r'])];
  assert.equal(opsOf(optimized(graphOf(clamped, [1, 2, 4, 4], c))), ['Conv', 'Add']);
  const wide = [conv('a', 'x', 'v'), node('y', 'Add', ['x', 'a'])];
  assert.equal(opsOf(optimized(graphOf(wide, [1, 2, 4, 4], c))), ['Conv', 'Add']);
  assert.equal(opsOf(optimized(graphOf([conv('a', 'x', 'w'), node('y', 'Add', ['a', 'a'])], [1, 2, 4, 4], c))), ['Conv', 'Add']);
});

/** What a random network is made of: each takes one or two values [1, 4, 6, 6] and gives one of that shape. */
const steps: Record<string, (name: string, a: string, b: string, seed: number, c: Constants) => Node[]> = {
  conv: (name, a, _b, seed, c) => {
    c[`${name}.w`] = filled(seed % 2 ? [4, 4, 3, 3] : [4, 1, 3, 3], seed);
    return [conv(name, a, `${name}.w`, { group: seed % 2 ? 1 : 4, auto_pad: seed % 3 ? 'SAME_UPPER' : 'SAME_LOWER' })];
  },
  padded: (name, a, _b, seed, c) => {
    Object.assign(c, { [`${name}.w`]: filled([4, 4, 3, 3], seed), [`${name}.p`]: int(0, 0, seed % 3, 1, 0, 0, 2 - (seed % 3), 1) });
    return [node(`${name}p`, 'Pad', [a, `${name}.p`]), conv(name, `${name}p`, `${name}.w`)];
  },
  pointwise: (name, a, _b, seed, c) => {
    c[`${name}.w`] = filled([4, 4, 1, 1], seed);
    return [conv(name, a, `${name}.w`)];
  },
  norm: (name, a, _b, seed, c) => {
    for (const [key, value] of Object.entries(stats(4, seed))) c[`${name}.${key}`] = value;
    return [node(name, 'BatchNormalization', [a, ...['gamma', 'beta', 'mean', 'variance'].map((key) => `${name}.${key}`)])];
  },
  scale: (name, a, _b, seed, c) => {
    c[`${name}.s`] = positive(seed % 2 ? [4, 1, 1] : [1], seed);
    return [node(name, ['Mul', 'Add', 'Sub', 'Div'][seed % 4], seed % 8 < 3 ? [`${name}.s`, a] : [a, `${name}.s`])];
  },
  relu: (name, a) => [node(name, 'Relu', [a])],
  clip: (name, a, _b, seed, c) => {
    Object.assign(c, { [`${name}.l`]: scalar(-0.2), [`${name}.h`]: scalar(0.5 + (seed % 3)) });
    return [node(name, 'Clip', [a, `${name}.l`, `${name}.h`])];
  },
  add: (name, a, b) => [node(name, 'Add', [a, b])],
  gate: (name, a, b) => [node(`${name}g`, 'Sigmoid', [b]), node(name, 'Mul', [a, `${name}g`])],
  pool: (name, a, _b, _seed, c) => {
    c[`${name}.p`] = int(0, 0, 1, 1, 0, 0, 1, 1);
    return [node(`${name}p`, 'Pad', [a, `${name}.p`]), node(name, 'MaxPool', [`${name}p`], { kernel_shape: [3, 3] })];
  },
  there: (name, a) => [
    node(`${name}t`, 'Transpose', [a], { perm: [0, 2, 3, 1] }),
    node(name, 'Transpose', [`${name}t`], { perm: [0, 3, 1, 2] }),
  ],
};

test('any network of these steps computes the same afterwards', () => {
  const step = fc.record({ kind: fc.constantFrom(...Object.keys(steps)), a: fc.nat(), b: fc.nat(), seed: fc.nat(1000) });
  fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.boolean(), (drawn, inner) => {
    const [values, constants, nodes] = [['x'], {} as Constants, [] as Node[]];
    drawn.forEach(({ kind, a, b, seed }, i) => {
      const before = values.slice(a % 4 === 0 ? -2 : -1)[0]; // mostly the last value, so that there is something to fuse
      nodes.push(...steps[kind](`v${i}`, before, values[b % values.length], seed, constants));
      values.push(`v${i}`);
    });
    const last = values[values.length - 1];
    optimized(graphOf(nodes, [1, 4, 6, 6], constants, inner && values.length > 3 ? [values[values.length - 3], last] : [last]));
  }), { numRuns: 150 });
});

test.run();
