import fc from 'fast-check';
import { AttributeProto_AttributeType, ModelProtoSchema } from 'onnx-buf';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../src/expect.ts';
import { evaluate } from '../../src/graph/evaluate.ts';
import type { Attr, Graph, Node } from '../../src/graph/graph.ts';
import { readOnnx, writeOnnx } from '../../src/io/onnx/index.ts';
import { decode } from '../../src/io/onnx/proto.ts';
import { Tensor } from '../../src/tensor.ts';
import { onnxNodeCases } from './cases.ts';
import { modelBytes, wave } from './onnx-model.ts';

const node = (op: string, inputs: string[], attrs: Record<string, Attr> = {}, outputs = ['y']): Node =>
  ({ name: `${op}_of_${outputs[0]}`, op, inputs, outputs, attrs });
const ints = (...values: number[]) => new Tensor('int64', values);

function graphOf(nodes: Node[], constants: Record<string, Tensor>, dims: Record<string, number[]>, outputs: Record<string,
  number[]> = { y: [] }): Graph {
  const info = (given: Record<string, number[]>) => Object.entries(given).map(([name, dims]) => ({ name, type: 'float32' as const, dims }));
  return { name: 'g', inputs: info(dims), outputs: info(outputs), nodes, constants: new Map(Object.entries(constants)) };
}

/** Reads what was written and checks that it computes the same; gives the operators of the file. */
function roundTrip(graph: Graph, options?: { sparse: boolean }): string[] {
  const back = readOnnx(writeOnnx(graph, options));
  const feeds = Object.fromEntries(graph.inputs.map(({ name, dims }) => [name, wave(dims as number[])]));
  const [expected, got] = [evaluate(graph, feeds), evaluate(back, feeds)];
  for (const { name } of graph.outputs) {
    assert.equal(got[name].dims, expected[name].dims);
    (expected[name].data as Float32Array).forEach((value, i) =>
      assert.ok(Math.abs(value - (got[name].data[i] as number)) < 1e-5, `${name}[${i}]`));
  }
  return back.nodes.map(({ op }) => op);
}

const image = { x: [1, 3, 5, 5] };
const w = wave([4, 3, 3, 3]);

test('fused convolutions become standard operators', () => {
  const conv = (inputs: string[], attrs: Record<string, Attr>) =>
    graphOf([node('Conv', inputs, { ...attrs, pads: [1, 1, 1, 1] })], { w, b: wave([4]) }, { ...image, r: [1, 4, 5, 5] });
  assert.equal(roundTrip(conv(['x', 'w'], {})), ['Conv']);
  assert.equal(roundTrip(conv(['x', 'w', 'b'], { min: 0, max: Infinity })), ['Conv', 'Relu']);
  assert.equal(roundTrip(conv(['x', 'w', 'b'], { min: 0, max: 6 })), ['Conv', 'Clip']);
  assert.equal(roundTrip(conv(['x', 'w', 'b'], { max: 0.5 })), ['Conv', 'Clip']);
  assert.equal(roundTrip(conv(['x', 'w', 'b'], { min: 0.1 })), ['Conv', 'Clip']);
  assert.equal(roundTrip(conv(['x', 'w', 'b', 'r'], {})), ['Conv', 'Add']);
  assert.equal(roundTrip(conv(['x', 'w', '', 'r'], { min: -0.5, max: 0.5 })), ['Conv', 'Add', 'Clip']);
  assert.equal(roundTrip(graphOf([node('Add', ['x', 'x'], { min: 0 })], {}, image)), ['Add', 'Relu']);
  assert.equal(roundTrip(graphOf([node('ConvTranspose', ['x', 't', 'b'], { min: 0, max: 1 })], { t: wave([3, 4, 2, 2]), b: wave([4]) },
    image)), ['ConvTranspose', 'Clip']);
});

test('Linear becomes Gemm for matrices, MatMul for more dimensions', () => {
  const linear = (dims: number[], inputs: string[], attrs: Record<string, Attr> = {}) =>
    graphOf([node('Linear', inputs, attrs)], { w: wave([5, 4]), b: wave([5]) },
      { x: dims, ...(inputs[3] ? { r: [...dims.slice(0, -1), 5] } : {}) });
  assert.equal(roundTrip(linear([2, 4], ['x', 'w', 'b'])), ['Gemm']);
  assert.equal(roundTrip(linear([2, 4], ['x', 'w'])), ['Gemm']);
  assert.equal(roundTrip(linear([2, 4], ['x', 'w', '', 'r'], { min: 0 })), ['Gemm', 'Add', 'Relu']);
  assert.equal(roundTrip(linear([2, 3, 4], ['x', 'w'])), ['MatMul']);
  assert.equal(roundTrip(linear([2, 3, 4], ['x', 'w', 'b', 'r'], { min: 0, max: 1 })), ['MatMul', 'Add', 'Add', 'Clip']);
});

test('reductions and splits in the form of opset 17', () => {
  const reduced = graphOf([node('ReduceMean', ['x', 'axes'], { keepdims: 0 })], { axes: ints(2, 3) }, image);
  assert.equal(roundTrip(reduced), ['ReduceMean']);
  const [proto] = decode(ModelProtoSchema, writeOnnx(reduced), 'test').graph!.node;
  assert.equal(proto.input, ['x']);
  assert.equal(proto.attribute.find(({ name }) => name === 'axes')!.ints, [2n, 3n]);
  assert.equal(roundTrip(graphOf([node('ReduceMax', ['x'])], {}, image)), ['ReduceMax']);
  const split = node('Split', ['x'], { axis: 2, num_outputs: 2 }, ['y', 'z']);
  assert.equal(roundTrip(graphOf([split], {}, { x: [1, 2, 4] }, { y: [], z: [] })), ['Split']);
});

test('attributes keep their kind', () => {
  const graph = graphOf([node('LeakyRelu', ['x'], { alpha: 1 }, ['a']), node('Pad', ['a', 'p'], { mode: 'edge' })],
    { p: ints(0, 0, 1, 1, 0, 0, 1, 1) }, image);
  assert.equal(roundTrip(graph), ['LeakyRelu', 'Pad']);
  const protos = decode(ModelProtoSchema, writeOnnx(graph), 'test').graph!.node.flatMap(({ attribute }) => attribute);
  assert.equal(protos.map(({ name, type }) => [name, type]),
    [['alpha', AttributeProto_AttributeType.FLOAT], ['mode', AttributeProto_AttributeType.STRING]]);
  assert.equal(readOnnx(writeOnnx(graph)).nodes.map(({ attrs }) => attrs), [{ alpha: 1 }, { mode: 'edge' }]);
});

test('weights of zeros are written sparse where that is smaller', () => {
  const zeros = (keep: number) => new Tensor('float32', (wave([5, 40]).data as Float32Array).map((v, i) => (i % 12 < keep ? v : 0)),
    [5, 40]);
  const graph = (keep: number) => graphOf([node('Linear', ['x', 'w'])], { w: zeros(keep) }, { x: [2, 40] });
  const initializers = (bytes: Uint8Array) => {
    const { initializer, sparseInitializer } = decode(ModelProtoSchema, bytes, 'test').graph!;
    return [initializer.length, sparseInitializer.length];
  };
  assert.equal(initializers(writeOnnx(graph(3), { sparse: true })), [0, 1]);
  assert.equal(initializers(writeOnnx(graph(5), { sparse: true })), [1, 0]);
  assert.equal(initializers(writeOnnx(graph(3))), [1, 0]);
  assert.ok(writeOnnx(graph(1), { sparse: true }).length < writeOnnx(graph(1)).length / 2);
  roundTrip(graph(3), { sparse: true });
});

test('the conformance tests compute the same once written and read', () => {
  for (const { name, graph, feeds } of onnxNodeCases()) {
    const back = readOnnx(writeOnnx(graph));
    const [expected, got] = [evaluate(graph, feeds), evaluate(back, feeds)];
    for (const output of Object.keys(expected)) assert.equal(got[output].data, expected[output].data, `${name} ${output}`);
  }
});

const small = [
  modelBytes({
    opset: 9, inputs: { x: [1, 3, 5, 5] }, constants: { w, c: wave([4]) },
    nodes: [
      { op: 'Conv', inputs: ['x', 'w', 'c'], outputs: ['a'], attrs: { pads: [1, 1, 1, 1] } }, { op: 'Clip', inputs: ['a'], outputs: ['b'] },
      { op: 'Softmax', inputs: ['b'], outputs: ['s'] }, { op: 'Squeeze', inputs: ['s'], attrs: { axes: [0] } },
    ],
  }),
  writeOnnx(graphOf([node('Linear', ['x', 'w'], { min: 0 })], { w: new Tensor('float32', new Float32Array(200).fill(1, 7, 12), [5, 40]) },
    { x: [2, 40] }), { sparse: true }),
];

/** Whatever the bytes are: a graph or one of our own errors, within a second. */
function survives(bytes: Uint8Array): void {
  const start = performance.now();
  try {
    readOnnx(bytes);
  } catch (error) {
    if (!(error instanceof BurinError)) throw error;
  }
  assert.ok(performance.now() - start < 1000);
}

test('damaged bytes give a graph or a clear error', () => {
  const change = fc.record({ at: fc.nat(10000), byte: fc.nat(255) });
  fc.assert(fc.property(fc.constantFrom(...small), fc.array(change, { minLength: 1, maxLength: 6 }), fc.option(fc.nat(10000)),
    (model, changes, cut) => {
    const bytes = model.slice(0, cut === null ? undefined : cut % model.length);
    for (const { at, byte } of changes) if (bytes.length) bytes[at % bytes.length] = byte;
    survives(bytes);
  }), { numRuns: 3000 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), survives));
});

test.run();
