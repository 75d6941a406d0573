import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate, specialize } from '../../src/graph/evaluate.ts';
import { sinkTransposes } from '../../src/graph/passes/transposes.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { operatorNames } from '../../src/io/tflite/schema.ts';
import { numbersOf, sizeOf, Tensor } from '../../src/tensor.ts';
import { type Cells, made, makeTflite } from './tflite-file.ts';

// Every operator on small inputs; TensorFlow.js says what comes out.

const wave = (...dims: number[]): Tensor =>
  new Tensor('float32', Float32Array.from({ length: sizeOf(dims) }, (_, i) => Math.sin(1 + 1.7 * i) * 2), dims);
const whole = (values: number[], dims = [values.length]): Tensor => new Tensor('int32', values, dims);
const tfOf = (t: Tensor): tf.Tensor => tf.tensor(t.data as Float32Array, t.dims as number[], t.type as 'float32');

interface Case {
  readonly op: string;
  readonly note?: string;
  /** Input 0 … of the operator; `x` marks which of them is fed, the others are constants. */
  readonly inputs: readonly Tensor[];
  readonly x?: number;
  readonly options?: Cells;
  readonly custom?: { readonly name: string; readonly options: Uint8Array };
  readonly expected: (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];
}

const x = wave(2, 5, 6, 3);
const y = wave(2, 4, 4, 8);
const pool = (padding: number, [sh, sw]: number[], [kh, kw]: number[]): Cells =>
  ({ 0: { byte: padding }, 1: { int: sw }, 2: { int: sh }, 3: { int: kw }, 4: { int: kh } });
const image = (t: tf.Tensor) => t as tf.Tensor4D;
const same = 0;
const valid = 1;
const struct = (...values: number[]) => new Uint8Array(Int32Array.from(values).buffer);

const cases: Case[] = [
  ...[
    { padding: same, s: [2, 1], d: [1, 1] }, { padding: valid, s: [1, 2], d: [1, 1] }, { padding: same, s: [1, 1], d: [2, 1] },
  ].map(({ padding, s, d }): Case => ({
    op: 'CONV_2D', note: `padding ${padding} strides ${s} dilations ${d}`, inputs: [x, wave(4, 3, 2, 3), wave(4)],
    options: { 0: { byte: padding }, 1: { int: s[1] }, 2: { int: s[0] }, 3: { byte: 1 }, 4: { int: d[1] }, 5: { int: d[0] } },
    expected: (a, w, b) => {
      const filter = tf.transpose(w, [1, 2, 3, 0]) as tf.Tensor4D;
      const [strides, dilations] = [s, d] as [number, number][];
      return tf.relu(tf.add(tf.conv2d(image(a), filter, strides, padding === same ? 'same' : 'valid', 'NHWC', dilations), b));
    },
  })),
  ...[same, valid].map((padding): Case => ({
    op: 'DEPTHWISE_CONV_2D', note: `padding ${padding}, multiplier 2`, inputs: [x, wave(1, 3, 3, 6), wave(6)],
    options: { 0: { byte: padding }, 1: { int: 2 }, 2: { int: 2 }, 3: { int: 2 }, 4: { byte: 3 } },
    expected: (a, w, b) => tf.clipByValue(
      tf.add(tf.depthwiseConv2d(image(a), tf.reshape(w, [3, 3, 3, 2]) as tf.Tensor4D, 2, padding === same ? 'same' : 'valid'), b),
      0, 6,
    ),
  })),
  ...([['same', 10, 12], ['same', 9, 11], ['valid', 11, 13]] as const).map(([pad, h, w]): Case => ({
    op: 'TRANSPOSE_CONV', note: `${pad} to ${h}x${w}`, inputs: [whole([2, h, w, 4]), wave(4, 3, 3, 3), x], x: 2,
    options: { 0: { byte: pad === 'same' ? same : valid }, 1: { int: 2 }, 2: { int: 2 } },
    expected: (_, k, a) => tf.conv2dTranspose(image(a), tf.transpose(k, [1, 2, 0, 3]) as tf.Tensor4D, [2, h, w, 4], 2, pad),
  })),
  {
    op: 'CUSTOM', note: 'Convolution2DTransposeBias', inputs: [x, wave(4, 2, 2, 3), wave(4)],
    custom: { name: 'Convolution2DTransposeBias', options: struct(1, 2, 2) },
    expected: (a, k, b) => tf.add(tf.conv2dTranspose(image(a), tf.transpose(k, [1, 2, 0, 3]) as tf.Tensor4D, [2, 10, 12, 4], 2, 'same'), b),
  },
  {
    op: 'FULLY_CONNECTED',
    note: 'flattens',
    inputs: [x, wave(4, 90), wave(4)],
    options: { 0: { byte: 1 } },
    expected: (a, w, b) => tf.relu(tf.add(tf.matMul(tf.reshape(a, [2, 90]) as tf.Tensor2D, w as tf.Tensor2D, false, true), b)),
  },
  {
    op: 'FULLY_CONNECTED',
    note: 'rows, no bias',
    inputs: [wave(3, 5), wave(4, 5)],
    expected: (a, w) => tf.matMul(a as tf.Tensor2D, w as tf.Tensor2D, false, true),
  },
  {
    op: 'FULLY_CONNECTED', note: 'keeps dimensions', inputs: [wave(2, 3, 5), wave(4, 5), wave(4)], options: { 2: { byte: 1 } },
    expected: (a, w, b) => tf.reshape(tf.add(tf.matMul(tf.reshape(a, [6, 5]) as tf.Tensor2D, w as tf.Tensor2D, false, true), b), [2, 3, 4]),
  },
  {
    op: 'AVERAGE_POOL_2D', inputs: [x], options: pool(same, [2, 2], [3, 3]),
    expected: (a) => tf.avgPool(image(a), [3, 3], [2, 2], 'same'),
  },
  { op: 'MAX_POOL_2D', inputs: [x], options: pool(valid, [1, 2], [2, 3]), expected: (a) => tf.maxPool(image(a), [2, 3], [1, 2], 'valid') },
  {
    op: 'MAX_POOL_2D', note: 'same', inputs: [x], options: pool(same, [2, 2], [2, 2]),
    expected: (a) => tf.maxPool(image(a), [2, 2], [2, 2], 'same'),
  },
  ...([[0, 0], [1, 0], [0, 1]] as const).flatMap(([aligned, centred]): Case[] => [
    {
      op: 'RESIZE_BILINEAR',
      note: `aligned ${aligned} centred ${centred}`,
      inputs: [x, whole([7, 4])],
      options: { 2: { byte: aligned }, 3: { byte: centred } },
      expected: (a) => tf.image.resizeBilinear(image(a), [7, 4], aligned === 1, centred === 1),
    },
    {
      op: 'RESIZE_NEAREST_NEIGHBOR',
      note: `aligned ${aligned} centred ${centred}`,
      inputs: [x, whole([10, 4])],
      options: { 0: { byte: aligned }, 1: { byte: centred } },
      expected: (a) => tf.image.resizeNearestNeighbor(image(a), [10, 4], aligned === 1, centred === 1),
    },
  ]),
  { op: 'DEPTH_TO_SPACE', inputs: [y], options: { 0: { int: 2 } }, expected: (a) => tf.depthToSpace(image(a), 2) },
  {
    op: 'SPACE_TO_DEPTH',
    inputs: [y],
    options: { 0: { int: 2 } },
    expected: (a) => tf.reshape(tf.transpose(tf.reshape(a, [2, 2, 2, 2, 2, 8]), [0, 1, 3, 2, 4, 5]), [2, 2, 2, 32]),
  },
  ...(['ADD', 'SUB', 'MUL', 'DIV', 'MAXIMUM', 'MINIMUM', 'SQUARED_DIFFERENCE'] as const).map((op): Case => ({
    op, inputs: [x, wave(6, 3)],
    expected: (a, b) => ({
      ADD: tf.add, SUB: tf.sub, MUL: tf.mul, DIV: tf.div, MAXIMUM: tf.maximum,
      MINIMUM: tf.minimum, SQUARED_DIFFERENCE: tf.squaredDifference,
    })[op](a, b),
  })),
  {
    op: 'SUB', note: 'from a constant, RELU_N1_TO_1', inputs: [wave(3), x], x: 1,
    options: { 0: { byte: 2 } }, expected: (a, b) => tf.clipByValue(tf.sub(a, b), -1, 1),
  },
  { op: 'POW', inputs: [x, new Tensor('float32', [2], [])], expected: (a) => tf.square(a) },
  ...Object.entries({
    LOGISTIC: tf.sigmoid, TANH: tf.tanh, RELU: tf.relu, RELU6: tf.relu6, ELU: tf.elu,
    EXP: tf.exp, SQUARE: tf.square, NEG: tf.neg, ABS: tf.abs, FLOOR: tf.floor,
    SOFTMAX: (a: tf.Tensor) => tf.softmax(a), RELU_N1_TO_1: (a: tf.Tensor) => tf.clipByValue(a, -1, 1),
    HARD_SWISH: (a: tf.Tensor) => tf.div(tf.mul(a, tf.relu6(tf.add(a, 3))), 6),
    L2_NORMALIZATION: (a: tf.Tensor) => tf.div(a, tf.sqrt(tf.sum(tf.square(a), -1, true))),
  }).map(([op, f]): Case => ({ op, inputs: [x], expected: (a) => f(a) })),
  ...Object.entries({ LOG: tf.log, SQRT: tf.sqrt, RSQRT: tf.rsqrt }).map(([op, f]): Case => ({
    op, inputs: [new Tensor('float32', [0.5, 1, 2, 9], [2, 2])], expected: (a) => f(a),
  })),
  { op: 'SOFTMAX', note: 'beta 2', inputs: [x], options: { 0: { float: 2 } }, expected: (a) => tf.softmax(tf.mul(a, 2)) },
  { op: 'PRELU', inputs: [x, wave(1, 1, 3)], expected: (a, b) => tf.prelu(a, b) },
  { op: 'LEAKY_RELU', inputs: [x], options: { 0: { float: 0.3 } }, expected: (a) => tf.leakyRelu(a, 0.3) },
  { op: 'CONCATENATION', inputs: [x, wave(2, 5, 6, 2)], options: { 0: { int: -1 } }, expected: (a, b) => tf.concat([a, b], 3) },
  { op: 'RESHAPE', inputs: [x, whole([2, -1, 3])], expected: (a) => tf.reshape(a, [2, 30, 3]) },
  { op: 'RESHAPE', note: 'shape in the options', inputs: [x], options: { 0: { ints: [6, 30] } }, expected: (a) => tf.reshape(a, [6, 30]) },
  { op: 'SQUEEZE', inputs: [wave(1, 3, 1, 2)], options: { 0: { ints: [2] } }, expected: (a) => tf.squeeze(a, [2]) },
  { op: 'EXPAND_DIMS', inputs: [x, whole([-1], [])], expected: (a) => tf.expandDims(a, -1) },
  { op: 'PAD', inputs: [x, whole([0, 0, 1, 2, 0, 1, 0, 3], [4, 2])], expected: (a) => tf.pad(a, [[0, 0], [1, 2], [0, 1], [0, 3]]) },
  {
    op: 'PADV2',
    inputs: [x, whole([0, 0, 1, 0, 0, 1, 0, 0], [4, 2]), new Tensor('float32', [7], [])],
    expected: (a) => tf.pad(a, [[0, 0], [1, 0], [0, 1], [0, 0]], 7),
  },
  {
    op: 'MIRROR_PAD',
    inputs: [x, whole([0, 0, 2, 1, 1, 2, 0, 0], [4, 2])],
    expected: (a) => tf.mirrorPad(a, [[0, 0], [2, 1], [1, 2], [0, 0]], 'reflect'),
  },
  ...Object.entries({ MEAN: tf.mean, SUM: tf.sum, REDUCE_MAX: tf.max, REDUCE_MIN: tf.min }).flatMap(([op, f]): Case[] =>
    [0, 1].map((keep) => ({
      op, note: `keep ${keep}`, inputs: [x, whole([1, 2])], options: { 0: { byte: keep } }, expected: (a) => f(a, [1, 2], keep === 1),
    }))),
  { op: 'SLICE', inputs: [x, whole([0, 1, 2, 0]), whole([2, 3, -1, 2])], expected: (a) => tf.slice(a, [0, 1, 2, 0], [2, 3, 4, 2]) },
  {
    op: 'STRIDED_SLICE', note: 'masks',
    inputs: [x, whole([1, 4, 1, -1]), whole([0, 0, 5, 0]), whole([1, -2, 2, 1])],
    options: { 0: { int: 0b0001 }, 1: { int: 0b0011 }, 4: { int: 0b1000 } },
    expected: (a) => tf.squeeze(tf.stridedSlice(a, [0, 4, 1, 2], [2, -9, 5, 3], [1, -2, 2, 1]), [3]),
  },
  { op: 'SPLIT', inputs: [whole([2], []), x], x: 1, options: { 0: { int: 3 } }, expected: (_, a) => tf.split(a, 3, 2) },
  { op: 'SPLIT_V', inputs: [x, whole([1, -1, 2]), whole([1], [])], options: { 0: { int: 3 } }, expected: (a) => tf.split(a, [1, 2, 2], 1) },
  { op: 'TRANSPOSE', inputs: [x, whole([3, 0, 2, 1])], expected: (a) => tf.transpose(a, [3, 0, 2, 1]) },
  { op: 'GATHER', inputs: [x, whole([2, 0])], options: { 0: { int: 2 } }, expected: (a, i) => tf.gather(a, i as tf.Tensor1D, 2) },
  {
    op: 'PACK',
    inputs: [wave(2, 3), new Tensor('float32', [1, 2, 3, 4, 5, 6], [2, 3])],
    options: { 0: { int: 2 }, 1: { int: -1 } },
    expected: (a, b) => tf.stack([a, b], -1),
  },
  { op: 'UNPACK', inputs: [x], options: { 0: { int: 2 }, 1: { int: 0 } }, expected: (a) => tf.unstack(a, 0) },
  { op: 'SHAPE', inputs: [x], options: { 0: { byte: 2 } }, expected: () => tf.tensor([2, 5, 6, 3], [4], 'int32') },
  { op: 'CAST', inputs: [new Tensor('int32', [1, 2, 3])], expected: (a) => tf.cast(a, 'float32') },
  {
    op: 'BATCH_MATMUL',
    inputs: [wave(2, 3, 4), wave(2, 5, 4)],
    options: { 1: { byte: 1 } },
    expected: (a, b) => tf.matMul(a as tf.Tensor3D, b as tf.Tensor3D, false, true),
  },
];

function fileOf({ op, inputs, x = 0, options, custom }: Case, outputs: readonly tf.Tensor[]): Uint8Array {
  const tensors = inputs.map((tensor, i) => (i === x ? { ...made('x', tensor), data: undefined } : made(`constant${i}`, tensor)));
  const results = outputs.map((t, i) => ({ name: `y${i}`, dims: t.shape, type: t.dtype as 'float32' | 'int32' }));
  const ids = outputs.map((_, i) => inputs.length + i);
  return makeTflite({
    tensors: [...tensors, ...results], inputs: [x], outputs: ids,
    operators: [{
      code: operatorNames.indexOf(op), inputs: inputs.map((_, i) => i), outputs: ids,
      options, custom: custom?.name, customOptions: custom?.options,
    }],
  });
}

test.before(async () => {
  await tf.setBackend('wasm');
});

for (const row of cases) {
  test(`${row.op} ${row.note ?? ''}`, () => {
    const expected = [row.expected(...row.inputs.map(tfOf))].flat();
    const graph = readTflite(fileOf(row, expected));
    const { graph: fixed, types } = specialize(graph);
    for (const [stage, g] of Object.entries({ read: graph, specialised: fixed, sunk: sinkTransposes(fixed, types) })) {
      const results = evaluate(g, { x: row.inputs[row.x ?? 0] });
      expected.forEach((want, i) => {
        const got = results[`y${i}`];
        assert.equal(got.dims, want.shape, stage);
        const [a, b] = [numbersOf(got), want.dataSync()];
        for (let k = 0; k < b.length; k++) {
          assert.ok(Math.abs(a[k] - b[k]) <= 1e-4 + 1e-4 * Math.abs(b[k]), `${stage} output ${i} element ${k}: ${a[k]}, expected ${b[k]}`);
        }
      });
    }
  });
}

test.run();
