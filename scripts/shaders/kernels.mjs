// The shaders there are: for each kernel its variants, and one small run in which a missing barrier would be seen.

/** Rows a packing may hold at once. */
const lanes = [1, 2, 4, 6, 8];
/**
 * How B is read, by the operation in a name, with the columns an invocation computes. A vec4f takes four whose elements are
 * neighbours in B and C; elements apart, as of transposed matrices and images, are taken one by one.
 */
const inputs = {
  spmm: { part: 'input/matrix', widths: { 1: { SPAN: 1, SPANS: 1 }, 4: { SPAN: 4, SPANS: 1 }, 8: { SPAN: 4, SPANS: 2 } } },
  spmmt: { part: 'input/matrix', widths: { 4: { SPAN: 1, SPANS: 4 } } },
  conv: { part: 'input/image', widths: { 1: { SPAN: 1, SPANS: 1 }, 4: { SPAN: 1, SPANS: 4 } } },
};
/** k's that a kernel stages at once: 8 rows × 8 columns an invocation then take 13 KB of the 16 KB a device promises. */
const DEPTH = 8;

/** A product for every number of rows and columns an invocation computes; `named` is a name's middle for an operation. */
const products = (named, pattern, sizes) => Object.entries(inputs).flatMap(([op, { part, widths }]) => lanes.flatMap((ROWS) =>
  Object.entries(widths).map(([width, { SPAN, SPANS }]) => ({
    name: `f32_${named(op)}_${ROWS}x${width}`, parts: ['operands', part, ...pattern, 'epilogue/clamp'],
    sizes: { ROWS, SPAN, SPANS, ...sizes, DEPTH },
  }))));

const floats = (length) => new Float32Array(length).fill(1);

/** A product whose M, N and K end inside a group, and whose two parts of K meet all barriers twice; of an image, 1 x 8 pixels. */
function smallProduct({ parts, sizes: { SPAN } }) {
  const [rows, depth, kBlock, spans] = [3, 11, 9, 2], image = parts.includes('input/image');
  const ptr = Uint32Array.from([0, 1, 2, 3, 0, 1, 2, 3]), plane = image ? 8 : spans;
  return {
    job: {
      rows, depth, spans, k_block: kBlock, parts: 2, blocks: rows, group_blocks: rows, groups: 1, block_rows: 1, block_cols: 1,
      a_step: 0, b_step: 0, b_row: plane, b_col: 1, c_step: 0, c_row: spans, c_col: 1, biased: 1, residual: 1,
      height: 1, width: 8, out_width: spans, stride_y: 1, stride_x: 1, top: 0, left: 1, lo: -1e30, hi: 1e30,
    },
    buffers: [
      floats(rows * depth * 8), new Uint32Array(8), ptr, floats(rows), floats(depth * plane * SPAN), floats(rows * spans * SPAN),
      new Uint32Array(depth * 2), floats(rows * spans * SPAN),
    ],
    groups: [1, 1, 1],
  };
}

/** One size of each is enough: more rows change how often a line runs, not who meets whom. The inputs differ only in what they read. */
const someSizes = ({ name }) => /_spmm_2x8$|_csr_(conv|spmmt)_2x4$|_matmul_(2x8|conv_2x4)$/.test(name);

/**
 * By entry point. `variants`: a name, the files of its text besides its own (in front of it), and sizes, the `const`s in front of all;
 * `trial`: numbers of the job, buffers in the order of their bindings and groups of a run held against data races; `tried`: which variants.
 */
export const kernels = {
  spmm: {
    variants: ['dense', 'csr', 'bsr', 'nm'].flatMap((pattern) =>
      products((op) => `${pattern}_${op}`, [`pattern/${pattern}`], { GROUP_X: 16, GROUP_Y: 8 })),
    trial: smallProduct, tried: someSizes,
  },
  matmul: {
    variants: products((op) => ({ spmm: 'matmul', spmmt: 'matmul_t', conv: 'matmul_conv' })[op], [], { GROUP_X: 16, GROUP_Y: 16 }),
    trial: smallProduct, tried: someSizes,
  },
};
