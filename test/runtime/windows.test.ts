import { test } from 'uvu';
import type { Attr } from '../../src/graph/graph.ts';
import type { Shape } from '../../src/tensor.ts';
import { filled } from '../graph/call.ts';
import { agrees, fixed, oneNode, type Argument } from './nodes.ts';

// Convolutions and pools of every geometry, on every device, against the plain loops.

interface Case {
  readonly x: Shape;
  readonly w: Shape;
  readonly attrs?: Readonly<Record<string, Attr>>;
  readonly bias?: number;
  readonly residual?: Shape;
}

const clamp = { min: -0.4, max: 0.7 };

const convs: Readonly<Record<string, Case>> = {
  '1x1': { x: [1, 5, 7, 9], w: [6, 5, 1, 1], bias: 6 },
  '1x1, one pixel': { x: [1, 37, 1, 1], w: [11, 37, 1, 1], bias: 11, attrs: clamp, residual: [1, 11, 1, 1] },
  '1x1, one pixel, two images': { x: [2, 7, 1, 1], w: [3, 7, 1, 1], bias: 3, residual: [2, 3, 1, 1] },
  '1x1, one channel to one': { x: [1, 1, 1, 1], w: [1, 1, 1, 1] },
  '1x1, stride 2': { x: [1, 6, 9, 11], w: [7, 6, 1, 1], bias: 7, attrs: { strides: [2, 2] } },
  '1x1 with pads': { x: [1, 3, 4, 5], w: [2, 3, 1, 1], bias: 2, attrs: { pads: [1, 2, 0, 1] } },
  '1x1, K in several blocks, residual, clamp': { x: [1, 700, 5, 7], w: [9, 700, 1, 1], bias: 9, attrs: clamp, residual: [1, 9, 5, 7] },
  '2x2': { x: [1, 3, 6, 7], w: [4, 3, 2, 2], bias: 4 },
  '3x3': { x: [1, 3, 8, 17], w: [5, 3, 3, 3], bias: 5, attrs: { pads: [1, 1, 1, 1] } },
  '3x3, stride 2': { x: [1, 3, 17, 19], w: [5, 3, 3, 3], attrs: { strides: [2, 2], pads: [1, 1, 1, 1] } },
  '3x3, stride 3': { x: [1, 3, 17, 20], w: [5, 3, 3, 3], bias: 5, attrs: { strides: [3, 3], pads: [0, 2, 1, 1] } },
  '3x3, strides 1 and 2': { x: [1, 2, 9, 12], w: [3, 2, 3, 3], attrs: { strides: [1, 2], pads: [1, 0, 1, 2] } },
  '3x3, stride 2, columns left over': { x: [1, 2, 8, 40], w: [3, 2, 3, 3], attrs: { strides: [2, 3] } },
  '3x3, dilation 2': { x: [1, 3, 11, 13], w: [4, 3, 3, 3], bias: 4, attrs: { dilations: [2, 2], pads: [2, 2, 2, 2] } },
  '3x3, dilation 2, stride 2': { x: [1, 3, 11, 13], w: [4, 3, 3, 3], attrs: { dilations: [2, 1], strides: [2, 2], pads: [2, 1, 2, 1] } },
  '3x3, pads on every side different': { x: [1, 2, 5, 6], w: [3, 2, 3, 3], bias: 3, attrs: { pads: [2, 0, 1, 3] } },
  '3x3, pads wider than the image': { x: [1, 2, 2, 2], w: [3, 2, 3, 3], attrs: { pads: [4, 5, 4, 5] } },
  '3x3, auto_pad': { x: [1, 2, 7, 8], w: [3, 2, 3, 3], attrs: { auto_pad: 'SAME_UPPER', strides: [2, 2] } },
  '5x5': { x: [1, 2, 9, 10], w: [3, 2, 5, 5], bias: 3, attrs: { pads: [2, 2, 2, 2] } },
  '7x7, stride 2': { x: [1, 3, 21, 23], w: [8, 3, 7, 7], bias: 8, attrs: { strides: [2, 2], pads: [3, 3, 3, 3], min: 0 } },
  '1x3': { x: [1, 3, 5, 9], w: [4, 3, 1, 3], attrs: { pads: [0, 1, 0, 1] } },
  '5x1': { x: [1, 3, 9, 5], w: [4, 3, 5, 1], bias: 4, attrs: { pads: [2, 0, 2, 0] } },
  'one output pixel': { x: [1, 4, 3, 3], w: [5, 4, 3, 3], bias: 5, attrs: clamp, residual: [1, 5, 1, 1] },
  'one output column': { x: [1, 4, 9, 3], w: [5, 4, 3, 3] },
  'residual and clamp': { x: [2, 3, 6, 11], w: [7, 3, 3, 3], bias: 7, attrs: { pads: [1, 1, 1, 1], ...clamp }, residual: [2, 7, 6, 11] },
  'residual without bias': { x: [1, 3, 4, 4], w: [4, 3, 1, 1], residual: [1, 4, 4, 4] },
  'groups': { x: [1, 6, 7, 8], w: [9, 2, 3, 3], bias: 9, attrs: { group: 3, pads: [1, 1, 1, 1] } },
  'groups, 1x1, two images, residual': { x: [2, 6, 5, 5], w: [4, 3, 1, 1], bias: 4, attrs: { group: 2, ...clamp }, residual: [2, 4, 5, 5] },
  'groups on one pixel': { x: [2, 6, 1, 1], w: [4, 3, 1, 1], bias: 4, attrs: { group: 2 } },
  'one-dimensional': { x: [2, 3, 21], w: [4, 3, 3], bias: 4, attrs: { strides: [2], pads: [1, 2], dilations: [2] } },
  'one-dimensional, depthwise': { x: [2, 3, 21], w: [3, 1, 5], bias: 3, attrs: { group: 3, pads: [2, 2] } },
};

/** Depthwise convolutions of every width up to two strips and a bit. */
const depthwise: Readonly<Record<string, Case>> = {
  ...Object.fromEntries([1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 16, 17, 19, 23, 24, 25, 28, 29, 33, 47].flatMap((width) => [
    [`3x3 on ${width} columns`, { x: [1, 3, 5, width], w: [3, 1, 3, 3], bias: 3, attrs: { group: 3, pads: [1, 1, 1, 1] } }],
    [`5x5 on ${width} columns`, { x: [1, 3, 5, width], w: [3, 1, 5, 5], bias: 3, attrs: { group: 3, pads: [2, 2, 2, 2] } }],
  ] as [string, Case][])),
  'multiplier 2, residual, clamp': {
    x: [2, 3, 6, 9], w: [6, 1, 3, 3], bias: 6, attrs: { group: 3, pads: [1, 1, 1, 1], ...clamp }, residual: [2, 6, 6, 9],
  },
  'multiplier 3, 5x5, stride 2': { x: [1, 2, 9, 19], w: [6, 1, 5, 5], bias: 6, attrs: { group: 2, pads: [2, 1, 0, 2], strides: [2, 2] } },
  '3x3, no padding': { x: [1, 4, 9, 15], w: [4, 1, 3, 3], attrs: { group: 4 } },
  '3x3, stride 2': { x: [1, 4, 18, 19], w: [4, 1, 3, 3], bias: 4, attrs: { group: 4, strides: [2, 2], pads: [0, 0, 1, 1] } },
  '3x3, stride 3': { x: [1, 4, 18, 30], w: [4, 1, 3, 3], attrs: { group: 4, strides: [3, 3] } },
  '3x3, dilation 2': { x: [1, 4, 9, 11], w: [4, 1, 3, 3], attrs: { group: 4, dilations: [2, 2], pads: [2, 2, 2, 2] } },
  '1x1': { x: [1, 4, 3, 5], w: [4, 1, 1, 1], bias: 4, attrs: { group: 4, ...clamp } },
  '3x1': { x: [1, 4, 5, 6], w: [4, 1, 3, 1], attrs: { group: 4, pads: [1, 0, 1, 0] } },
  'one row': { x: [1, 2, 3, 22], w: [2, 1, 3, 3], attrs: { group: 2 } },
};

const transposed: Readonly<Record<string, Case>> = {
  '2x2, stride 2': { x: [1, 4, 5, 6], w: [4, 3, 2, 2], bias: 3, attrs: { strides: [2, 2] } },
  '3x3, pads, output_padding': {
    x: [1, 4, 5, 6], w: [4, 3, 3, 3], bias: 3, attrs: { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] },
  },
  '3x3, dilation, asymmetric pads': { x: [1, 4, 5, 6], w: [4, 3, 3, 3], attrs: { dilations: [2, 2], pads: [1, 0, 2, 3] } },
  'groups, two images': { x: [2, 4, 3, 5], w: [4, 3, 3, 2], bias: 6, attrs: { group: 2, strides: [1, 2] } },
  'depthwise': { x: [1, 4, 3, 5], w: [4, 1, 4, 4], attrs: { group: 4, strides: [2, 2], pads: [1, 1, 1, 1] } },
  'one pixel': { x: [1, 7, 1, 1], w: [7, 5, 2, 3], bias: 5, attrs: { strides: [2, 2] } },
  'clamped': { x: [1, 4, 5, 6], w: [4, 3, 2, 2], bias: 3, attrs: { strides: [2, 2], ...clamp } },
  'stride beyond the kernel': { x: [1, 2, 3, 3], w: [2, 2, 2, 2], bias: 2, attrs: { strides: [3, 3] } },
  'one-dimensional': { x: [1, 3, 8], w: [3, 2, 4], bias: 2, attrs: { strides: [2], pads: [1, 1] } },
  'output_shape': { x: [1, 2, 3, 3], w: [2, 2, 3, 3], attrs: { strides: [2, 2], output_shape: [6, 6], auto_pad: 'SAME_UPPER' } },
};

function argumentsOf({ x, w, bias, residual }: Case): Argument[] {
  const args = [filled(x, 1), fixed(filled(w, 2)), bias ? fixed(filled([bias], 3)) : undefined, residual && filled(residual, 4)];
  return args.slice(0, args.findLastIndex((arg) => arg !== undefined) + 1);
}

for (const [op, cases] of [['Conv', convs], ['Conv', depthwise], ['ConvTranspose', transposed]] as const) {
  for (const [name, given] of Object.entries(cases)) {
    test(`${op} ${cases === depthwise ? 'depthwise ' : ''}${name}`, () => agrees(oneNode(op, given.attrs ?? {}, argumentsOf(given))));
  }
}

test('a convolution of no image', () => agrees(oneNode('Conv', {}, [filled([0, 2, 3, 3], 1), fixed(filled([3, 2, 2, 2], 2))])));
test('a convolution of no channel is its bias', () =>
  agrees(oneNode('Conv', {}, [filled([1, 0, 3, 3], 1), fixed(filled([3, 0, 2, 2], 2)), fixed(filled([3], 3))]), { host: true }));
test('a convolution whose weight is computed runs on the host', () => agrees(
  oneNode('Conv', {}, [filled([1, 2, 3, 3], 1), filled([3, 2, 2, 2], 2)]), { host: true },
));

const geometries: Readonly<Record<string, { readonly x: Shape; readonly attrs: Readonly<Record<string, Attr>> }>> = {
  '2x2, stride 2': { x: [2, 3, 8, 10], attrs: { kernel_shape: [2, 2], strides: [2, 2] } },
  '3x3, stride 2, pads': { x: [1, 3, 17, 18], attrs: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
  'ceil_mode': { x: [1, 3, 8, 20], attrs: { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 } },
  'ceil_mode, pads': { x: [1, 2, 7, 9], attrs: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 0, 1], ceil_mode: 1 } },
  'stride 3, ceil_mode': { x: [1, 2, 11, 11], attrs: { kernel_shape: [2, 2], strides: [3, 3], ceil_mode: 1 } },
  'dilation': { x: [1, 2, 9, 11], attrs: { kernel_shape: [3, 2], dilations: [2, 3] } },
  'asymmetric': { x: [1, 2, 9, 37], attrs: { kernel_shape: [1, 5], strides: [1, 1], pads: [0, 2, 0, 1] } },
  'auto_pad': { x: [1, 2, 9, 10], attrs: { kernel_shape: [3, 3], strides: [2, 2], auto_pad: 'SAME_LOWER' } },
  'one-dimensional': { x: [2, 3, 29], attrs: { kernel_shape: [3], strides: [2], pads: [1, 0] } },
  'the whole image': { x: [1, 3, 5, 7], attrs: { kernel_shape: [5, 7] } },
  ...Object.fromEntries([1, 5, 9, 11, 15, 17, 18, 22, 26, 35].map((width) =>
    [`3x3 on ${width} columns`, { x: [1, 2, 5, width], attrs: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] } }])),
};

for (const [name, { x, attrs }] of Object.entries(geometries)) {
  test(`MaxPool ${name}`, () => agrees(oneNode('MaxPool', attrs, [filled(x, 5)])));
  test(`AveragePool ${name}`, () => agrees(oneNode('AveragePool', attrs, [filled(x, 6)])));
  test(`AveragePool with the padding, ${name}`, () => agrees(oneNode('AveragePool', { ...attrs, count_include_pad: 1 }, [filled(x, 7)])));
}

for (const x of [[1, 3, 1, 1], [2, 5, 7, 7], [1, 4, 1, 13], [3, 2, 9]]) {
  for (const op of ['GlobalAveragePool', 'GlobalMaxPool']) test(`${op} [${x}]`, () => agrees(oneNode(op, {}, [filled(x, 8)])));
}

test('MaxPool with its indices runs on the host', () => agrees(
  oneNode('MaxPool', { kernel_shape: [2, 2] }, [filled([1, 2, 4, 4], 9)], 2), { host: true },
));

test.run();
