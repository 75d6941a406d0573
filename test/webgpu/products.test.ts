import { defaultDevice, hasGpu, lower } from './adapter.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { variants } from '../../src/backends/webgpu/shaders.ts';
import { kindOf, runLayersOn, type LayerCase, type Outcomes } from '../browser/webgpu-layers.ts';

// Products by every shader that may run them against f64 sums: rows that store far more than others, weights of 16 bits.

const device = hasGpu('products on WebGPU') ? await defaultDevice() : undefined;

const csr = { format: 'csr', lanes: 1 } as const;
const plain = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], batch: 1, group: 1 } as const;

/** Rows of more than 512 weights are heavy beside few others. */
const heavy: readonly LayerCase[] = [
  { ...csr, name: 'one full row among empty ones, 1 column', linear: { m: 5, k: 600, vectors: 1 }, density: 0, heavy: [3], min: -1 },
  { ...csr, name: 'one full row among empty ones', linear: { m: 5, k: 600, vectors: 33 }, density: 0, heavy: [0], residual: true },
  { ...csr, name: 'all rows heavy', linear: { m: 3, k: 700, vectors: 21 }, density: 1, max: 1 },
  { ...csr, name: 'heavy rows side by side and at the end', linear: { m: 40, k: 650, vectors: 5 }, density: 0.02, heavy: [7, 8, 39] },
  { ...csr, name: 'parts of K', linear: { m: 9, k: 900, vectors: 3 }, density: 0.1, heavy: [2, 4], kBlock: 350, residual: true },
  { ...csr, name: 'no nonzero', linear: { m: 4, k: 600, vectors: 3 }, density: 0 },
  {
    ...csr, name: '1x1, columns in fours', density: 0.03, heavy: [4], residual: true, min: 0, max: 1,
    window: { ...plain, kernel: [1, 1], in: [4, 6], out: [4, 6], inputs: 520, filters: 11, batch: 2 },
  },
  {
    ...csr, name: '1x1 of odd images', density: 0.03, heavy: [1, 2],
    window: { ...plain, kernel: [1, 1], in: [3, 3], out: [3, 3], inputs: 600, filters: 6, batch: 2 },
  },
  {
    ...csr, name: '3x3 padded, in groups', density: 0.02, heavy: [0, 6, 7], residual: true,
    window: { ...plain, kernel: [3, 3], pads: [1, 1, 1, 1], in: [4, 5], out: [4, 5], inputs: 120, filters: 10, group: 2 },
  },
];

type Stored = Pick<LayerCase, 'format' | 'block' | 'lanes'>;
/** Each way to store 16 bits: some for few columns alone; one of each pattern for many too, the dense one for every input. */
const alone: readonly Stored[] = [
  { format: 'dense', lanes: 1 }, { format: 'dense', lanes: 2 }, { format: 'bsr', block: { rows: 4, cols: 1 }, lanes: 4 },
  { format: 'bsr', block: { rows: 2, cols: 3 }, lanes: 2 },
];
const patterns: readonly Stored[] = [
  { format: 'dense', lanes: 4 }, { format: 'csr', lanes: 1 }, { format: 'bsr', block: { rows: 64, cols: 1 }, lanes: 4 },
  { format: 'bsr', block: { rows: 32, cols: 8 }, lanes: 4 }, { format: 'nm', block: { rows: 1, cols: 1, keep: 2, of: 4 }, lanes: 1 },
];

/** Weights of 16 bits; odd numbers of them end inside a word. */
function half(walk: Stored): LayerCase {
  const { rows = 1, cols = 1, of } = walk.block ?? {};
  const name = `16 bits, ${walk.format} ${of ? '2:4' : `${rows}x${cols}`} of ${walk.lanes}`;
  return { ...walk, half: true, name, density: walk.format === 'dense' ? 1 : 0.5 };
}

const vectors = (walk: Stored, count: number): LayerCase =>
  ({ ...half(walk), linear: { m: 13, k: walk.block?.of ? 36 : 35, vectors: count }, residual: count < 9 });
const image = (walk: Stored): LayerCase =>
  ({ ...half(walk), kBlock: 16, max: 1, window: { ...plain, kernel: [1, 1], in: [4, 5], out: [4, 5], inputs: 24, filters: 37 } });
const halves = [
  ...[...alone, ...patterns].map((walk) => vectors(walk, 3)), ...patterns.map(image), vectors(patterns[0], 37),
  ...[{ in: [4, 3], out: [4, 3], pads: [1, 0, 1, 2], filters: 10, group: 2 } as const, { in: [3, 3], out: [1, 1], filters: 13 } as const]
    .map((window): LayerCase => ({ ...half(patterns[0]), residual: true, window: { ...plain, kernel: [3, 3], inputs: 8, ...window } })),
];
const heavyHalf: LayerCase = { ...heavy[3], half: true, name: 'heavy rows of 16 bits' };

/** More workgroups each way than two, in every kind of shader. */
const wide: readonly LayerCase[] = [
  { ...csr, name: 'wide csr, some rows in pieces', linear: { m: 30, k: 600, vectors: 150 }, density: 0.02, heavy: [7, 29], residual: true },
  { format: 'dense', lanes: 4, name: 'wide dense', linear: { m: 140, k: 20, vectors: 300 }, density: 1, residual: true, max: 1 },
  {
    format: 'dense', lanes: 4, name: 'wide 1x1', density: 1, kBlock: 9,
    window: { ...plain, kernel: [1, 1], in: [12, 24], out: [12, 24], inputs: 16, filters: 70, batch: 3 },
  },
  { ...patterns[4], name: 'wide 2:4', linear: { m: 140, k: 32, vectors: 260 }, density: 1 },
  { ...patterns[3], name: 'wide blocks, few columns', linear: { m: 100, k: 40, vectors: 7 }, density: 0.5 },
  {
    ...patterns[2], name: 'wide images in groups', density: 0.5, residual: true,
    window: { ...plain, kernel: [3, 3], pads: [1, 1, 1, 1], in: [15, 20], out: [15, 20], inputs: 4, filters: 256, batch: 2, group: 2 },
  },
];

function right({ outcomes, uncaptured }: Outcomes): void {
  assert.equal(outcomes.filter(({ error }) => !(error <= 1e-5)), []);
  assert.equal(uncaptured, []);
}

if (device) {
  test('heavy rows give the f64 sums, whole and in pieces, by every shader', async () => {
    const found = await runLayersOn(device, [...heavy, heavyHalf], { which: () => true });
    right(found);
    for (const { name } of heavy) {
      const shaders = found.outcomes.filter((outcome) => outcome.name === name).map(({ shader }) => shader);
      assert.is(shaders.some((shader) => shader.endsWith('_split')), name !== 'no nonzero', `${name}: ${shaders.join()}`);
      assert.ok(shaders.some((shader) => !shader.endsWith('_split')), name);
    }
  });

  test('products of more workgroups than a device runs each way are several dispatches', async () => {
    const small = await defaultDevice();
    lower(small, 'maxComputeWorkgroupsPerDimension', 2);
    const matmuls = [{ m: 9, k: 5, n: 300, images: 5 }, { m: 40, k: 6, n: 130, images: 3, sameA: true, transposed: true }];
    const found = await runLayersOn(small, wide, { which: () => true, matmuls });
    right(found);
    const ran = new Set(found.outcomes.map(({ shader }) => kindOf(shader).replace(/^f32_[a-z]+_/, '')));
    assert.equal([...ran].sort(), [
      'conv', 'matmul', 'matmul_conv', 'matmul_t', 'spmm', 'spmmt', 'spmmt_split', 'spmv', 'windows_t',
    ]);
    small.destroy();
  });

  test('weights of 16 bits give the f64 sums, by every kind of shader', async () => {
    const found = await runLayersOn(device, halves), ran = new Set(found.outcomes.map(({ shader }) => kindOf(shader)));
    right(found);
    const kinds = Object.entries(variants).filter(([name, { needs }]) => name.startsWith('f16_') && !needs).map(([name]) => kindOf(name));
    const wanted = kinds.filter((kind) => /_dense_|_(spmv|spmm|matmul|windows)$/.test(kind));
    assert.ok(wanted.length > 12);
    assert.equal([...new Set(wanted)].filter((kind) => !ran.has(kind)), []);
  });
}

test.run();
