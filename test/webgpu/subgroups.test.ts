import { deviceWith, hasGpu } from './adapter.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MAP_READ, storage, USAGE, write } from '../../src/backends/webgpu/buffers.ts';
import { guardOf } from '../../src/backends/webgpu/guard.ts';
import { link } from '../../src/backends/webgpu/link.ts';
import { pipelinesOf } from '../../src/backends/webgpu/pipelines.ts';
import { programOf, type Dispatch } from '../../src/backends/webgpu/program.ts';
import { variants } from '../../src/backends/webgpu/shaders.ts';
import { runLayersOn, type LayerCase } from '../browser/webgpu-layers.ts';

// Shaders that use subgroups, against f64 sums and their plain twins: with the adapter's own subgroups, where it has them, and with
// subgroups of every size there is, acted out in workgroup memory, because an adapter has but one.

const device = hasGpu('subgroups on WebGPU') ? await deviceWith('subgroups') : undefined;
const sizes = [4, 8, 16, 32, 64, 128];

/** A shader whose subgroups are `size` neighbours each. All invocations of a group call its functions, so that they may hold barriers. */
function actedOut(name: string, size: number): string {
  const fold = (of: string, type: string, start: string, step: string): string => `
fn ${of}(value: ${type}) -> ${type} {
  acted_${type}[acted_thread] = value;
  workgroupBarrier();
  var whole = ${start};
  for (var i = acted_first(); i < acted_first() + acted_count(); i++) { whole = ${step}; }
  workgroupBarrier();
  return whole;
}`;
  const { sizes: { THREADS = 0, ALONG = 0 } } = variants[name], threads = THREADS || ALONG;
  const own = `var<private> acted_thread: u32;
var<workgroup> acted_f32: array<f32, ${threads}>;
var<workgroup> acted_u32: array<u32, ${threads}>;
fn acted_first() -> u32 { return acted_thread / ${size}u * ${size}u; }
fn acted_count() -> u32 { return min(${size}u, ${threads}u - acted_first()); }
fn acted_place() -> u32 { return acted_thread - acted_first(); }`;
  const code = link(name).replace('enable subgroups;', '')
    .replaceAll('subgroupExclusiveAdd(1u)', 'acted_place()').replaceAll('subgroupAdd(1u)', 'acted_count()')
    .replaceAll('subgroupAdd(', 'acted_add(').replaceAll('subgroupMul(', 'acted_mul(').replaceAll('subgroupMax(', 'acted_max(')
    .replace(/(@compute[^{]*\{)/, `$1\n  acted_thread = ${THREADS ? 'thread' : 'local.x'};`);
  assert.not.match(code, /subgroup[A-Z]/, name);
  return [
    code, own, fold('acted_add', 'f32', '0.0', 'whole + acted_f32[i]'), fold('acted_mul', 'f32', '1.0', 'whole * acted_f32[i]'),
    fold('acted_max', 'u32', '0u', 'max(whole, acted_u32[i])'),
  ].join('\n');
}

const csr = { format: 'csr', lanes: 1 } as const;
/** Rows shorter and longer than a group, fewer than a block, empty ones, heavy ones, of 16 bits. */
const products: readonly LayerCase[] = [
  ...[[1, 1, 1], [5, 7, 3], [9, 300, 2], [3, 130, 8]].map(([m, k, vectors]): LayerCase =>
    ({ format: 'dense', lanes: 1, name: `dense ${m}x${k}x${vectors}`, linear: { m, k, vectors }, density: 1, residual: k > 100, min: -1 })),
  { format: 'dense', lanes: 8, name: 'dense rows in eights', linear: { m: 11, k: 67, vectors: 2 }, density: 1, kBlock: 40 },
  { format: 'dense', lanes: 4, half: true, name: 'dense of 16 bits', linear: { m: 11, k: 67, vectors: 2 }, density: 1 },
  { ...csr, name: 'csr with empty rows', linear: { m: 9, k: 90, vectors: 2 }, density: 0.05 },
  { ...csr, name: 'csr with a heavy row', linear: { m: 5, k: 600, vectors: 1 }, density: 0, heavy: [3], min: -1 },
  { format: 'bsr', block: { rows: 5, cols: 4 }, lanes: 6, name: 'bsr 5x4', linear: { m: 13, k: 30, vectors: 3 }, density: 0.5 },
  { format: 'nm', block: { rows: 1, cols: 1, keep: 1, of: 4 }, lanes: 1, name: 'nm 1:4', linear: { m: 7, k: 64, vectors: 1 }, density: 1 },
  {
    ...csr, name: '3x3 of the whole image', density: 0.5,
    window: {
      strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], batch: 1, group: 1, kernel: [3, 3], in: [3, 3], out: [1, 1], inputs: 8,
      filters: 13,
    },
  },
];

async function productsAre(own: GPUDevice, cases: readonly LayerCase[], textOf?: (name: string) => string): Promise<void> {
  const { outcomes, uncaptured } = await runLayersOn(own, cases, { which: (shader) => shader.includes('_subgroups'), textOf });
  assert.equal(outcomes.filter(({ error }) => !(error <= 1e-5)), []);
  assert.equal(uncaptured, []);
  for (const { name } of cases) assert.ok(outcomes.some((outcome) => outcome.name === name), name);
}

const length = 301, inner = 2, rows = 3 * inner;
const folds = { sum: 0, max: -Infinity, min: Infinity, prod: 1, l2: 0, logsumexp: 0 };
const row = { rows, length, inner };
/** Reductions with their jobs and the floats of their results; an infinity and a NaN lie in some of the rows. */
const reductions: Readonly<Record<string, { job: Dispatch['job']; size: number }>> = {
  ...Object.fromEntries(Object.entries(folds).map(([fold, start]) =>
    [`f32_${fold}_group`, { job: { ...row, start, scale: 1 }, size: rows }])),
  f32_softmax_group: { job: row, size: rows * length },
  f32_log_softmax_group: { job: row, size: rows * length },
  f32_normalize_rows: { job: { rows, length, channels: 3, by_row: 1, by_item: 0, epsilon: 1e-5 }, size: rows * length },
};

/** What a reduction makes of the same numbers. */
async function reduced(own: GPUDevice, name: string, shader: string, textOf?: (name: string) => string): Promise<Float32Array> {
  const { job, size } = reductions[name], guard = guardOf(own), bytes = size * 4;
  const numberOf = name.includes('prod') ? (i: number) => 1 + Math.sin(0.37 * i) / 8 : (i: number) => 0.25 + Math.sin(0.37 * i);
  const x = Float32Array.from({ length: rows * length }, (_, i) => numberOf(i));
  [x[70 * inner], x[(length + 5) * inner], x[(length + 250) * inner]] = [NaN, -Infinity, Infinity];
  const places = [x, Float32Array.of(1, 2, 3), Float32Array.of(0, 1, 2)].map((data, i) => {
    const buffer = storage(own, `${i}`, data.byteLength);
    write(own, buffer, data);
    return buffer;
  });
  const y = storage(own, 'y', bytes, USAGE.copySrc), to = own.createBuffer({ size: bytes, usage: USAGE.mapRead | USAGE.copyDst });
  const operands = [...places.slice(0, name.includes('normalize') ? 3 : 1), y].map((buffer) => ({ buffer }));
  const program = await programOf(guard, pipelinesOf(guard, textOf), [{ shader, job, operands, groups: [rows, 1, 1] }]);
  const encoder = own.createCommandEncoder(), pass = encoder.beginComputePass();
  program.encode(pass);
  pass.end();
  encoder.copyBufferToBuffer(y, 0, to, 0, bytes);
  own.queue.submit([encoder.finish()]);
  await to.mapAsync(MAP_READ);
  const got = new Float32Array(to.getMappedRange().slice(0));
  program.dispose();
  for (const buffer of [...places, y, to]) buffer.destroy();
  return got;
}

async function reductionsAre(own: GPUDevice, textOf?: (name: string) => string): Promise<void> {
  for (const name of Object.keys(reductions)) {
    const [got, want] = [await reduced(own, name, `${name}_subgroups`, textOf), await reduced(own, name, name)];
    assert.ok(want.some(Number.isFinite) && want.some(Number.isNaN), `${name}: ${want.slice(0, 9)}`);
    for (const [i, expected] of want.entries()) {
      if (Object.is(got[i], expected) || Math.abs(got[i] - expected) <= 1e-5 * (1 + Math.abs(expected))) continue;
      assert.unreachable(`${name}[${i}]: expected ${expected}, got ${got[i]}`);
    }
  }
}

if (device) {
  test('by subgroups of the adapter', async () => {
    if (!device.features.has('subgroups')) return console.warn('SKIPPED: subgroups of the adapter: it has none, sizes are acted out');
    await productsAre(device, products);
    await reductionsAre(device);
    return undefined;
  });

  for (const size of sizes) {
    test(`by subgroups of ${size}, acted out`, async () => {
      const textOf = (name: string): string => (variants[name].needs ? actedOut(name, size) : link(name));
      await reductionsAre(device, textOf);
      if (device.features.has('subgroups')) await productsAre(device, products.slice(2, 4), textOf);
    });
  }
}

test.run();
