import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Backend, Call, FieldValue } from '../../src/backends/index.ts';
import { createReference } from '../../src/backends/reference.ts';
import { createWasm } from '../../src/backends/wasm.ts';
import { countNonzero } from '../../src/formats/index.ts';
import { calibrate } from '../../src/measure/calibrate.ts';
import {
  cases, casesOf, layerGraph, layers, maskedGraph, masks, matrixCases, productOf, sparsities,
  type BenchCase, type BenchLayer, type MaskName,
} from '../../src/measure/cases.ts';
import { fill } from '../../src/measure/feeds.ts';
import { benchKernels, type KernelBench, type KernelRow, type Timer } from '../../src/measure/kernels.ts';
import { errorAgainst, referenceOf } from '../../src/measure/reference.ts';
import { evaluate } from '../../src/graph/evaluate.ts';
import type { Tensor } from '../../src/tensor.ts';

const small = { network: 'test', layer: 'one', kind: 'conv', filters: 12, inputs: 8, kernel: 3, stride: 1, size: 9, quick: true } as const;
const tiny: readonly BenchLayer[] = [
  small,
  { ...small, layer: 'strided', stride: 2 },
  { ...small, layer: 'pointwise', kind: 'pointwise', kernel: 1 },
  { ...small, layer: 'linear', kind: 'linear', kernel: 1, size: 5 },
  { ...small, layer: 'vector', kind: 'linear', kernel: 1, size: 1 },
];

const caseOf = (layer: BenchLayer, mask: MaskName = 'unstructured', sparsity = 0.75): BenchCase => ({
  name: `${layer.layer} ${mask} ${sparsity}`, layer, mask, sparsity, quick: true,
});

/** Every task takes 2 ms, the first 1: no clock, no noise. */
const fakeTimer: Timer = async (tasks) => Object.fromEntries(Object.entries(tasks).map(([name, task], i) => {
  task();
  return [name, { medianMs: i === 0 ? 1 : 2, spreadMs: 0.1 }];
}));

async function benchTiny(list: readonly BenchCase[], options: { all?: boolean } = {}): Promise<KernelBench> {
  const backend = await createWasm();
  try {
    return await benchKernels(list, { backend, timer: fakeTimer, all: true, ...options });
  } finally {
    assert.is(backend.memory().usedBytes, 0);
    backend.dispose();
  }
}

const keys: readonly (keyof KernelRow)[] = [
  'case', 'kernel', 'm', 'n', 'k', 'sparsity', 'medianMs', 'spread', 'gflops', 'effectiveGflops',
  'efficiency', 'peakFraction', 'maxError', 'format', 'mask', 'best',
];

test('rows of tiny cases have every key, and numbers that are numbers', async () => {
  // These layers have 8 input channels: longer windows do not fit them.
  const all = masks as Record<MaskName, { of?: number; fixed?: number }>;
  const short = Object.entries(all).filter(([, { of = 1, fixed }]) => fixed === undefined || of <= 8);
  const masked = short.flatMap(([mask]) => tiny.map((layer) => caseOf(layer, mask as MaskName, 0.75)));
  const { rows, ceiling, environment } = await benchTiny(tiny.flatMap((layer) => masked.filter((one) => one.layer === layer)));
  assert.ok(ceiling.gflops > 0 && ceiling.gigabytesPerSecond > 0);
  assert.is(environment.threads, 1);
  for (const row of rows) {
    assert.equal(Object.keys(row).sort(), [...keys].sort(), row.case);
    for (const [key, value] of Object.entries(row)) {
      if (typeof value === 'number') assert.ok(Number.isFinite(value) && value >= 0, `${row.case} ${key} ${value}`);
    }
  }
  for (const layer of tiny) {
    assert.is(rows.filter((row) => row.case === `test.${layer.layer} dense` && row.best).length, 1, layer.layer);
    assert.ok(rows.some((row) => row.case.startsWith(`${layer.layer} `) && row.format === 'csr'), layer.layer);
  }
  assert.equal([...new Set(rows.map(({ format }) => format))].filter((format) => /bsr|nm/.test(format)).length >= 5, true);
});

test('rates follow from times, nonzeros and the size of the product', async () => {
  const { rows } = await benchTiny([caseOf(small, 'unstructured', 0.75)]);
  const row = rows.find(({ format }) => format === 'csr')!, all = 12 * 81 * 72;
  assert.equal([row.m, row.n, row.k, row.sparsity, row.medianMs], [12, 81, 72, 0.75, 2]);
  assert.ok(Math.abs(row.effectiveGflops - (2 * all) / 2e6) < 1e-12);
  assert.ok(Math.abs(row.gflops - row.effectiveGflops / 4) < 1e-12);
  // Dense took 1 ms and this 2: half the speed for a promise of four times.
  assert.ok(Math.abs(row.efficiency - 0.5 / 4) < 1e-12);
  // The ceiling's 48 million FLOPs took 2 ms beside the dense kernels.
  assert.ok(Math.abs(row.peakFraction - row.gflops / 24) < 1e-12);
  assert.is(row.spread, 0.05);
});

test('without `all` one kernel a format is left', async () => {
  const { rows } = await benchTiny([caseOf(small, '4x1', 0.75)], { all: false });
  const formats = rows.filter(({ format }) => format !== 'dense').map(({ format }) => format);
  assert.is(new Set(formats).size, formats.length);
  assert.ok(formats.includes('bsr 4x1') && formats.includes('csr'));
});

/** A backend whose products lose their bias: quietly wrong. */
function wrongBackend(backend: Backend, spoil: (field: string, value: FieldValue) => FieldValue): Backend {
  const spoiled = (call: Call): Call => ({
    ...call,
    job: Object.fromEntries(Object.entries(call.job).map(([field, value]) => [
      field, typeof value === 'object' && 'job' in value ? spoiled(value) : spoil(field, value),
    ])),
  });
  return {
    name: backend.name, simd: backend.simd, threads: backend.threads, kernels: backend.kernels,
    alloc: (bytes) => backend.alloc(bytes),
    free: (address) => backend.free(address),
    bytes: (address, length) => backend.bytes(address, length),
    program: (works) => backend.program(works.map((work) => spoiled(work as Call))),
    memory: () => backend.memory(), dispose: () => backend.dispose(),
  };
}

test('a wrong kernel is refused before anything is timed', async () => {
  const backend = wrongBackend(await createWasm(), (field, value) => (field === 'bias' ? 0 : value));
  let timed = 0;
  const timer: Timer = async (tasks) => { timed++; return fakeTimer(tasks); };
  for (const layer of tiny) {
    const error = await benchKernels([caseOf(layer)], { backend, timer }).then(
      () => undefined, (reason: unknown) => reason as { kind: string; message: string },
    );
    assert.is(error?.kind, 'device', layer.layer);
    assert.match(error!.message, /f32_dense.*reference.*a wrong kernel has no speed/);
  }
  assert.is(timed, 0);
  backend.dispose();
});

test('outputs that are not numbers are refused', () => {
  const graph = layerGraph(small), x = fill(graph.inputs[0], graph.inputs[0].dims as number[], 'random');
  const y = evaluate(graph, { x }).y as Tensor<Float32Array>, reference = referenceOf(graph, x);
  assert.is(errorAgainst(reference, y.data, 'test'), 0);
  const spoilt = y.data.slice();
  spoilt[spoilt.length - 1] = NaN;
  assert.throws(() => errorAgainst(reference, spoilt, 'test'), (error: { kind: string }) => error.kind === 'device');
});

test('of a large layer some rows are checked, first and last among them', () => {
  const large: BenchLayer = { ...small, kind: 'linear', kernel: 1, filters: 300, inputs: 1000, size: 1000 };
  const graph = layerGraph(large), { rows, values, strides } = referenceOf(graph, fill(graph.inputs[0], [1000, 1000], 'random'));
  assert.is(rows.length, 100);
  assert.equal([rows[0], rows.at(-1), values[0].length, strides], [0, 299, 1000, [1, 300]]);
});

test('the reference backend has nothing to calibrate', async () => {
  const error = await calibrate(await createReference()).then(() => undefined, (reason: unknown) => reason as { kind: string });
  assert.is(error?.kind, 'device');
});

test('cases are layers × masks × sparsities, with names of their own and a quick part', () => {
  assert.is(new Set(cases.map(({ name }) => name)).size, cases.length);
  const quick = cases.filter((one) => one.quick);
  assert.ok(quick.length >= 15 && quick.length <= 60, `${quick.length} quick cases`);
  const onGpu = cases.filter((one) => one.gpuQuick), patterns = new Set(onGpu.map(({ mask }) => mask));
  assert.ok(onGpu.length >= 15 && onGpu.length <= 80, `${onGpu.length} quick cases on a GPU`);
  for (const mask of ['unstructured', '32x32', '2:4', '8:32v32'] as const) assert.ok(patterns.has(mask), mask);
  for (const layer of layers) assert.ok(productOf(layer).m * productOf(layer).k > 0);
  assert.ok(cases.filter(({ mask }) => mask === '4x1').length === layers.length * sparsities.length);
});

const wide: BenchLayer = { ...small, kind: 'pointwise', kernel: 1, filters: 192, inputs: 128 };

test('a masked weight has the zeros its case asks for', () => {
  const graph = layerGraph(wide);
  assert.is(new Set(casesOf(wide, [0.75]).map(({ mask }) => mask)).size, Object.keys(masks).length);
  for (const [mask, { fixed = 0.75 }] of Object.entries(masks) as [MaskName, { fixed?: number }][]) {
    const { data } = maskedGraph(graph, { layer: wide, mask, sparsity: fixed }).constants.get('w')!;
    assert.is(countNonzero(data as Float32Array), data.length * (1 - fixed), mask);
  }
});

test('of a nearly block-structured mask 3 % lie outside of the blocks, and they are the largest there', () => {
  const graph = layerGraph(wide), all = graph.constants.get('w')!.data as Float32Array;
  const kept = maskedGraph(graph, { layer: wide, mask: '4x1+3%', sparsity: 0.75 }).constants.get('w')!.data as Float32Array;
  const alone: number[] = [], dropped: number[] = [];
  for (let at = 0; at < 192 * 128; at += 4 * 128) {
    for (let col = 0; col < 128; col++) {
      const block = [0, 1, 2, 3].map((row) => at + row * 128 + col);
      if (block.every((i) => kept[i] !== 0)) continue;
      for (const i of block) (kept[i] === 0 ? dropped : alone).push(Math.abs(all[i]));
    }
  }
  const share = alone.length / countNonzero(kept);
  assert.ok(share > 0.02 && share < 0.031, `${share}`);
  assert.ok(Math.min(...alone) >= Math.max(...dropped));
});

test('a matrix with zeros of its own is timed with one vector and with a batch', async () => {
  const values = Float32Array.from({ length: 24 * 16 }, (_, i) => (i % 3 ? 0 : Math.sin(i + 1)));
  const list = matrixCases([{ network: 'mine', name: 'third', matrix: { rows: 24, cols: 16, values } }]);
  assert.equal(list.map(({ name }) => name), ['mine.third.one own', 'mine.third own']);
  assert.ok(list.every(({ sparsity }) => Math.abs(sparsity - 2 / 3) < 1e-12));
  const { rows } = await benchTiny(list);
  const dense = rows.filter(({ mask }) => mask === 'none'), own = rows.filter(({ mask }) => mask === 'own');
  assert.equal([...new Set(dense.map(({ n, sparsity }) => `${n} ${sparsity}`))], ['1 0', '128 0']);
  assert.equal([...new Set(own.map(({ m, n, k }) => `${m} ${n} ${k}`))], ['24 1 16', '24 128 16']);
  assert.ok(own.every(({ sparsity }) => Math.abs(sparsity - 2 / 3) < 1e-12));
});

test.run();
