import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Attr, Graph, Node } from '../../src/graph/graph.ts';
import { lowerings } from '../../src/runtime/lower/index.ts';
import { allocate, numbersOf, sizeOf, Tensor, type DType, type Shape } from '../../src/tensor.ts';
import { filled } from '../graph/call.ts';
import { agrees, devices, fixed, near, oneNode, oracle, runOnce, type Argument } from './nodes.ts';

// Every operator that has kernels, and what is left to the host, on every device against the plain loops.

interface Case {
  readonly args: readonly Argument[];
  readonly attrs?: Readonly<Record<string, Attr>>;
  readonly outputs?: number;
  readonly host?: boolean;
}

const seen = new Set<string>(['Conv', 'ConvTranspose', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool']);

function check(op: string, name: string, { args, attrs = {}, outputs, host }: Case, tolerance?: number): void {
  seen.add(op);
  test(`${op} ${name}`, () => agrees(oneNode(op, attrs, args, outputs), { host, tolerance }));
}

const x = (...dims: number[]): Tensor<Float32Array> => filled(dims, 1);
const y = (...dims: number[]): Tensor<Float32Array> => filled(dims, 2);
const w = (...dims: number[]): Argument => fixed(filled(dims, 3));
const ints = (...values: number[]): Argument => fixed(new Tensor('int64', values));
const floats = (...values: number[]): Argument => fixed(new Tensor('float32', values));
const scaled = (tensor: Tensor<Float32Array>, factor: number): Tensor =>
  new Tensor('float32', tensor.data.map((v) => v * factor), tensor.dims);
const positive = (tensor: Tensor<Float32Array>): Tensor => new Tensor('float32', tensor.data.map((v) => Math.abs(v) + 0.1), tensor.dims);

const linears: Readonly<Record<string, Case>> = {
  'one row': { args: [x(1, 33), w(17, 33), w(17)] },
  'one row of rank 1': { args: [x(12), w(5, 12)] },
  'one row, residual, clamp': { args: [x(1, 20), w(7, 20), w(7), y(1, 7)], attrs: { min: -0.5, max: 0.5 } },
  'one weight': { args: [x(1, 1), w(1, 1), w(1)] },
  'few rows': { args: [x(5, 31), w(13, 31), w(13)] },
  'many rows, residual, clamp': { args: [x(50, 19), w(23, 19), w(23), y(50, 23)], attrs: { min: -0.5, max: 0.5 } },
  'rank 3': { args: [x(2, 7, 9), w(10, 9)] },
  'K in several blocks': { args: [x(9, 1500), w(8, 1500), w(8)], attrs: { min: 0 } },
  'no rows of x': { args: [x(0, 5), w(4, 5), w(4)] },
  'no K': { args: [x(3, 0), w(4, 0), w(4)], host: true },
};
for (const [name, given] of Object.entries(linears)) check('Linear', name, given);

const products: Readonly<Record<string, readonly [Shape, Shape]>> = {
  'of matrices': [[5, 7], [7, 9]],
  'of one element': [[1, 1], [1, 1]],
  'row by column': [[1, 40], [40, 1]],
  'column by row': [[13, 1], [1, 17]],
  'of batches': [[2, 3, 5, 7], [2, 3, 7, 9]], 'one against a batch': [[5, 7], [4, 7, 3]], 'a batch against one': [[4, 5, 7], [7, 33]],
  'of broadcast batches': [[2, 1, 5, 7], [3, 7, 4]],
  'of both broadcast': [[2, 1, 3, 2], [1, 4, 2, 5]],
  'with a long K': [[7, 3000], [3000, 10]],
};
for (const [name, [a, b]] of Object.entries(products)) check('MatMul', name, { args: [x(...a), y(...b)] }, 1e-4);
check('MatMul', 'with a constant', { args: [x(3, 4), w(4, 5)] });
check('MatMul', 'of vectors', { args: [x(6), y(6, 2)], host: true });
check('MatMul', 'of nothing', { args: [x(2, 0), y(0, 3)], host: true });

for (const [transA, transB] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
  check(
    'Gemm', `transA ${transA}, transB ${transB}`,
    { args: [transA ? x(7, 5) : x(5, 7), transB ? y(9, 7) : y(7, 9)], attrs: { transA, transB } },
  );
}
check('Gemm', 'with a bias', { args: [x(5, 7), w(7, 9), w(9)] });
check('Gemm', 'of computed matrices with a bias', { args: [x(5, 7), y(7, 9), w(9)], host: true });
check('Gemm', 'with alpha', { args: [x(5, 7), y(7, 9)], attrs: { alpha: 0.5 }, host: true });
check('Gemm', 'of nothing', { args: [x(2, 0), y(0, 3)], host: true });

const unaries: Readonly<Record<string, Record<string, Case>>> = {
  Relu: { plain: { args: [x(2, 3, 5)] } },
  Clip: {
    'both ends': { args: [x(31), floats(-0.2), floats(0.5)] },
    'low end': { args: [x(4), floats(0.1)] },
    'high end': { args: [x(4), undefined, floats(0.1)] },
    'low above high': { args: [x(9), floats(0.5), floats(-0.5)] },
  },
  LeakyRelu: {
    plain: { args: [x(7)] },
    alpha: { args: [x(7)], attrs: { alpha: 0.3 } },
    'negative alpha': { args: [x(7)], attrs: { alpha: -2 } },
  },
  HardSigmoid: { plain: { args: [scaled(x(33), 5)] }, parameters: { args: [x(5)], attrs: { alpha: 1.5, beta: 0.1 } } },
  HardSwish: { plain: { args: [scaled(x(33), 6)] } },
  Sigmoid: { plain: { args: [scaled(x(40), 8)] }, 'far out': { args: [new Tensor('float32', [-200, -90, 90, 200, 0])] } },
  Swish: { plain: { args: [scaled(x(40), 8)] }, alpha: { args: [x(5)], attrs: { alpha: 1.7 } } },
  Tanh: {
    plain: { args: [scaled(x(40), 3)] },
    small: { args: [scaled(x(40), 0.2)] },
    'far out': { args: [new Tensor('float32', [-100, 100, 1e-6, -20])] },
  },
  Exp: { plain: { args: [scaled(x(40), 10)] }, ends: { args: [new Tensor('float32', [88, 89, 100, -86, -200, 0])] } },
  Erf: { plain: { args: [scaled(x(40), 3)] } },
  Sqrt: { plain: { args: [positive(x(9))] }, 'of negatives': { args: [x(9)] } },
  Reciprocal: { plain: { args: [positive(x(9))] }, 'of zeros': { args: [new Tensor('float32', [0, -0, 2])] } },
  Abs: { plain: { args: [x(3, 3)] } },
  Neg: { plain: { args: [x(1)] } },
};
for (const [op, cases] of Object.entries(unaries)) for (const [name, given] of Object.entries(cases)) check(op, name, given);
for (const length of [0, 1, 3, 4, 5, 17]) check('Sigmoid', `of ${length}`, { args: [x(length)] });
check('Abs', 'of int32', { args: [new Tensor('int32', [-3, 4])], host: true });
check('Clip', 'with computed ends', { args: [x(4), new Tensor('float32', [0], []), undefined], host: true });

const shapes: readonly (readonly [Shape, Shape])[] = [
  [[3, 5], [3, 5]], [[3, 5], []], [[], [3, 5]], [[], []], [[1], [7]], [[2, 3, 4, 5], [5]],
  [[2, 3, 4, 5], [3, 1, 1]], [[2, 3, 4, 5], [1, 3, 1, 1]], [[2, 3, 4, 5], [2, 1, 4, 1]],
  [[4, 1, 5], [3, 1]], [[1, 7], [6, 1]], [[2, 3, 5, 7], [2, 3, 1, 1]],
  [[2, 1, 3, 1, 2], [2, 2, 1, 3, 2]], [[13], [13]], [[1, 1, 1, 1], [1, 1]], [[0, 3], [3]],
];
for (const op of ['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max', 'Sum']) {
  for (const [a, b] of shapes) {
    check(op, `[${a}] and [${b}]`, { args: [x(...a), op === 'Div' ? positive(y(...b)) : y(...b)], host: a.length > 4 });
  }
}
check('Add', 'with a constant and a clamp', { args: [x(2, 3, 9), w(3, 1)], attrs: { min: -0.3, max: 0.4 } });
check('Add', 'of one value to itself', { args: [x(2, 3), x(2, 3)] });
check('Add', 'more axes than the kernel has', { args: [x(2, 1, 2, 1, 2, 1, 2), y(1, 2, 1, 2, 1, 2, 1)], host: true });
check('Add', 'of int32', { args: [new Tensor('int32', [1, 2]), new Tensor('int32', [5, -9])], host: true });
for (const op of ['Sum', 'Max', 'Min']) check(op, 'of three', { args: [x(2, 3), y(3), w(2, 1)] });
for (const slope of [[1], [3, 1, 1], [2, 3, 4, 5], [5]]) check('PRelu', `with a slope [${slope}]`, { args: [x(2, 3, 4, 5), w(...slope)] });

for (const shape of [[7], [1, 5], [4, 33], [2, 3, 4, 5], [3, 1, 2], [2, 6625]]) {
  for (const axis of [...shape.keys(), -1]) {
    check('Softmax', `[${shape}] along ${axis}`, { args: [scaled(filled(shape, 1), 6)], attrs: { axis } });
  }
}
for (const inner of [1, 2, 3, 4, 5, 6, 7, 9, 12]) {
  test(`Softmax of every length up to 18, ${inner} apart`, async () => {
    for (let length = 1; length <= 18; length++) {
      await agrees(oneNode('Softmax', { axis: 1 }, [scaled(filled([3, length, inner], length), 6)]));
    }
  });
}
check('Softmax', 'of large numbers', { args: [new Tensor('float32', [1000, 1001, -1000, 88, 999, 1])] });

for (const op of ['ReduceMean', 'ReduceSum', 'ReduceMax']) {
  for (const axes of [[0], [1], [-1], [2, 3], [1, 2], [0, 1], [3, 2, 1], [0, 1, 2, 3]]) {
    check(op, `over ${axes}`, { args: [x(2, 3, 5, 7), ints(...axes)], attrs: { keepdims: axes.length % 2 } });
  }
  check(op, 'over all', { args: [x(3, 14)] });
  check(op, 'over axes that are apart', { args: [x(2, 3, 5, 7), ints(0, 2)], host: true });
}

const modes = ['half_pixel', 'asymmetric', 'align_corners', 'pytorch_half_pixel'];
for (const mode of ['nearest', 'linear']) {
  for (const coordinate_transformation_mode of modes) {
    for (const scales of [[1, 1, 2, 2], [1, 1, 0.5, 0.6], [1, 1, 1, 3], [1, 1, 2.5, 1]]) {
      check(
        'Resize', `${mode} ${coordinate_transformation_mode} by ${scales}`,
        { args: [x(2, 3, 5, 7), undefined, floats(...scales)], attrs: { mode, coordinate_transformation_mode } },
      );
    }
  }
  check('Resize', `${mode} to a size`, { args: [x(1, 2, 4, 5), undefined, undefined, ints(1, 2, 9, 3)], attrs: { mode } });
}
for (const nearest_mode of ['floor', 'ceil', 'round_prefer_ceil']) {
  check('Resize', nearest_mode, { args: [x(1, 2, 5, 7), undefined, floats(1, 1, 1.7, 0.8)], attrs: { mode: 'nearest', nearest_mode } });
}
check('Resize', 'cubic', { args: [x(1, 1, 5, 7), undefined, floats(1, 1, 2, 2)], attrs: { mode: 'cubic' }, host: true });
check('Resize', 'of channels', { args: [x(1, 3, 5, 7), undefined, floats(1, 2, 1, 1)], host: true });

const dtypes: readonly DType[] = ['float32', 'int32', 'uint32', 'int64', 'float64', 'uint8', 'int16', 'bool'];
const counted = (type: DType, dims: Shape): Tensor => {
  const data = allocate(type, sizeOf(dims));
  for (let i = 0; i < data.length; i++) data[i] = (typeof data[0] === 'bigint' ? BigInt(i + 1) : type === 'bool' ? i % 2 : i + 1) as never;
  return new Tensor(type, data, dims);
};

/** Operators that only move elements, on a tensor of any type. */
const moves: Readonly<Record<string, (t: (...dims: number[]) => Tensor) => Record<string, Case>>> = {
  Transpose: (t) => ({
    'all axes': { args: [t(2, 3, 4)] }, 'NCHW to NHWC': { args: [t(2, 3, 4, 5)], attrs: { perm: [0, 2, 3, 1] } },
    'two of five': { args: [t(2, 3, 2, 3, 2)], attrs: { perm: [0, 3, 2, 1, 4] } }, 'no axis': { args: [t()] },
  }),
  Slice: (t) => ({
    'of rows and columns': { args: [t(6, 7), ints(1, 2), ints(5, 6)] },
    'with steps': { args: [t(9, 10), ints(1, 0), ints(9, 10), ints(0, 1), ints(2, 3)] },
    'backwards': { args: [t(5, 4), ints(-1), ints(-6), ints(0), ints(-1)] },
    'of the middle axis': { args: [t(2, 6, 3), ints(2), ints(5), ints(1)] },
  }),
  Concat: (t) => ({
    'of three': { args: [t(2, 1, 3), t(2, 4, 3), t(2, 2, 3)], attrs: { axis: 1 } },
    'of columns': { args: [t(3, 1), t(3, 2)], attrs: { axis: -1 } },
    'of one': { args: [t(3, 1)], attrs: { axis: 0 } },
  }),
  Split: (t) => ({
    'by sizes': { args: [t(2, 7, 3), ints(1, 4, 2)], attrs: { axis: 1 }, outputs: 3 },
    'evenly': { args: [t(6, 5)], attrs: { axis: 0, num_outputs: 2 }, outputs: 2 },
  }),
  Expand: (t) => ({
    'a row': { args: [t(3), ints(4, 3)] },
    'two axes': { args: [t(2, 1, 3, 1), ints(2, 2, 3, 5)] },
    'a scalar': { args: [t(), ints(2, 2)] },
  }),
  DepthToSpace: (t) => ({
    DCR: { args: [t(2, 8, 2, 3)], attrs: { blocksize: 2 } }, CRD: { args: [t(1, 18, 2, 3)], attrs: { blocksize: 3, mode: 'CRD' } },
  }),
  SpaceToDepth: (t) => ({ 'of 2': { args: [t(2, 3, 4, 6)], attrs: { blocksize: 2 } } }),
};
for (const [op, of] of Object.entries(moves)) {
  for (const type of dtypes) {
    const host = !['float32', 'int32', 'uint32'].includes(type);
    for (const [name, given] of Object.entries(of((...dims) => counted(type, dims)))) check(op, `${name}, ${type}`, { ...given, host });
  }
}

check('Pad', 'with zeros', { args: [x(2, 3, 4), ints(0, 1, 2, 1, 0, 3)] });
check('Pad', 'with a value', { args: [x(1, 2, 5, 7), ints(0, 0, 1, 2, 0, 0, 3, 0), fixed(new Tensor('float32', [-1.5], []))] });
check('Pad', 'of some axes', { args: [x(2, 3, 4), ints(1, 2), undefined, ints(1)] });
check('Pad', 'that crops', { args: [x(4, 5), ints(-1, 0, 0, 2)], host: true });
check('Pad', 'by reflection', { args: [x(4, 5), ints(1, 2, 1, 0)], attrs: { mode: 'reflect' }, host: true });
check('Pad', 'of int64', { args: [new Tensor('int64', [1, 2]), ints(1, 1)], host: true });

test('every lowering is tested here or with the windows', () => {
  assert.equal(Object.keys(lowerings).filter((op) => !seen.has(op)), []);
});

/** A chain of nodes, each reading what the one before made (or what it names). */
function chain(dims: Shape, outputs: readonly string[], ...nodes: readonly Omit<Node, 'name'>[]): Graph {
  const constants = new Map<string, Tensor>([
    ['flat', new Tensor('int64', [-1])], ['square', new Tensor('int64', [4, 6])],
    ['axis', new Tensor('int64', [0])], ['k', filled([2, 3], 5)],
  ]);
  return {
    name: 'chain', inputs: [{ name: 'x', type: 'float32', dims }], outputs: outputs.map((name) => ({ name, type: 'float32', dims: [] })),
    nodes: nodes.map((node) => ({ ...node, name: node.outputs[0] })), constants,
  };
}
const step = (op: string, inputs: string[], output: string, attrs = {}): Omit<Node, 'name'> => ({ op, inputs, outputs: [output], attrs });
const views = [step('Reshape', ['x', 'flat'], 'a'), step('Reshape', ['a', 'square'], 'b'), step('Unsqueeze', ['b', 'axis'], 'c')];
const aliasing: Readonly<Record<string, Graph>> = {
  'a chain of views of the input is the output': chain([2, 3, 4], ['c'], ...views),
  'input, views of it and what is made of them are outputs': chain([2, 3, 4], ['x', 'a', 'c', 'd'], ...views, step('Relu', ['b'], 'd')),
  'a view outlives what is made after it': chain([2, 3, 4], ['f'],
    step('Relu', ['x'], 'r'), step('Flatten', ['r'], 'v'), step('Neg', ['r'], 'n'), step('Exp', ['n'], 'e'),
    step('Flatten', ['e'], 'g'), step('Add', ['v', 'g'], 'f')),
  'an output that is a constant': chain([2, 3], ['k', 'y'], step('Add', ['x', 'k'], 'y')),
  'a view of a constant': chain([2, 3], ['s', 'y'], step('Squeeze', ['k'], 's'), step('Mul', ['x', 's'], 'y')),
  'one value twice': chain([2, 3], ['y', 'z'], step('Identity', ['x'], 'i'), step('Mul', ['i', 'x'], 'y'), step('Dropout', ['y'], 'z')),
  'nothing but the input': chain([2, 3], ['x']),
};
for (const [name, graph] of Object.entries(aliasing)) {
  test(name, async () => {
    const fed = { graph, feeds: { x: filled(graph.inputs[0].dims as Shape, 7) } };
    const expected = oracle(fed);
    for (const [device, options] of Object.entries(devices)) {
      const { outputs } = await runOnce(fed, options);
      for (const [output, tensor] of Object.entries(expected)) near(outputs[output], tensor, `${device} ${output}`);
    }
  });
}

/** One weight read in two ways: each reading packs it for itself. */
const shared: Readonly<Record<string, readonly Omit<Node, 'name'>[]>> = {
  'a convolution and a transposed one': [step('Conv', ['x', 'w'], 'a'), step('ConvTranspose', ['x', 'w'], 'b')],
  'a convolution and a grouped one': [
    step('Conv', ['x', 'w'], 'a'), step('Concat', ['x', 'x'], 'xx', { axis: 1 }), step('Conv', ['xx', 'w'], 'b', { group: 2 }),
  ],
};
for (const [name, nodes] of Object.entries(shared)) {
  test(`one weight for ${name}`, () => {
    const graph = chain([1, 4, 3, 3], ['a', 'b'], ...nodes);
    return agrees({ graph: { ...graph, constants: new Map([['w', filled([4, 4, 1, 1], 2)]]) }, feeds: { x: filled([1, 4, 3, 3], 1) } });
  });
}

test('what the host makes of an input in mid-graph does not overtake the steps before it', async () => {
  const nodes = [step('Sigmoid', ['x'], 'r1'), step('Exp', ['r1'], 'r2'), step('Tanh', ['r2'], 'r3'),
    step('Cast', ['z'], 'h', { to: 1 }), step('Add', ['r3', 'h'], 'y')];
  const graph = chain([16], ['y'], ...nodes), z = new Tensor('int32', Int32Array.from({ length: 16 }, (_, i) => 10 * i));
  const feeds = { x: filled([16], 1), z };
  const inputs = [...graph.inputs, { name: 'z', type: 'int32' as const, dims: [16] }];
  for (const [device, options] of Object.entries(devices)) {
    const { outputs } = await runOnce({ graph: { ...graph, inputs }, feeds }, options), got = numbersOf(outputs.y);
    feeds.x.data.forEach((value, i) => {
      const want = Math.tanh(Math.exp(1 / (1 + Math.exp(-value)))) + 10 * i;
      assert.ok(Math.abs(got[i] - want) <= 1e-5 * (1 + want), `${device} y[${i}]: expected ${want}, got ${got[i]}`);
    });
  }
});

test('Split leaves out what nobody names', () => {
  const split: Node = { op: 'Split', name: 'split', inputs: ['x', 'sizes'], outputs: ['a', '', 'b'], attrs: { axis: 1 } };
  const graph = chain([2, 7, 3], ['a', 'b'], split), constants = new Map([['sizes', new Tensor('int64', [1, 4, 2])]]);
  return agrees({ graph: { ...graph, constants }, feeds: { x: filled([2, 7, 3], 1) } });
});

/** Rounding of the argument's multiple of ln 2 and of a few operations. */
const RELATIVE = 1e-6;
/**
 * Largest error allowed. WGSL promises exp(x) within 3 + 2·|x| units in the last place, and some more go where others are computed from
 * it; its tanh is a difference of two exponentials, which near 0 leaves the rounding of 1.
 */
function allowed(device: string, op: string, x: number, want: number): number {
  if (device !== 'webgpu') return RELATIVE * Math.abs(want);
  return (16 + 2 * Math.abs(x)) * 2 ** -23 * Math.abs(want) + (op === 'Tanh' ? 2 ** -23 : 0);
}

const unusual = new Tensor('float32', [NaN, -Infinity, Infinity, -0, 1, -2, 3e38, NaN, 0.5]);
for (const op of [
  'Relu', 'LeakyRelu', 'HardSigmoid', 'HardSwish', 'Sigmoid', 'Tanh', 'Exp', 'Erf',
  'Sqrt', 'Reciprocal', 'Abs', 'Neg', 'Softmax', 'Swish', 'Clip',
]) {
  test(`${op} treats NaN and infinities like the plain loops`, () => agrees(oneNode(op, {}, [unusual])));
}
const grid = new Tensor('float32', Float32Array.from({ length: 4001 }, (_, i) => ((i - 2000) / 2000) ** 3 * 86));
const functions: Readonly<Record<string, (x: number) => number>> = {
  Exp: Math.exp, Sigmoid: (x) => 1 / (1 + Math.exp(-x)), Swish: (x) => x / (1 + Math.exp(-x)), Tanh: Math.tanh,
};
for (const [op, of] of Object.entries(functions)) {
  test(`${op} keeps its digits from -86 to 86`, async () => {
    for (const [device, options] of Object.entries(devices)) {
      if (device === 'reference') continue;
      const got = (await runOnce(oneNode(op, {}, [grid]), options)).outputs.y0.data as Float32Array;
      grid.data.forEach((x, i) => {
        const want = of(x), error = Math.abs(got[i] - want);
        const text = `${device} ${op}(${x}): expected ${want}, got ${got[i]}`;
        if (!(error <= allowed(device, op, x, want))) assert.unreachable(text);
      });
    }
  });
}
for (const op of ['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max', 'PRelu']) {
  test(
    `${op} treats NaN and infinities like the plain loops`,
    () => agrees(oneNode(op, {}, [unusual, op === 'PRelu' ? fixed(filled([9], 3)) : filled([9], 3)])),
  );
}
test('NaN passes through products, pools and reductions as in the plain loops', async () => {
  const image = filled([1, 2, 5, 6], 1);
  image.data[7] = NaN;
  for (const [op, attrs, args] of [
    ['Conv', { pads: [1, 1, 1, 1], min: 0, max: 6 }, [w(3, 2, 3, 3)]],
    ['Conv', { group: 2 }, [w(2, 1, 3, 3)]], ['MaxPool', { kernel_shape: [2, 2] }, []],
    ['AveragePool', { kernel_shape: [2, 2] }, []], ['GlobalAveragePool', {}, []],
    ['ReduceMax', {}, [ints(1)]], ['ReduceMax', {}, [ints(3)]], ['ConvTranspose', {}, [w(2, 2, 2, 2)]],
  ] as const) await agrees(oneNode(op, attrs, [image, ...args]));
  assert.ok(Number.isNaN(numbersOf(image)[7]));
});

test.run();
