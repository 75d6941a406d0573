// The shaders there are: for each kernel its variants, and one small run in which a missing barrier would be seen.
import { layers } from './layers.mjs';

/** Rows a packing may hold at once, and how many of them are read at a time. */
const laneOf = { 1: 1, 2: 2, 4: 4, 6: 2, 8: 4 };
const lanes = Object.keys(laneOf).map(Number);
const rowSizes = (ROWS) => ({ ROWS, LANE: laneOf[ROWS], LANES: ROWS / laneOf[ROWS] });
const patterns = ['dense', 'csr', 'bsr', 'nm'];

/**
 * How B is read, by the operation in a name, with the columns an invocation computes. A vec4f takes four whose elements are
 * neighbours in B and C; elements apart, as of transposed matrices and images, are taken one by one.
 */
const walked = {
  spmm: { input: 'matrix', widths: { 1: { SPAN: 1, SPANS: 1 }, 4: { SPAN: 4, SPANS: 1 }, 8: { SPAN: 4, SPANS: 2 } } },
  spmmt: { input: 'matrix', widths: { 4: { SPAN: 1, SPANS: 4 } } },
  conv: { input: 'image', widths: { 1: { SPAN: 1, SPANS: 1 }, 4: { SPAN: 1, SPANS: 4 } } },
};

/** Products that walk positions: every pattern, input, number of rows and of columns an invocation computes. */
const walking = patterns.flatMap((pattern) => Object.entries(walked).flatMap(([op, { input, widths }]) => lanes.flatMap((ROWS) =>
  Object.entries(widths).map(([width, { SPAN, SPANS }]) => ({
    name: `f32_${pattern}_${op}_${ROWS}x${width}`,
    parts: [`lane/${laneOf[ROWS]}`, 'operands', `pattern/${pattern}`, `input/${input}`, 'epilogue/clamp', 'output/spans'],
    sizes: { ...rowSizes(ROWS), SPAN, SPANS, GROUP_X: 16, GROUP_Y: 8 },
  })))));

/** Products of few columns, by the invocations that share a block of rows, and how they add up their sums. */
const along = [
  { ALONG: 16, GROUP_Y: 8, across: 'pairs' }, { ALONG: 64, GROUP_Y: 2, across: 'pairs' },
  { ALONG: 32, GROUP_Y: 1, across: 'subgroups' }, { ALONG: 64, GROUP_Y: 1, across: 'subgroups' },
];
const vectors = patterns.flatMap((pattern) => Object.entries({ spmv: 'matrix', spmv_conv: 'image' }).flatMap(([op, input]) =>
  lanes.flatMap((ROWS) => along.map(({ ALONG, GROUP_Y, across }) => ({
    name: `f32_${pattern}_${op}_${ROWS}x${ALONG}${across === 'subgroups' ? '_subgroups' : ''}`,
    ...(across === 'subgroups' && { needs: ['subgroups'] }),
    parts: [
      `lane/${laneOf[ROWS]}`, 'operands', `pattern/${pattern}`, `input/${input}`, 'epilogue/clamp', 'output/spans', `across/rows_${across}`,
    ],
    sizes: { ...rowSizes(ROWS), SPAN: 1, SPANS: 1, GROUP_X: 1, GROUP_Y, ALONG },
  })))));

/** The same for staged products, whose columns are always taken in fours. */
const staged = {
  matmul: { input: 'matrix', output: 'spans' },
  matmul_t: { input: 'floats', output: 'floats' },
  matmul_conv: { input: 'images', output: 'floats' },
};

/**
 * Tiles of a workgroup, rows x columns, by the rows of a packing: 64 sums an invocation where the tile is large enough for many of
 * them, as they are read for 16 floats of workgroup memory, fewer where more invocations are worth more.
 */
const tiles = {
  dense: {
    1: ['128x128 BLOCKS 8 16x16', '64x64 BLOCKS 8 8x8'], 2: ['128x128 BLOCKS 4 16x16', '64x64 BLOCKS 4 8x8'],
    4: ['128x128 BLOCKS 2 16x16', '64x128 BLOCKS 2 16x8', '64x64 BLOCKS 2 8x8', '32x128 BLOCKS 2 16x4', '32x64 BLOCKS 1 8x8'],
    6: ['96x128 BLOCKS 1 16x16', '48x64 BLOCKS 1 8x8'], 8: ['128x128 BLOCKS 1 16x16', '64x64 BLOCKS 1 8x8'],
  },
  csr: { 4: ['64x128 BLOCKS 2 16x8', '64x64 BLOCKS 2 8x8', '32x128 BLOCKS 2 16x4', '32x64 BLOCKS 1 8x8', '16x128 BLOCKS 1 16x4'] },
  bsr: { 4: ['64x128 BLOCKS 2 16x8', '32x128 BLOCKS 2 16x4', '32x64 BLOCKS 1 8x8', '16x128 BLOCKS 1 16x4'] },
};

/** A tile's sizes: 8 columns an invocation, 8 k at once. */
function tileOf(text, ROWS) {
  const [, tile, ...numbers] = /^(\S+) BLOCKS (\d+) (\d+)x(\d+)$/.exec(text), [BLOCKS, GROUP_X, GROUP_Y] = numbers.map(Number);
  const sizes = { ...rowSizes(ROWS), SPAN: 4, SPANS: 2, BLOCKS, GROUP_X, GROUP_Y, DEPTH: 8 };
  const MORE_WEIGHTS = Math.ceil((BLOCKS * sizes.DEPTH * sizes.LANES) / GROUP_X), MORE_SPANS = (sizes.DEPTH * sizes.SPANS) / GROUP_Y;
  return { tile, sizes: { ...sizes, MORE_WEIGHTS, MORE_SPANS } };
}

const staging = Object.entries(tiles).flatMap(([pattern, byLanes]) => Object.entries(staged).flatMap(([op, { input, output }]) =>
  Object.entries(byLanes).flatMap(([ROWS, texts]) => texts.map((text) => {
    const { tile, sizes } = tileOf(text, Number(ROWS));
    return {
      name: `f32_${pattern}_${op}_${ROWS}_${tile}`, sizes,
      parts: [`lane/${laneOf[ROWS]}`, 'operands', `pattern/${pattern}`, `input/${input}`, 'epilogue/clamp', `output/${output}`],
    };
  }))));

/** N:M by M / N: what is staged of a row, and of B, so that windows of up to DEPTH weights lie inside. */
const windowDepths = { 2: { DEPTH: 8, PANEL_DEPTH: 16 }, 4: { DEPTH: 4, PANEL_DEPTH: 16 } };
const windowTiles = { '64x64': { BLOCKS: 8, GROUP_X: 8, GROUP_Y: 8 }, '32x64': { BLOCKS: 4, GROUP_X: 8, GROUP_Y: 8 } };
const windowed = Object.entries(staged).flatMap(([op, { input, output }]) => Object.entries(windowDepths).flatMap(([times, depths]) =>
  Object.entries(windowTiles).map(([tile, group]) => ({
    name: `f32_nm_${op.replace('matmul', 'windows')}_${times}_${tile}`,
    parts: ['lane/1', 'operands', 'pattern/nm', `input/${input}`, 'epilogue/clamp', `output/${output}`],
    sizes: {
      ...rowSizes(1), SPAN: 4, SPANS: 2, ...group, ...depths,
      MORE_WEIGHTS: (group.BLOCKS * depths.DEPTH) / group.GROUP_X, MORE_SPANS: (depths.PANEL_DEPTH * 2) / group.GROUP_Y,
    },
  }))));

/** Sums of rows that were computed in pieces, in spans as the pieces were. */
const sums = [1, 4].map((SPAN) => ({
  name: `f32_add_pieces_${SPAN}`, parts: ['lane/1', 'operands', 'input/matrix', 'epilogue/clamp', 'output/spans'],
  sizes: { ...rowSizes(1), SPAN, SPANS: 1, GROUP_X: 16, GROUP_Y: 8 },
}));

/** Rows of packings that are also stored in 16 bits: those of dense weights, of single ones and of blocks of four or many rows. */
const halfRows = { dense: [1, 2, 4], csr: [1, 2, 4], bsr: [2, 4], nm: [1] };

/** Variants with those that read weights of 16 bits; what they compute with is the same. */
const withHalves = (variants) => [...variants, ...variants.flatMap(({ name, parts, ...rest }) => {
  const [, pattern] = /^f32_([a-z]+)_/.exec(name);
  if (!halfRows[pattern].includes(rest.sizes.ROWS)) return [];
  return [{ name: name.replace('f32', 'f16'), parts: parts.map((part) => part.replace('lane/', 'lane/half/')), ...rest }];
})];

const floats = (length) => new Float32Array(length).fill(1);

/**
 * A product whose M, N and K end inside a group, and whose two parts of K meet all barriers twice. All blocks of rows store the
 * same k; an image has 1 x 8 pixels.
 */
function smallProduct({ parts, sizes: { SPAN } }) {
  const [rows, depth, kBlock, columns] = [3, 11, 9, 8], spans = columns / SPAN;
  const perSpan = parts.includes('input/matrix') ? SPAN : 1, perOut = parts.includes('output/spans') ? SPAN : 1;
  return {
    job: {
      rows, depth, columns, spans, k_block: kBlock, parts: 2, blocks: rows, group_blocks: rows, groups: 1, order: 0, block_rows: 1,
      block_cols: 1, a_step: 0, b_step: 0, b_row: columns / perSpan, b_col: 1, c_step: 0, c_row: columns / perOut, c_col: 1,
      biased: 1, residual: 1,
      height: 1, width: columns, out_width: columns, stride_y: 1, stride_x: 1, top: 0, left: 1, lo: -1e30, hi: 1e30,
      first_x: 0, first_y: 0, first_z: 0,
    },
    buffers: [
      floats(rows * depth * 8), new Uint32Array(32), Uint32Array.from([0, 9, 18, 27, 0, 2, 4, 6]), floats(rows), floats(depth * columns),
      floats(rows * columns), new Uint32Array(depth * 2), floats(rows * columns),
    ],
    groups: [1, 1, 1],
  };
}

/** Two blocks of a row each, of two pieces and one; a third one is past the last row. */
function smallSums(variant) {
  const { job, buffers, groups } = smallProduct(variant), listed = Uint32Array.from([0, 0, 2, 1, 2, 1, 3, 0, 0]);
  return { job: { ...job, group_blocks: 3 }, buffers: buffers.with(2, listed), groups };
}

/** One size of each is enough: more rows change how often a line runs, not who meets whom. The inputs differ only in what they read. */
const tried = [
  'spmm_2x8', 'windows_2_32x64', '(dense|csr)_spmv_2x(16|32_subgroups)', 'csr_(conv|spmmt)_2x4', 'matmul(_t)?_4_32x64', 'conv_1_64x64',
];
const someSizes = ({ name }) => name === 'f16_csr_spmv_2x16' || new RegExp(`^f32_(.*_)?(${tried.join('|')})$`).test(name);

/**
 * By entry point. `variants`: a name, the files of its text besides its own (in front of it), and sizes, the `const`s in front of all;
 * `trial`: numbers of the job, buffers in the order of their bindings and groups of a run held against data races; `tried`: which variants.
 */
export const kernels = {
  spmv: { variants: withHalves(vectors), trial: smallProduct, tried: someSizes },
  spmm: { variants: withHalves(walking), trial: smallProduct, tried: someSizes },
  windows: { variants: withHalves(windowed), trial: smallProduct, tried: someSizes },
  matmul: { variants: withHalves(staging), trial: smallProduct, tried: someSizes },
  add_pieces: { variants: sums, trial: smallSums, tried: () => true },
  ...layers,
};
