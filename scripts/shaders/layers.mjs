// The shaders of what is neither a product nor a convolution: one text a family, the formula a file beside it. Groups are counted
// through (group.y · groups.x + group.x): a device takes only so many each way, so that long rows of groups are folded into y.

/** Invocations in a group; the shortest row a whole group folds, for rows fewer than would fill a device one by one. */
const THREADS = 64;
/** Axes a strided walk may have; what has fewer runs by the next larger. */
const ranks = [1, 2, 4, 6];

const floats = (length) => new Float32Array(length).fill(1);
const words = (length) => new Uint32Array(length);

/** A variant for each formula in `folder`, by its name. */
const formulas = (folder, names, { parts = [], suffix = '', dtype = 'f32' } = {}) => names.map((name) => ({
  name: `${dtype}_${name}${suffix}`, sizes: { THREADS }, parts: ['numbers', ...parts, `${folder}/${name}`],
}));

const unaries = [
  'relu', 'leaky', 'thresholded', 'elu', 'celu', 'selu', 'sigmoid', 'hardsigmoid', 'hardswish', 'swish', 'mish', 'gelu', 'gelu_tanh',
  'softplus', 'softsign', 'tanh', 'clip', 'exp', 'log', 'sqrt', 'reciprocal', 'neg', 'abs', 'sign', 'floor', 'ceil', 'round', 'erf',
  'sin', 'cos', 'tan', 'asin', 'acos', 'atan', 'sinh', 'cosh', 'asinh', 'acosh', 'atanh',
];
const binaries = ['add', 'sub', 'mul', 'div', 'min', 'max', 'pow', 'prelu', 'mod', 'fmod'];
/** Folds, and how those of several invocations become one. */
const folds = {
  sum: 'sum', max: 'largest', min: 'smallest', prod: 'product', l1: 'sum', l2: 'sum', sumsquare: 'sum', logsum: 'sum', logsumexp: 'sum',
};

/** A variant whose invocations join what they hold, in pairs and by subgroups. */
const joining = ({ name, parts }) => ['pairs', 'subgroups'].map((way) => ({
  name: way === 'subgroups' ? `${name}_subgroups` : name, sizes: { THREADS }, ...(way === 'subgroups' && { needs: ['subgroups'] }),
  parts: ['numbers', `across/${way}`, ...parts],
}));

/** A variant of every size a walk may have. */
const walks = (variants) => variants.flatMap((variant) =>
  ranks.map((RANK) => ({ ...variant, name: `${variant.name}_${RANK}d`, sizes: { ...variant.sizes, RANK } })));

const all = () => true;
/** The first of a family is enough where only the formula differs. */
const named = (...names) => ({ name }) => names.includes(name);

/** Two axes of 5 and 14, for every walk. */
const axes = (prefix, values) => Object.fromEntries([0, 1, 2, 3, 4, 5].map((d) => [`${prefix}${d}`, values[d] ?? 0]));
const shape = ({ sizes: { RANK } }) => (RANK === 1 ? axes('n', [70, 1, 1, 1, 1, 1]) : axes('n', [5, 14, 1, 1, 1, 1]));
const strides = (prefix, { sizes: { RANK } }) => axes(prefix, RANK === 1 ? [1] : [14, 1]);

const image = {
  length: 70, height: 6, width: 8, out_height: 5, out_width: 7, kernel_height: 2, kernel_width: 2, stride_y: 1, stride_x: 1,
  dilation_y: 1, dilation_x: 1, top: 0, left: 0, bottom: 0, right: 0, multiplier: 1, filters: 2, has_bias: 1, has_residual: 1,
  start: 0, lo: -1e30, hi: 1e30,
};
const rows = { rows: 3, length: 70, inner: 1 };

/** As in kernels.mjs. */
export const layers = {
  unary: {
    variants: unaries.map((name) => ({
      name: `f32_${name}`, sizes: { THREADS }, parts: ['numbers', ...(/^(erf|gelu)$/.test(name) ? ['erf'] : []), `unary/${name}`],
    })),
    trial: () => ({ job: { length: 70, p: 0, q: 1 }, buffers: [floats(70), floats(70)], groups: [2, 1, 1] }),
    tried: named('f32_relu'),
  },
  binary: {
    variants: walks(formulas('binary', binaries)),
    trial: (variant) => ({
      job: { length: 70, ...shape(variant), ...strides('a', variant), ...strides('b', variant), lo: -1e30, hi: 1e30 },
      buffers: [floats(70), floats(70), floats(70)], groups: [2, 1, 1],
    }),
    tried: ({ name }) => name.startsWith('f32_add_'),
  },
  copy: {
    variants: walks([{ name: 'b32_copy', sizes: { THREADS }, parts: [] }]),
    trial: (variant) => ({
      job: { length: 70, from_place: 0, to_place: 0, ...shape(variant), ...strides('s', variant), ...strides('d', variant) },
      buffers: [words(70), words(70)], groups: [2, 1, 1],
    }),
    tried: all,
  },
  gather: {
    variants: [{ name: 'b32_gather', sizes: { THREADS }, parts: [] }],
    trial: () => ({
      job: { size: 70, count: 7, inner: 5, length: 7, filler: 0 }, buffers: [words(70), new Int32Array(7), words(70)], groups: [2, 1, 1],
    }),
    tried: all,
  },
  reduce: {
    variants: formulas('reduce', Object.keys(folds), { parts: ['reduce/operands'], suffix: '_rows' }),
    trial: () => ({ job: { ...rows, start: 0, scale: 1 }, buffers: [floats(210), floats(3)], groups: [1, 1, 1] }),
    tried: named('f32_sum_rows'),
  },
  reduce_group: {
    variants: Object.entries(folds).flatMap(([name, join]) =>
      joining({ name: `f32_${name}_group`, parts: ['reduce/operands', `reduce/across/${join}`, `reduce/${name}`] })),
    trial: () => ({ job: { ...rows, start: 0, scale: 1 }, buffers: [floats(210), floats(3)], groups: [3, 1, 1] }),
    tried: ({ name }) => /_(sum|max)_group/.test(name),
  },
  softmax: {
    variants: ['plain', 'log'].map((end) => ({
      name: end === 'log' ? 'f32_log_softmax' : 'f32_softmax', sizes: { THREADS },
      parts: ['numbers', 'softmax/operands', `softmax/${end}`],
    })),
    trial: () => ({ job: rows, buffers: [floats(210), floats(210)], groups: [1, 1, 1] }),
    tried: named('f32_softmax'),
  },
  softmax_group: {
    variants: ['plain', 'log'].flatMap((end) => joining({
      name: end === 'log' ? 'f32_log_softmax_group' : 'f32_softmax_group', parts: ['softmax/operands', `softmax/${end}`],
    })),
    trial: () => ({ job: rows, buffers: [floats(210), floats(210)], groups: [3, 1, 1] }),
    tried: ({ name }) => name.startsWith('f32_softmax_group'),
  },
  normalize_rows: {
    variants: joining({ name: 'f32_normalize_rows', parts: [] }),
    trial: () => ({
      job: { rows: 3, length: 70, channels: 3, by_row: 0, by_item: 1, epsilon: 1e-5 },
      buffers: [floats(210), floats(70), floats(70), floats(210)], groups: [3, 1, 1],
    }),
    tried: all,
  },
  affine: {
    variants: [{ name: 'f32_affine', sizes: { THREADS }, parts: [] }],
    trial: () => ({
      job: { length: 70, channels: 2, area: 7 }, buffers: [floats(70), floats(2), floats(2), floats(70)], groups: [2, 1, 1],
    }),
    tried: all,
  },
  lrn: {
    variants: [{ name: 'f32_lrn', sizes: { THREADS }, parts: [] }],
    trial: () => ({
      job: { length: 70, channels: 10, area: 7, before: 1, after: 1, alpha: 1, beta: 1, bias: 1 },
      buffers: [floats(70), floats(70)], groups: [2, 1, 1],
    }),
    tried: all,
  },
  pool: {
    variants: formulas('pool', ['max', 'mean', 'padded_mean'], { parts: ['image'], suffix: '_pool' }),
    trial: () => ({ job: image, buffers: [floats(96), floats(70)], groups: [2, 1, 1] }),
    tried: named('f32_max_pool'),
  },
  depthwise: {
    variants: ['', '_slide'].map((way, SLIDES) => (
      { name: `f32_depthwise${way}`, sizes: { THREADS, SPAN: 4, SLIDES }, parts: ['numbers', 'image'] })),
    trial: () => ({
      job: { ...image, length: 20 }, buffers: [floats(96), floats(8), floats(2), floats(70), floats(70)], groups: [2, 1, 1],
    }),
    tried: all,
  },
  scatter: {
    variants: [{ name: 'f32_scatter', sizes: { THREADS }, parts: ['numbers', 'image'] }],
    trial: () => ({ job: image, buffers: [floats(384), floats(2), floats(70)], groups: [2, 1, 1] }),
    tried: all,
  },
  resize: {
    variants: [1, 2, 4].map((TAPS) => ({ name: `f32_resize_${TAPS}`, sizes: { THREADS, TAPS }, parts: [] })),
    trial: ({ sizes: { TAPS } }) => ({
      job: { length: 70, height: 6, width: 8, out_height: 5, out_width: 7, outside: 0 },
      buffers: [floats(96), words(10 * TAPS), words(14 * TAPS), floats(70)], groups: [2, 1, 1],
    }),
    tried: all,
  },
  multiply: {
    variants: [{ name: 'f32_multiply', sizes: { THREADS }, parts: [] }],
    trial: () => ({
      job: { rows: 5, cols: 6, depth: 3, batch: 2, a_row: 3, a_col: 1, b_row: 6, b_col: 1, scale: 1 },
      buffers: [Uint32Array.from([0, 0, 15, 18]), floats(30), floats(36), floats(60)], groups: [1, 1, 1],
    }),
    tried: all,
  },
};
