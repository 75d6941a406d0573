import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../src/expect.ts';
import { checkGraph, evaluate, inferShapes, specialize } from '../../src/graph/evaluate.ts';
import type { Attr, Dim, Graph, Node } from '../../src/graph/graph.ts';
import { sortNodes } from '../../src/graph/sort.ts';
import { inspect, workOf } from '../../src/measure/work.ts';
import { prune } from '../../src/prune/index.ts';
import { SparseSession } from '../../src/runtime/session.ts';
import { Tensor } from '../../src/tensor.ts';
import { filled, same } from './call.ts';

function node(name: string, op: string, inputs: string[], outputs: string[] = [name], attrs: Record<string, Attr> = {}): Node {
  return { name, op, inputs, outputs, attrs };
}
const int = (...values: number[]) => new Tensor('int64', values);

function graphOf(nodes: Node[], outputs: string[], dims: readonly Dim[] = [2, 3], constants: Record<string, Tensor> = {}): Graph {
  const value = (name: string, of: readonly Dim[]) => ({ name, type: 'float32' as const, dims: of });
  const made = outputs.map((name) => value(name, []));
  return { name: 'g', inputs: [value('x', dims)], outputs: made, nodes, constants: new Map(Object.entries(constants)) };
}

/** x[N, C, H, W] reshaped to [N, −1] the way exporters write it: Shape, Gather, Unsqueeze, Concat, Reshape. */
const exported = graphOf([
  node('shape', 'Shape', ['x']),
  node('batch', 'Gather', ['shape', 'first'], ['batch'], { axis: 0 }),
  node('row', 'Unsqueeze', ['batch', 'axes']),
  node('target', 'Concat', ['row', 'rest'], ['target'], { axis: 0 }),
  node('scaled', 'Relu', ['x']),
  node('y', 'Reshape', ['scaled', 'target']),
], ['y'], ['N', 2, 'H', 2], { first: new Tensor('int64', [0], []), axes: int(0), rest: int(-1), spare: int(7) });

test('specialize: shape chains become constants, what nothing reads is gone, everything left is typed', () => {
  const { graph, types } = specialize(exported, { x: [3, 2, 4, 2] });
  assert.equal(graph.nodes.map(({ name }) => name), ['scaled', 'y']);
  assert.equal([...graph.constants.keys()], ['target']);
  assert.equal(graph.constants.get('target')!.data, BigInt64Array.of(3n, -1n));
  assert.equal(graph.inputs[0].dims, [3, 2, 4, 2]);
  assert.equal(graph.outputs[0], { name: 'y', type: 'float32', dims: [3, 16] });
  assert.equal([...types.keys()].sort(), ['scaled', 'target', 'x', 'y']);
  assert.equal(types.get('y'), { type: 'float32', shape: [3, 16] });
  assert.equal(specialize(graph).graph, graph, 'a second time changes nothing');
});

test('evaluate agrees before and after, and takes free dimensions from what is fed', () => {
  const x = filled([3, 2, 4, 2], 1);
  const { y } = evaluate(exported, { x });
  same(y, Array.from(x.data, (v) => Math.max(0, v)), [3, 16]);
  assert.equal(evaluate(specialize(exported, { x: [3, 2, 4, 2] }).graph, { x }), { y });
});

test('inferShapes gives every value, folded ones too', () => {
  const types = inferShapes(exported, { x: [1, 2, 2, 2] });
  assert.equal(types.get('row'), { type: 'int64', shape: [1] });
  assert.equal(types.get('y')!.shape, [1, 8]);
});

test('a result that depends on no input is an output all the same', () => {
  const graph = specialize(graphOf([node('y', 'Shape', ['x'])], ['y', 'x'])).graph;
  assert.is(graph.nodes.length, 0);
  const out = evaluate(graph, { x: filled([2, 3], 0) });
  assert.equal(out.y.data, BigInt64Array.of(2n, 3n));
  assert.is(out.x.size, 6);
});

test('a few bytes do not fold into a giant', () => {
  const { graph, types } = specialize(graphOf([
    node('big', 'Expand', ['one', 'dims']), node('y', 'Add', ['x', 'big']),
  ], ['y'], [1], { one: new Tensor('float32', [1]), dims: int(2 ** 15, 2 ** 15) }));
  assert.equal(graph.nodes.map(({ name }) => name), ['big', 'y']);
  assert.equal(types.get('y')!.shape, [2 ** 15, 2 ** 15]);
});

test('many large results, or a long computation, do not fold either', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const many = specialize(graphOf(names.map((name) => node(name, 'ConstantOfShape', ['dims'])), names, [1], { dims: int(2 ** 22) }));
  assert.equal(many.graph.nodes.map(({ name }) => name), ['e', 'f']);
  const long = specialize(graphOf([
    node('a', 'ConstantOfShape', ['dims']), node('b', 'MatMul', ['a', 'a']), node('y', 'Add', ['x', 'b']),
  ], ['y'], [1], { dims: int(2 ** 10, 2 ** 10) }));
  assert.equal(long.graph.nodes.map(({ name }) => name), ['b', 'y']);
});

test('input shapes: free, contradicting, unknown, absurd', () => {
  assert.throws(() => specialize(exported), /input 'x' \[N,2,H,2\]: needs a shape that fixes N, H/);
  assert.throws(() => specialize(exported, { x: [1, 3, 2, 2] }), /a shape that agrees with it, got \[1,3,2,2\]/);
  assert.throws(() => specialize(exported, { z: [1] }), /one of x, got 'z'/);
  assert.throws(() => specialize(exported, { x: [1, 2, 1.5, 2] }), /whole dimensions/);
  assert.throws(() => specialize(exported, { x: [1e9, 2, 1e9, 2] }), /2\^32/);
});

test('feeds: missing, wrong type, wrong shape', () => {
  assert.throws(() => evaluate(exported, {}), /input 'x' .*needs a tensor, got nothing/);
  assert.throws(() => evaluate(exported, { x: new Tensor('int32', [1, 2], [1, 2, 1, 1]) }), /needs float32, got int32/);
  assert.throws(() => evaluate(exported, { x: filled([1, 3, 2, 2], 0) }), /agrees/);
});

test('a shape computed from data is a clear error before the run, and runs in evaluate', () => {
  const graph = graphOf([node('n', 'Cast', ['x'], ['n'], { to: 7 }), node('y', 'ConstantOfShape', ['n'])], ['y'], [1]);
  assert.throws(() => specialize(graph), /node 'y' \(ConstantOfShape\).*known before the run.*depend on the data/);
  assert.equal(evaluate(graph, { x: new Tensor('float32', [2]) }).y.dims, [2]);
});

test('values are used in several places and after their first use', () => {
  const graph = graphOf([
    node('a', 'Relu', ['x']), node('b', 'Neg', ['a']), node('c', 'Mul', ['a', 'a']), node('y', 'Add', ['b', 'c']),
  ], ['y', 'a']);
  const out = evaluate(graph, { x: new Tensor('float32', [-1, 2, 3, 0, 1, -2], [2, 3]) });
  same(out.y, [0, 2, 6, 0, 0, 0]);
  same(out.a, [0, 2, 3, 0, 1, 0]);
});

test('checkGraph names what is wrong', () => {
  const check = (nodes: Node[], outputs = ['y']) => () => checkGraph(graphOf(nodes, outputs));
  assert.throws(check([node('y', 'Frobnicate', ['x'])]), /node 'y' \(Frobnicate\): needs an operator among/);
  assert.throws(check([node('y', 'Add', ['x'])]), /needs 2 inputs, got 1/);
  assert.throws(check([node('y', 'Relu', ['z'])]), /'z', which nothing makes/);
  assert.throws(check([node('y', 'Relu', ['a']), node('a', 'Relu', ['x'])]), /'a' of the later node 'a'/);
  const ring = [node('a', 'Add', ['x', 'c']), node('b', 'Relu', ['a']), node('c', 'Relu', ['b']), node('y', 'Relu', ['c'])];
  assert.throws(check(ring), /a cycle of 'a' needs 'c' needs 'b'/);
  assert.throws(check([node('y', 'Relu', ['x']), node('z', 'Relu', ['x'], ['y'])]), /'y', already made by node 'y'/);
  assert.throws(check([node('y', 'Relu', ['x'], ['x'])]), /already made by an input or constant/);
  assert.throws(check([node('y', 'Relu', ['x']), node('y', 'Relu', ['x'], ['z'])]), /nodes of different names/);
  assert.throws(check([node('y', 'Relu', ['x'])], ['q']), /output 'q'/);
  const two = graphOf([node('y', 'Relu', ['x'], ['y', 'z'])], ['y', 'z']);
  assert.throws(() => evaluate(two, { x: filled([2, 3], 0) }), /at most 1 outputs, got 2/);
});

const whole = graphOf([node('y', 'Relu', ['x'])], ['y']);
const noGraphs: Readonly<Record<string, readonly [unknown, RegExp]>> = {
  'undefined': [undefined, /a Graph: \{ name, inputs, .*got undefined; read a file/],
  'null': [null, /got null/],
  'a number': [1, /got 1/],
  'a string': ['x', /got 'x'/],
  'an empty object': [{}, /a Graph with name, a string, got undefined/],
  'a list': [[], /got a list/],
  'nodes alone': [{ nodes: [] }, /a Graph with name/],
  'no constants': [{ ...whole, constants: undefined }, /a Graph with constants, a Map of tensors by name, got undefined/],
  'constants in an object': [{ ...whole, constants: {} }, /constants, .*got another object/],
  'a node of nothing': [{ ...whole, nodes: [null] }, /nodes, a list of \{ name, op, .*got a list of something else/],
  'inputs by name': [{ ...whole, inputs: { x: [1] } }, /inputs, a list/],
  'outputs of names': [{ ...whole, outputs: ['y'] }, /outputs, a list/],
};
for (const [name, [given, message]] of Object.entries(noGraphs)) {
  test(`${name} is no graph, everywhere`, async () => {
    const refused = (error: unknown) => error instanceof BurinError && error.kind === 'argument' && message.test(error.message);
    const graph = given as Graph;
    for (const use of [checkGraph, specialize, inferShapes, inspect, workOf]) assert.throws(() => use(graph), refused, use.name);
    assert.throws(() => evaluate(graph, {}), refused);
    assert.throws(() => prune(graph, { sparsity: 0.5 }), refused);
    const error = await SparseSession.create(graph, { executionProviders: ['reference'] }).then(() => undefined, (thrown) => thrown);
    assert.ok(refused(error), String(error));
  });
}

test('shapes, feeds and options that are no objects are refused', () => {
  assert.throws(() => specialize(whole, null as never), /shapes for graph 'g': needs an object/);
  assert.throws(() => evaluate(whole, undefined as never), /feeds: needs an object of tensors by input, got undefined/);
  assert.throws(() => inspect(whole, null as never), /inspect options: needs an object, got null/);
});

test('outputs beyond those of an operator are left out where nothing reads them', async () => {
  const dropout = graphOf([node('d', 'Dropout', ['x'], ['d', 'mask']), node('y', 'Relu', ['d'])], ['y']);
  const x = filled([2, 3], 1);
  const expected = evaluate(whole, { x });
  assert.equal(evaluate(dropout, { x }), expected);
  const { graph, types } = specialize(dropout);
  assert.equal(graph.nodes.map(({ outputs }) => outputs), [['d'], ['y']]);
  assert.equal([...types.keys()].sort(), ['d', 'x', 'y']);
  const session = await SparseSession.create(dropout, { executionProviders: ['wasm'], tune: 'predict' });
  assert.equal(await session.run({ x }), expected);
  await session.release();
  const folded = graphOf([node('d', 'Dropout', ['c'], ['d', 'mask']), node('y', 'Add', ['x', 'd'])], ['y'], [2, 3], { c: x });
  assert.equal(specialize(folded).graph.nodes.map(({ name }) => name), ['y']);
  const read = graphOf([node('d', 'Dropout', ['x'], ['d', 'mask']), node('y', 'Relu', ['mask'])], ['y']);
  assert.throws(() => specialize(read), /node 'd' \(Dropout\): needs at most 1 outputs, got 2/);
});

test('sortNodes keeps an order that works, mends one that does not, and survives a long chain', () => {
  const names = (nodes: readonly Node[]) => nodes.map(({ name }) => name);
  const diamond = [node('a', 'Relu', ['x']), node('c', 'Neg', ['a']), node('b', 'Relu', ['a']), node('y', 'Add', ['b', 'c'])];
  assert.equal(names(sortNodes(diamond, ['x'])), ['a', 'c', 'b', 'y']);
  assert.equal(names(sortNodes([...diamond].reverse(), ['x'])), ['a', 'b', 'c', 'y']);
  const chain = Array.from({ length: 50_000 }, (_, i) => node(`n${i}`, 'Relu', [i ? `n${i - 1}` : 'x']));
  assert.is(sortNodes([...chain].reverse(), ['x'])[49_999].name, 'n49999');
  assert.throws(() => sortNodes([node('a', 'Relu', ['a'])], []), /a cycle of 'a'/);
  assert.throws(() => sortNodes([node('a', 'Relu', ['q'])], ['x']), /node 'a' \(Relu\): needs inputs that exist, got 'q'/);
});

test.run();
