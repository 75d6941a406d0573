import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Feeds, Peer } from '../../bench/peers/peer.ts';
import { ort } from '../../bench/peers/ort.ts';
import { tfjs } from '../../bench/peers/tfjs.ts';
import { evaluate } from '../../src/graph/evaluate.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { zooGraph, type ZooName } from '../../src/graph/zoo/index.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { randomFrom } from '../../src/random.ts';
import { sizeOf, Tensor, type Shape } from '../../src/tensor.ts';

const peers: Readonly<Record<string, Peer>> = { ort, tfjs };

function feedsFor(graph: Graph): Feeds {
  return Object.fromEntries(graph.inputs.map(({ name, dims }) => {
    const data = randomFrom(1, name).normals(new Float32Array(sizeOf(dims as Shape)), 0.5);
    return [name, new Tensor('float32', data, dims as Shape)];
  }));
}

async function agrees(peer: Peer, graph: Graph, feeds = feedsFor(graph)): Promise<void> {
  const expected = evaluate(graph, feeds);
  const loaded = await peer.load(graph, feeds);
  const outputs = await loaded.outputs();
  loaded.dispose();
  for (const { name } of graph.outputs) {
    assert.equal(outputs[name].dims, expected[name].dims, `${graph.name}, shape of ${name}`);
    const [want, got] = [expected[name], outputs[name]].map(({ data }) => data as Float32Array);
    const largest = want.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
    const error = want.reduce((most, x, i) => Math.max(most, Math.abs(x - got[i])), 0);
    assert.ok(error <= 1e-4 * largest, `${graph.name}, ${name}: error ${error} where values reach ${largest}`);
  }
}

interface One { op: string; dims: Shape; attrs?: Graph['nodes'][number]['attrs']; constants?: readonly Tensor[] }

/** A graph of one node: x, then the constants; an empty one stands for an absent input. */
function graphOf({ op, dims, attrs = {}, constants = [] }: One): Graph {
  const names = constants.map((_, i) => `c${i}`);
  return {
    name: op,
    inputs: [{ name: 'x', type: 'float32', dims }],
    outputs: [{ name: 'y', type: 'float32', dims: [] }],
    nodes: [{ name: op, op, inputs: ['x', ...names.map((name, i) => (constants[i].size ? name : ''))], outputs: ['y'], attrs }],
    constants: new Map(names.map((name, i) => [name, constants[i]])),
  };
}

const floats = (dims: Shape): Tensor => new Tensor('float32', randomFrom(7, `${dims}`).normals(new Float32Array(sizeOf(dims)), 0.5), dims);
const ints = (...values: number[]): Tensor => new Tensor('int64', values);
const absent = new Tensor('float32', [], [0]);
const picture = [1, 4, 7, 6];

const cases: readonly One[] = [
  { op: 'Conv', dims: picture, attrs: { strides: [2, 1], pads: [0, 1, 2, 1] }, constants: [floats([5, 4, 3, 3]), floats([5])] },
  { op: 'Conv', dims: picture, attrs: { group: 4, pads: [1, 1, 1, 1], strides: [2, 2] }, constants: [floats([8, 1, 3, 3]), floats([8])] },
  { op: 'Conv', dims: picture, attrs: { min: 0, max: 6 }, constants: [floats([4, 4, 1, 1]), floats([4]), floats(picture)] },
  {
    op: 'ConvTranspose', dims: picture,
    attrs: { strides: [2, 2], pads: [1, 0, 0, 1], output_padding: [1, 0] },
    constants: [floats([4, 3, 3, 2]), floats([3])],
  },
  { op: 'Gemm', dims: [3, 5], attrs: { transB: 1 }, constants: [floats([4, 5]), floats([4])] },
  { op: 'Linear', dims: [2, 3, 5], attrs: { min: 0 }, constants: [floats([4, 5]), floats([4]), floats([2, 3, 4])] },
  { op: 'MatMul', dims: [2, 3, 5], constants: [floats([2, 5, 4])] },
  { op: 'MaxPool', dims: picture, attrs: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 0, 0, 0], ceil_mode: 1 } },
  { op: 'AveragePool', dims: picture, attrs: { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 1, 1, 0] } },
  { op: 'AveragePool', dims: picture, attrs: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 } },
  { op: 'Add', dims: picture, attrs: { min: -0.5, max: 0.5 }, constants: [floats([4, 1, 1])] },
  { op: 'Mul', dims: [6], constants: [floats(picture)] },
  { op: 'PRelu', dims: picture, constants: [floats([4, 1, 1])] },
  { op: 'PRelu', dims: picture, constants: [floats([1])] },
  { op: 'LeakyRelu', dims: picture, attrs: { alpha: 0.2 } },
  { op: 'HardSwish', dims: picture },
  { op: 'HardSigmoid', dims: picture, attrs: { alpha: 0.3 } },
  { op: 'Softmax', dims: picture, attrs: { axis: 1 } },
  { op: 'Concat', dims: picture, attrs: { axis: 1 }, constants: [floats([1, 2, 7, 6])] },
  { op: 'Slice', dims: picture, constants: [ints(1, -3), ints(3, 99), ints(1, 2)] },
  { op: 'Pad', dims: picture, constants: [ints(0, 1, 0, 2, 0, 0, 1, 0), new Tensor('float32', [0.5], [])] },
  { op: 'Reshape', dims: picture, constants: [ints(0, 2, -1)] },
  { op: 'Transpose', dims: picture, attrs: { perm: [1, 3, 0, 2] } },
  { op: 'Squeeze', dims: [2, 1, 3, 1], constants: [ints(-1)] },
  { op: 'Unsqueeze', dims: [2, 3], constants: [ints(0, -1)] },
  { op: 'ReduceMean', dims: picture, attrs: { keepdims: 0 }, constants: [ints(1, -1)] },
  { op: 'GlobalAveragePool', dims: picture },
  { op: 'DepthToSpace', dims: picture, attrs: { blocksize: 2 } },
  { op: 'LRN', dims: picture, attrs: { size: 3, alpha: 0.1 } },
  { op: 'BatchNormalization', dims: picture, constants: [floats([4]), floats([4]), floats([4]), new Tensor('float32', [1, 2, 3, 4])] },
  { op: 'Resize', dims: picture, attrs: { mode: 'linear' }, constants: [absent, new Tensor('float32', [1, 1, 2, 1.5])] },
  {
    op: 'Resize', dims: picture,
    attrs: { mode: 'linear', coordinate_transformation_mode: 'align_corners' },
    constants: [absent, absent, ints(1, 4, 9, 13)],
  },
  {
    op: 'Resize', dims: picture,
    attrs: { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
    constants: [absent, new Tensor('float32', [1, 1, 2, 3])],
  },
  { op: 'Resize', dims: picture, attrs: { mode: 'nearest' }, constants: [absent, new Tensor('float32', [1, 1, 2, 2])] },
];

test('tfjs gives what the reference gives, operator by operator', async () => {
  for (const one of cases) await agrees(tfjs, graphOf(one));
});

test('tfjs refuses in plain words what it cannot do', async () => {
  const grouped = graphOf({ op: 'Conv', dims: picture, attrs: { group: 2 }, constants: [floats([4, 2, 3, 3])] });
  for (const graph of [grouped, { ...grouped, nodes: [{ ...grouped.nodes[0], op: 'Einsum' }] }]) {
    const error = await tfjs.load(graph, feedsFor(graph)).then(() => undefined, (reason: Error & { kind?: string }) => reason);
    assert.is(error?.kind, 'unsupported');
    assert.match(error!.message, graph.nodes[0].op);
  }
});

const networks: readonly [ZooName, number][] = [['lenet-5-caffe', 28], ['mobilenetv2', 32], ['resnet20-cifar', 16], ['squeezenet1.1', 32]];

for (const [key, peer] of Object.entries(peers)) {
  test(`${key} gives what the reference gives, network by network`, async () => {
    assert.ok(await peer.available());
    assert.match(await peer.version(), /^\d+\.\d+/);
    for (const [name, input] of networks) await agrees(peer, zooGraph(name, { input, classes: 10 }));
  });

  test(`${key} runs the face detector`, async () => {
    const folder = new URL('./', import.meta.resolve('@mediapipe/face_detection/package.json'));
    const bytes = readFileSync(fileURLToPath(new URL('face_detection_short_range.tflite', folder)));
    await agrees(peer, readTflite(bytes));
  });
}

test.run();
