import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { evaluate, inferShapes, specialize } from '../../src/graph/evaluate.ts';
import type { Attr, Graph, Node } from '../../src/graph/graph.ts';
import { inverse, permuteTensor } from '../../src/graph/permute.ts';
import { sinkTransposes } from '../../src/graph/passes/transposes.ts';
import { numbersOf, sizeOf, Tensor } from '../../src/tensor.ts';

const wave = (dims: readonly number[], seed = 1): Tensor =>
  new Tensor('float32', Float32Array.from({ length: sizeOf(dims) }, (_, i) => Math.sin(seed + 1.3 * i) * 3), dims);
const node = (op: string, inputs: string[], outputs: string | string[], attrs: Record<string, Attr> = {}): Node =>
  ({ name: `${op} ${outputs}`, op, inputs, outputs: [outputs].flat(), attrs });
const longs = (values: readonly number[]): Tensor => new Tensor('int64', values, [values.length]);

function graphOf(dims: readonly number[], nodes: Node[], constants: Record<string, Tensor>, outputs: string[]): Graph {
  const open: Graph = {
    name: 'g', inputs: [{ name: 'x', type: 'float32', dims }], outputs: [], nodes, constants: new Map(Object.entries(constants)),
  };
  const types = inferShapes(open);
  return { ...open, outputs: outputs.map((name) => ({ name, type: types.get(name)!.type, dims: types.get(name)!.shape })) };
}

function sink(graph: Graph): Graph {
  const { graph: fixed, types } = specialize(graph);
  return sinkTransposes(fixed, types);
}

/** Checks that the pass changes no result, and returns the operators left. */
function after(graph: Graph): string[] {
  const sunk = sink(graph);
  const x = wave(graph.inputs[0].dims as number[]);
  const [want, got] = [evaluate(graph, { x }), evaluate(sunk, { x })];
  for (const [name, tensor] of Object.entries(want)) {
    assert.equal(got[name].dims, tensor.dims, name);
    const [a, b] = [numbersOf(got[name]), numbersOf(tensor)];
    for (let i = 0; i < b.length; i++) {
      assert.ok(
        Object.is(a[i], b[i]) || Math.abs(a[i] - b[i]) <= 1e-5 * Math.max(1, Math.abs(b[i])),
        `${name}[${i}]: ${a[i]}, expected ${b[i]}`,
      );
    }
  }
  return sunk.nodes.map(({ op }) => op);
}

const first = [0, 3, 1, 2];
const last = [0, 2, 3, 1];
const toFirst = (from: string, to: string): Node => node('Transpose', [from], to, { perm: first });
const toLast = (from: string, to: string): Node => node('Transpose', [from], to, { perm: last });
const shape = [1, 4, 6, 3];

/** x, channels last → a pool → `middle` from 'p' to 'q' in channels last → another pool. */
function between(middle: Node[], constants: Record<string, Tensor> = {}): string[] {
  const pool = (from: string, to: string) => node('MaxPool', [from], to, { kernel_shape: [2, 2], pads: [0, 0, 1, 1], strides: [1, 1] });
  const nodes = [toFirst('x', 'in'), pool('in', 'pooled'), toLast('pooled', 'p'), ...middle, toFirst('q', 'out'), pool('out', 'y')];
  return after(graphOf(shape, nodes, constants, ['y'])).filter((op) => op !== 'MaxPool');
}

const middles: Record<string, [Node[], Record<string, Tensor>, string[]]> = {
  'nothing': [[node('Identity', ['p'], 'q')], {}, ['Identity']],
  'Relu': [[node('Relu', ['p'], 'q')], {}, ['Relu']],
  'Clip': [[node('Clip', ['p', 'low'], 'q')], { low: new Tensor('float32', [0.5], []) }, ['Clip']],
  'a channel constant': [[node('Add', ['p', 'k'], 'q')], { k: wave([3]) }, ['Add']],
  'a row constant from the left': [[node('Sub', ['k', 'p'], 'q')], { k: wave([6, 1]) }, ['Sub']],
  'a residual': [[node('Relu', ['p'], 'r'), node('Add', ['p', 'r'], 'q')], {}, ['Relu', 'Add']],
  'PRelu': [[node('PRelu', ['p', 'k'], 'q')], { k: wave([1, 1, 3]) }, ['PRelu']],
  'Concat': [[node('Relu', ['p'], 'r'), node('Concat', ['p', 'r', 'k'], 'q', { axis: -1 })], { k: wave([1, 4, 6, 2]) }, ['Relu', 'Concat']],
  'Split': [
    [node('Split', ['p', 's'], ['r', 't'], { axis: 3 }), node('Concat', ['t', 'r'], 'q', { axis: 3 })],
    { s: longs([1, 2]) },
    ['Split', 'Concat'],
  ],
  'Slice': [[node('Slice', ['p', 's', 'e', 'a'], 'q')], { s: longs([1, 0]), e: longs([9, 2]), a: longs([1, -1]) }, ['Slice']],
  'Slice of leading axes': [[node('Slice', ['p', 's', 'e'], 'q')], { s: longs([0, 1]), e: longs([1, 3]) }, ['Slice']],
  'Pad': [[node('Pad', ['p', 's'], 'q')], { s: longs([0, 1, 2, 0, 0, 0, 1, 4]) }, ['Pad']],
  'Pad of some axes': [[node('Pad', ['p', 's', '', 'a'], 'q')], { s: longs([1, 0, 2, 3]), a: longs([-1, 1]) }, ['Pad']],
  'Softmax': [[node('Softmax', ['p'], 'q', { axis: -1 })], {}, ['Softmax']],
  'ReduceMean': [[node('ReduceMean', ['p', 'a'], 'q', { keepdims: 1 })], { a: longs([1, 2]) }, ['ReduceMean']],
  'squeeze and excite': [
    [node('ReduceMean', ['p', 'a'], 'm', { keepdims: 1 }), node('Sigmoid', ['m'], 's'), node('Mul', ['s', 'p'], 'q')],
    { a: longs([1, 2]) },
    ['ReduceMean', 'Sigmoid', 'Mul'],
  ],
  'Resize, wrapped': [
    [
      toFirst('p', 'r'),
      node('Resize', ['r', '', '', 's'], 't', { mode: 'linear', coordinate_transformation_mode: 'half_pixel' }),
      toLast('t', 'q'),
    ],
    { s: longs([1, 3, 8, 7]) }, ['Resize'],
  ],
  'Resize in channels last': [
    [node('Resize', ['p', '', 's'], 'q', { mode: 'nearest' })], { s: new Tensor('float32', [1, 2, 2, 1]) }, ['Resize'],
  ],
};
for (const [name, [nodes, constants, expected]] of Object.entries(middles)) {
  test(`passes ${name}`, () => assert.equal(between(nodes, constants), ['Transpose', ...expected]));
}

test('one that moves only dimensions of length 1 becomes a Reshape, or nothing before another', () => {
  assert.equal(after(graphOf([1, 5, 4, 1], [toFirst('x', 'y')], {}, ['y'])), ['Reshape']);
  assert.equal(
    after(graphOf([1, 5, 4, 1], [toFirst('x', 'a'), node('Reshape', ['a', 's'], 'y')], { s: longs([4, 5]) }, ['y'])), ['Reshape'],
  );
});

test('several in a row become one or none', () => {
  assert.equal(after(graphOf(shape, [toFirst('x', 'a'), toFirst('a', 'b'), toFirst('b', 'y')], {}, ['y'])), ['Identity']);
  assert.equal(after(graphOf(shape, [toFirst('x', 'a'), toFirst('a', 'y')], {}, ['y'])), ['Transpose']);
  assert.equal(
    after(graphOf(shape, [node('Transpose', ['x'], 'a'), node('Transpose', ['a'], 'b'), node('Relu', ['b'], 'y')], {}, ['y'])),
    ['Relu'],
  );
});

test('goes in front of a Pad that a window reads', () => {
  const nodes = [node('Pad', ['x', 's'], 'a'), toFirst('a', 'b'), node('MaxPool', ['b'], 'y', { kernel_shape: [2, 2] })];
  assert.equal(after(graphOf(shape, nodes, { s: longs([0, 1, 0, 0, 0, 2, 3, 0]) }, ['y'])), ['Transpose', 'Pad', 'MaxPool']);
  assert.equal(after(graphOf(shape, nodes, { s: longs([0, 1, 0, 0, 0, 2, 3, 0]) }, ['y', 'a'])), ['Pad', 'Transpose', 'MaxPool']);
});

test('outputs keep their names and layout, wherever they are read', () => {
  const nodes = [toFirst('x', 'a'), node('Relu', ['a'], 'b'), toLast('b', 'c'), toFirst('x', 'd')];
  after(graphOf(shape, nodes, {}, ['a', 'b', 'c', 'd']));
});

test('takes nothing that would cost more Transposes', () => {
  const nodes = [toFirst('x', 'a'), node('Relu', ['x'], 'r'), node('Concat', ['a', 'k', 'k2'], 'y', { axis: 1 })];
  const ops = after(graphOf(shape, nodes, { k: wave([1, 2, 4, 6]), k2: wave([1, 1, 4, 6]) }, ['y', 'r']));
  assert.is(ops.filter((op) => op === 'Transpose').length, 1);
});

test('a permutation and its inverse undo each other', () => {
  fc.assert(fc.property(fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), (perm) => {
    const tensor = wave([2, 1, 3, 4]);
    assert.equal(permuteTensor(permuteTensor(tensor, perm), inverse(perm)), tensor);
  }));
});

// Random graphs: each step picks an operator, its operands among the values so far and its parameters by numbers from `draw`.

type Draw = (below: number) => number;
interface Step { readonly nodes: Node[]; readonly constants?: Record<string, Tensor> }
type Make = (from: { name: string; shape: readonly number[] }, to: string, draw: Draw) => Step | undefined;

const permutation = (rank: number, draw: Draw): number[] => {
  const left = Array.from({ length: rank }, (_, i) => i);
  return Array.from({ length: rank }, () => left.splice(draw(left.length), 1)[0]);
};
const turned: Make = ({ name, shape }, to, draw) => ({ nodes: [node('Transpose', [name], to, { perm: permutation(shape.length, draw) })] });

const makers: Make[] = [
  turned, turned, turned,
  ({ name }, to) => ({ nodes: [node('Sigmoid', [name], to)] }),
  ({ name, shape }, to, draw) => {
    const dims = shape.map((extent) => (draw(2) ? extent : 1)).slice(draw(shape.length));
    const inputs = draw(2) ? [name, `${to}k`] : [`${to}k`, name];
    return { nodes: [node(['Add', 'Mul', 'Sub'][draw(3)], inputs, to)], constants: { [`${to}k`]: wave(dims, draw(9)) } };
  },
  // Against another layout of itself, or of a reduction of itself.
  ({ name, shape }, to, draw) => {
    const perm = permutation(shape.length, draw);
    const [a, b] = [`${to}a`, `${to}b`];
    return {
      nodes: [
        node('Relu', [name], a),
        node('Transpose', [a], b, { perm }),
        node('Transpose', [b], `${to}c`, { perm: inverse(perm) }),
        node('Add', [`${to}c`, name], to),
      ],
    };
  },
  ({ name, shape }, to, draw) => {
    const m = `${to}m`;
    return {
      nodes: [node('ReduceMax', [name, `${to}k`], m, { keepdims: 1 }), node('Mul', draw(2) ? [name, m] : [m, name], to)],
      constants: { [`${to}k`]: longs([draw(shape.length)]) },
    };
  },
  ({ name, shape }, to, draw) => ({
    nodes: [node('Sigmoid', [name], `${to}s`), node('Concat', [`${to}s`, name], to, { axis: draw(2 * shape.length) - shape.length })],
  }),
  ({ name, shape }, to, draw) => ({ nodes: [node('Softmax', [name], to, { axis: draw(2 * shape.length) - shape.length })] }),
  ({ name, shape }, to, draw) => ({
    nodes: [node('Pad', [name, `${to}k`], to)], constants: { [`${to}k`]: longs([...shape, ...shape].map(() => draw(2))) },
  }),
  ({ name, shape }, to, draw) => {
    const axis = draw(shape.length);
    if (shape[axis] < 2) return undefined;
    return { nodes: [node('Split', [name, `${to}k`], [`${to}a`, to], { axis })], constants: { [`${to}k`]: longs([1, shape[axis] - 1]) } };
  },
  ({ name, shape }, to, draw) => {
    const axis = draw(shape.length);
    return {
      nodes: [node('Slice', [name, `${to}s`, `${to}e`, `${to}a`, `${to}t`], to)],
      constants: { [`${to}s`]: longs([-1]), [`${to}e`]: longs([-9]), [`${to}a`]: longs([axis - shape.length]), [`${to}t`]: longs([-1]) },
    };
  },
  ({ name, shape }, to, draw) => shape.length < 2
    ? undefined
    : ({ nodes: [node('ReduceMean', [name, `${to}k`], to, { keepdims: 0 })], constants: { [`${to}k`]: longs([draw(shape.length)]) } }),
  ({ name, shape }, to, draw) => ({
    nodes: [node('ArgMax', [name], `${to}i`, { axis: draw(shape.length), keepdims: draw(2) }), node('Relu', [name], to)],
  }),
  ({ name, shape }, to, draw) => ({
    nodes: [node('Unsqueeze', [name, `${to}k`], to)], constants: { [`${to}k`]: longs([draw(shape.length + 1)]) },
  }),
  ({ name, shape }, to) => ({ nodes: [node('Reshape', [name, `${to}k`], to)], constants: { [`${to}k`]: longs([shape[0], -1, 1]) } }),
  ({ name, shape }, to) =>
    shape.length !== 4 ? undefined : ({ nodes: [node('MaxPool', [name], to, { kernel_shape: [1, 2], pads: [0, 0, 0, 1] })] }),
  ({ name, shape }, to) => shape.length !== 4
    ? undefined
    : ({
      nodes: [node('Resize', [name, '', `${to}k`], to, { mode: 'nearest' })],
      constants: { [`${to}k`]: new Tensor('float32', [1, 1, 2, 1]) },
    }),
];

function randomGraph(dims: readonly number[], choices: readonly number[]): Graph {
  let at = 0;
  const draw: Draw = (below) => (choices[at++ % choices.length] >>> (at % 7)) % below;
  const nodes: Node[] = [];
  const constants: Record<string, Tensor> = {};
  let values = [{ name: 'x', shape: dims }];
  for (let i = 0; i < 10; i++) {
    const step = makers[draw(makers.length)](values[Math.max(0, values.length - 1 - draw(3))], `v${i}`, draw);
    if (!step) continue;
    nodes.push(...step.nodes);
    Object.assign(constants, step.constants);
    const types = inferShapes({
      name: 'g', inputs: [{ name: 'x', type: 'float32', dims }], outputs: [], nodes, constants: new Map(Object.entries(constants)),
    });
    const made = step.nodes.flatMap(({ outputs }) => outputs).map((name) => ({ name, ...types.get(name)! }));
    values = values.concat(made
      .filter(({ type, shape }) => type === 'float32' && sizeOf(shape) < 3000 && shape.length > 0 && shape.length < 6)
      .map(({ name, shape }) => ({ name, shape })));
  }
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  const ends = nodes.flatMap(({ outputs }) => outputs).filter((name) => !read.has(name) || draw(6) === 0);
  return graphOf(dims, nodes, constants, [...new Set(ends)]);
}

test('random graphs give the same results after it, and after it twice', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 });
  fc.assert(fc.property(lengths, fc.array(fc.nat(), { minLength: 60, maxLength: 60 }), (dims, choices) => {
    const graph = randomGraph(dims, choices);
    if (graph.outputs.length === 0) return;
    after(graph);
    after(sink(graph));
  }), { numRuns: 300 });
});

test.run();
