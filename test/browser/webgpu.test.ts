import type { Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSite, type Site } from './webgpu-site.ts';
import type * as inPage from './webgpu-page.ts';
import { bindings, variants } from '../../src/backends/webgpu/shaders.ts';
import type { MatMul } from '../../src/backends/webgpu/layers.ts';
import { kindOf, type LayerCase, type Walk } from './webgpu-layers.ts';
import type { Case } from './webgpu-page.ts';

const test = suite<{ page?: Page; site?: Site }>('webgpu');
const name = 'WebGPU in a browser';

test.before(async (context) => {
  context.site = await openSite(name, 'webgpu-page');
  context.page = context.site.page;
});

test.after(({ site }) => site?.close());

type Answer<K extends keyof typeof inPage> = Awaited<ReturnType<(typeof inPage)[K]>>;

/** Calls a function of webgpu-page.ts in the page. */
function ask<K extends keyof typeof inPage>(page: Page, key: K, ...args: Parameters<(typeof inPage)[K]>): Promise<Answer<K>> {
  return page.evaluate<Answer<K>>(`inPage.${key}(...${JSON.stringify(args)})`);
}

/** Each format with the blocks and lanes that take another path. */
const walks: readonly Pick<Case, 'name' | 'format' | 'block' | 'lanes'>[] = [
  { name: 'dense 1', format: 'dense', lanes: 1 },
  { name: 'dense 4', format: 'dense', lanes: 4 },
  { name: 'csr', format: 'csr', lanes: 1 },
  { name: 'csr in wide lanes', format: 'csr', lanes: 2 },
  { name: 'bsr 4x1', format: 'bsr', block: { rows: 4, cols: 1 }, lanes: 4 },
  { name: 'bsr 2x3', format: 'bsr', block: { rows: 2, cols: 3 }, lanes: 2 },
  { name: 'bsr 5x4', format: 'bsr', block: { rows: 5, cols: 4 }, lanes: 6 },
  { name: 'bsr 8x1', format: 'bsr', block: { rows: 8, cols: 1 }, lanes: 8 },
  { name: 'bsr 16x1', format: 'bsr', block: { rows: 16, cols: 1 }, lanes: 4 },
  { name: 'bsr 32x1', format: 'bsr', block: { rows: 32, cols: 1 }, lanes: 4 },
  { name: 'bsr 16x16', format: 'bsr', block: { rows: 16, cols: 16 }, lanes: 4 },
  { name: 'bsr 32x8', format: 'bsr', block: { rows: 32, cols: 8 }, lanes: 4 },
  { name: 'bsr 32x8 in eights', format: 'bsr', block: { rows: 32, cols: 8 }, lanes: 8 },
  { name: 'nm 2:4', format: 'nm', block: { rows: 1, cols: 1, keep: 2, of: 4 }, lanes: 1 },
  { name: 'nm 1:4', format: 'nm', block: { rows: 1, cols: 1, keep: 1, of: 4 }, lanes: 1 },
];

/** [M, K, N]: ones, primes, exact groups, tails of one; N:M takes K in fours. */
const shapes = [[1, 1, 1], [7, 13, 5], [17, 31, 68], [9, 12, 132], [33, 16, 64], [6, 8, 21]] as const;

/** Tall blocks are for layers, below. */
const low = walks.filter(({ block }) => !block || block.rows < 16);

/** Lanes and blocks whose shaders differ from others in a size alone run on the first odd shapes. */
const alike = ['dense 1', 'csr in wide lanes', 'bsr 5x4', 'bsr 8x1', 'nm 1:4'];
const shapesOf = ({ name }: { name: string }): readonly (readonly [number, number, number])[] =>
  (alike.includes(name) ? shapes.slice(1, 3) : shapes);

const awkward = low.flatMap((walk) => shapesOf(walk).map(([m, k, n], i): Case => ({
  ...walk, name: `${walk.name} [${m}, ${k}] · [${k}, ${n}]`, m, n, k: walk.block?.of ? Math.ceil(k / 4) * 4 : k,
  density: walk.format === 'dense' ? 1 : 0.4, bias: i % 2 === 1, onDevice: i === 2, options: i === 3 ? { min: -0.5, max: 1.25 } : {},
})));

const several = low.map((walk): Case => ({
  ...walk, name: `${walk.name} in parts of K`, m: 11, k: 28, n: 12, density: 0.5, kBlock: 12, bias: true,
}));
const nothing = low.filter(({ block }) => !block?.of)
  .map((walk): Case => ({ ...walk, name: `${walk.name} with no nonzero`, m: 5, k: 6, n: 3, density: 0, bias: true }));
const noDepth: Case = { name: 'no column', format: 'csr', lanes: 1, m: 3, k: 0, n: 8, density: 1, bias: true };
const staged = [[70, 37, 72, 8], [19, 9, 133, 4]].map(([m, k, n, lanes]): Case => ({
  name: `staged ${lanes} lanes [${m}, ${k}] · [${k}, ${n}]`, format: 'dense', lanes, m, k, n, density: 1, kBlock: 17, bias: true,
  options: { kernel: 'matmul', min: -2 },
}));
const stagedBlocks = walks.filter(({ name }) => name === 'bsr 32x1' || name === 'bsr 32x8').map((walk): Case => ({
  ...walk, name: `staged ${walk.name}`, m: 70, k: 50, n: 72, density: 0.5, kBlock: 32, bias: true, options: { kernel: 'matmul' },
}));
const unstaged: Case = { name: 'dense unstaged', format: 'dense', lanes: 8, m: 70, k: 37, n: 72, density: 1, options: { kernel: 'spmm' } };

test('every pattern gives the f64 product for awkward shapes, with default limits', async ({ page }) => {
  if (!page) return;
  const cases = [...awkward, ...several, ...nothing, noDepth, ...staged, ...stagedBlocks, unstaged];
  const { outcomes, uncaptured, memory } = await ask(page, 'runCases', cases);
  const wrong = outcomes.filter(({ error }) => !(error <= 1e-5));
  assert.is(wrong.length, 0, `\n  ${wrong.map(({ name, kernel, error }) => `${name} by ${kernel}: error ${error}`).join('\n  ')}\n`);
  assert.equal(uncaptured, []);
  assert.is(memory, 0);
  for (const part of ['dense', 'csr', 'bsr', 'nm']) {
    for (const width of ['spmm_\\d+x1', 'spmm_\\d+x4', 'spmm_\\d+x8', ...(part === 'nm' ? [] : ['matmul_'])]) {
      assert.ok(outcomes.some(({ kernel }) => new RegExp(`_${part}_${width}`).test(kernel)), `${part} ${width} did not run`);
    }
  }
});

const plain = {
  strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], batch: 1, group: 1,
} as const;

/** Convolutions of every kind: plain, padded on uneven sides, strided, dilated, grouped (rows that fill no block), batches, 1-D. */
const windows: Readonly<Record<string, Required<LayerCase>['window']>> = {
  '1x1': { ...plain, kernel: [1, 1], in: [4, 5], out: [4, 5], inputs: 8, filters: 9 },
  '1x1 of 3 images': { ...plain, kernel: [1, 1], in: [3, 4], out: [3, 4], inputs: 4, filters: 5, batch: 3 },
  '1x1 of odd images': { ...plain, kernel: [1, 1], in: [3, 3], out: [3, 3], inputs: 4, filters: 5, batch: 2 },
  '1x1 strided': { ...plain, kernel: [1, 1], strides: [2, 2], in: [5, 5], out: [3, 3], inputs: 8, filters: 6 },
  '3x3 padded': { ...plain, kernel: [3, 3], pads: [1, 1, 1, 1], in: [6, 7], out: [6, 7], inputs: 4, filters: 10 },
  '3x2 strided, uneven pads': {
    ...plain, kernel: [3, 2], strides: [2, 3], pads: [0, 1, 2, 0], in: [7, 9], out: [4, 3], inputs: 4, filters: 3,
  },
  '3x3 dilated, 2 images': {
    ...plain, kernel: [3, 3], dilations: [2, 3], pads: [2, 3, 2, 3], in: [5, 8], out: [5, 8], inputs: 4, filters: 7, batch: 2,
  },
  '3x3 in groups, 2 images': {
    ...plain, kernel: [3, 3], pads: [1, 1, 1, 1], in: [5, 4], out: [5, 4], inputs: 12, filters: 9, batch: 2, group: 3,
  },
  '3x4 of the whole image': { ...plain, kernel: [3, 4], in: [3, 4], out: [1, 1], inputs: 8, filters: 13 },
  '1x1 in groups': { ...plain, kernel: [1, 1], in: [2, 6], out: [2, 6], inputs: 8, filters: 10, group: 2 },
  '1x5 of a line': { ...plain, kernel: [1, 5], pads: [0, 2, 0, 2], in: [1, 40], out: [1, 40], inputs: 4, filters: 4 },
};

/** One of each pattern, with the blocks that staged shaders take: a software adapter compiles each shader for a second or more. */
const layerWalks = ['dense 4', 'csr', 'bsr 32x1', 'bsr 16x16', 'nm 2:4'];
const stored: readonly (Walk & { name: string })[] = walks.filter(({ name }) => layerWalks.includes(name));

/** Single weights in CSR walk as blocks of one column do: two windows are enough. */
const windowsOf = ({ name }: { name: string }) =>
  Object.entries(windows).filter(([key]) => name !== 'csr' || key.startsWith('3x3 p') || key.startsWith('3x3 in'));

const layers: LayerCase[] = stored.flatMap((walk, i) => [
  ...windowsOf(walk).map(([name, window], j): LayerCase => ({
    ...walk, name: `${walk.name}, ${name}`, window, density: walk.format === 'dense' ? 1 : 0.5,
    residual: (i + j) % 2 === 0, ...((i + j) % 3 === 0 && { min: 0, max: 1 }), ...(j % 4 === 3 && { kBlock: 12 }),
  })),
  ...(walk.name === 'csr' ? [5] : [1, 5, 40, 33]).map((vectors): LayerCase => ({
    ...walk, name: `${walk.name}, ${vectors} vectors`, linear: { m: 19, k: 28, vectors }, density: 0.5, residual: vectors === 5, min: -1,
  })),
]);

/** Rows that hold far more than the others, which also run in pieces; more of them in test/webgpu/products. */
const heavy: readonly LayerCase[] = [
  { name: 'heavy rows', format: 'csr', lanes: 1, linear: { m: 5, k: 600, vectors: 2 }, density: 0.02, heavy: [3], residual: true },
  {
    name: 'heavy rows of a convolution', format: 'csr', lanes: 1, density: 0.02, heavy: [0, 7], min: 0, residual: true,
    window: { ...plain, kernel: [3, 3], pads: [1, 1, 1, 1], in: [4, 5], out: [4, 5], inputs: 60, filters: 8 },
  },
  {
    name: 'heavy rows of a 1x1', format: 'csr', lanes: 1, density: 0.02, heavy: [2],
    window: { ...plain, kernel: [1, 1], in: [4, 5], out: [4, 5], inputs: 540, filters: 6 },
  },
];

const matmuls: readonly MatMul[] = [
  { m: 9, k: 13, n: 8, images: 3 }, { m: 20, k: 7, n: 70, images: 2, transposed: true }, { m: 5, k: 16, n: 6, images: 2, sameA: true },
  { m: 5, k: 16, n: 136, images: 3, sameB: true }, { m: 1, k: 33, n: 1 },
];

test('convolutions of every kind, linear layers and products of activations give the f64 sums, by every shader', async ({ page }) => {
  if (!page) return;
  const { outcomes, uncaptured } = await ask(page, 'runLayers', [...layers, ...heavy], matmuls);
  const wrong = outcomes.filter(({ error }) => !(error <= 1e-5));
  assert.is(wrong.length, 0, `\n  ${wrong.map(({ name, shader, error }) => `${name} by ${shader}: error ${error}`).join('\n  ')}\n`);
  assert.equal(uncaptured, []);
  assert.ok(outcomes.length >= layers.length + matmuls.length, `${outcomes.length} runs`);
  // The staged and the walking shaders of every pattern and input.
  const products = Object.entries(variants).filter(([, { kernel }]) => bindings[kernel].job.some((field) => field.name === 'k_block'));
  const splits = ['spmv', 'spmm', 'conv'].map((op) => `f32_csr_${op}_split`);
  const here = products.filter(([name, { needs }]) => !needs && !name.startsWith('f16_')); // the others: test/webgpu
  const wanted = [...splits, ...here.map(([name]) => kindOf(name)).filter((kind) => !/_spmm$|nm_(spmm|spmv|conv)|add_pieces/.test(kind))];
  const ran = new Set(outcomes.map(({ shader }) => kindOf(shader)));
  assert.equal([...new Set(wanted)].filter((kind) => !ran.has(kind)), []);
});

test('the browser compiles every variant without a word', async ({ page }) => {
  if (!page) return;
  const { wrong, count, lacking } = await ask(page, 'compileAll');
  for (const feature of lacking) console.warn(`SKIPPED: compiling the variants with ${feature}, which this adapter lacks`);
  assert.equal(wrong, []);
  const plain = Object.values(variants).filter(({ needs }) => !needs).length;
  assert.ok(count >= plain && (lacking.length || count === Object.keys(variants).length), `${count} variants`);
  assert.is((await ask(page, 'largestPipelines')).length, 2);
});

test('products asked for together do not disturb each other', async ({ page }) => {
  if (!page) return;
  assert.is(await ask(page, 'together'), '3,3 6,6,6,6 9,9,9,9,9,9');
});

test('misuse is a typed error, and the device and later products stay usable', async ({ page }) => {
  if (!page) return;
  const kinds = {
    tooWide: 'limit', tooTall: 'limit', shortB: 'shape', noColumns: 'argument',
    bounds: 'argument', unit: 'argument', lanes: 'argument', bias: 'shape',
    matmul: 'argument', otherDevice: 'device', usage: 'argument', destroyed: 'device', disposed: 'state', closed: 'state',
  };
  const found = await ask(page, 'misuses');
  for (const [key, kind] of Object.entries(kinds)) assert.match(found[key], new RegExp(`^${kind}: .* needs .*, got `), key);
  assert.is(found.still, '3,3,3,3,3,3');
  assert.is(found.alive, 'alive');
  assert.is(found.uncaptured, '');
});

test('a lost device is a typed error before, during and after, and a new one works', async ({ page }) => {
  if (!page) return;
  const { again, ...found } = await ask(page, 'losses');
  for (const [key, text] of Object.entries(found)) assert.match(text, /^device: /, key);
  assert.is(again, '3,3,3,3,3,3');
});

test.run();
