// The shaders there are: for each kernel its variants, and one small run in which a missing barrier would be seen.

/** Rows a packing may hold at once, and columns an invocation computes: spans of one f32, or of a vec4f where N allows. */
const lanes = [1, 2, 4, 6, 8];
const widths = { 1: { SPAN: 1, SPANS: 1 }, 4: { SPAN: 4, SPANS: 1 }, 8: { SPAN: 4, SPANS: 2 } };
/** k's that a kernel stages at once: 8 rows × 8 columns an invocation then take 13 KB of the 16 KB a device promises. */
const DEPTH = 8;

/** A product for every number of rows and columns an invocation computes. */
const products = (named, parts, sizes) => lanes.flatMap((ROWS) => Object.entries(widths).map(([width, { SPAN, SPANS }]) => ({
  name: `f32_${named}_${ROWS}x${width}`, parts, sizes: { ROWS, SPAN, SPANS, ...sizes, DEPTH },
})));

const floats = (length) => new Float32Array(length).fill(1);

/** A product whose M, N and K end inside a group, and whose two parts of K meet all barriers twice. */
function smallProduct({ sizes: { SPAN } }) {
  const [rows, depth, kBlock, spans] = [3, 11, 9, 2];
  const ptr = Uint32Array.from([0, 1, 2, 3, 0, 1, 2, 3]);
  return {
    job: { rows, depth, spans, k_block: kBlock, parts: 2, blocks: rows, block_rows: 1, block_cols: 1, lo: -1e30, hi: 1e30 },
    buffers: [floats(rows * depth * 8), new Uint32Array(8), ptr, floats(rows), floats(depth * spans * SPAN), floats(rows * spans * SPAN)],
    groups: [1, 1, 1],
  };
}

/** Two sizes of each are enough: more rows change how often a line runs, not who meets whom. */
const someSizes = ({ name }) => /_(2x1|2x8)$/.test(name);

/**
 * By entry point. `variants`: a name, the files of its text besides its own (in front of it), and sizes, the `const`s in front of all;
 * `trial`: numbers of the job, buffers in the order of their bindings and groups of a run held against data races; `tried`: which variants.
 */
export const kernels = {
  spmm: {
    variants: ['dense', 'csr', 'bsr', 'nm'].flatMap((pattern) =>
      products(`${pattern}_spmm`, ['operands', `pattern/${pattern}`, 'epilogue/clamp'], { GROUP_X: 16, GROUP_Y: 8 })),
    trial: smallProduct, tried: someSizes,
  },
  matmul: {
    variants: products('matmul', ['operands', 'epilogue/clamp'], { GROUP_X: 16, GROUP_Y: 16 }), trial: smallProduct, tried: someSizes,
  },
};
