import { expect } from '../../../expect.ts';
import type { Attr } from '../../../graph/graph.ts';
import { byte, int } from '../flat.ts';
import { constantNumbers, emit, has, inputDims, longList, operand, outputDims, permuted, type Site, type Step } from '../draft.ts';
import { activation, positive, type Rewrite } from './common.ts';

// Images are [batch, height, width, channels] in the file and [batch, channels, height, width] here; pairs are [height, width].

type Pair = readonly [number, number];
interface Window { readonly kernel: Pair; readonly strides: Pair; readonly dilations: Pair }

export const toChannelsFirst: Step = { op: 'Transpose', attrs: { perm: [0, 3, 1, 2] } };
export const toChannelsLast: Step = { op: 'Transpose', attrs: { perm: [0, 2, 3, 1] } };

function emitSpatial(site: Site, x: string, steps: readonly Step[]): void {
  emit(site, x, [toChannelsFirst, ...steps, toChannelsLast]);
}

const samePadding = 0;
const validPadding = 1;

/**
 * Padding as attributes. SAME is TensorFlow's: the output is ⌈input / stride⌉ and the odd pixel goes to the end. It stays a rule
 * (`auto_pad`) where the image size is not known and matters.
 */
function paddingOf(padding: number, image: readonly number[], { kernel, strides, dilations }: Window): Record<string, Attr> {
  if (padding !== samePadding) return { pads: [0, 0, 0, 0] };
  if (image.some((size, i) => size < 0 && strides[i] > 1)) return { auto_pad: 'SAME_UPPER' };
  const totals = image.map((size, i) => {
    const reach = (kernel[i] - 1) * dilations[i] + 1;
    const steps = size < 0 ? 0 : (Math.ceil(size / strides[i]) - 1) * strides[i] - size + 1;
    return Math.max(steps + reach - 1, 0);
  });
  const before = totals.map((total) => Math.floor(total / 2));
  return { pads: [...before, ...totals.map((total, i) => total - before[i])] };
}

function windowOf(site: Site, kernel: readonly number[], strides: Pair, dilations: Pair = [1, 1]): Window {
  const pair = (what: string, [h, w]: readonly number[]): Pair => [positive(site, what, h), positive(site, what, w)];
  return { kernel: pair('kernel size', kernel), strides: pair('stride', strides), dilations: pair('dilation', dilations) };
}

const bias = (site: Site): string[] => (has(site, 2) ? [operand(site, 2)] : []);

interface ConvOptions { padding: number; strides: Pair; dilations: Pair; fused: number }

function convolution(site: Site, { padding, strides, dilations, fused }: ConvOptions, perm: number[], group: number): void {
  const [, kh, kw] = inputDims(site, 1, 4);
  const window = windowOf(site, [kh, kw], strides, dilations);
  const attrs = {
    kernel_shape: window.kernel, strides: window.strides, dilations: window.dilations, group,
    ...paddingOf(padding, inputDims(site, 0, 4).slice(1, 3), window),
  };
  const more = [permuted(site, 1, perm), ...bias(site)];
  emitSpatial(site, operand(site, 0), [{ op: 'Conv', more, attrs }, ...activation(site, fused)]);
}

/** Weights [O, KH, KW, I/groups] become [O, I/groups, KH, KW]. */
function conv(site: Site): void {
  const o = site.options({
    padding: [0, byte()], strideW: [1, int()], strideH: [2, int()], fused: [3, byte()], dilationW: [4, int(1)], dilationH: [5, int(1)],
  });
  const channels = inputDims(site, 0, 4)[3];
  const perGroup = inputDims(site, 1, 4)[3];
  const group = channels / perGroup;
  const divides = Number.isInteger(group) && group >= 1;
  expect(divides, { kind: 'shape', where: site.where, needs: `channels in groups of ${perGroup}`, got: `${channels}` });
  const options = { ...o, strides: [o.strideH, o.strideW] as const, dilations: [o.dilationH, o.dilationW] as const };
  convolution(site, options, [0, 3, 1, 2], group);
}

/** Weights [1, KH, KW, C·multiplier] become [C·multiplier, 1, KH, KW], one group a channel. */
function depthwise(site: Site): void {
  const o = site.options({
    padding: [0, byte()], strideW: [1, int()], strideH: [2, int()], fused: [4, byte()], dilationW: [5, int(1)], dilationH: [6, int(1)],
  });
  const group = positive(site, 'number of channels', inputDims(site, 0, 4)[3]);
  const options = { ...o, strides: [o.strideH, o.strideW] as const, dilations: [o.dilationH, o.dilationW] as const };
  convolution(site, options, [3, 0, 1, 2], group);
}

interface Transposed {
  /** Which input holds the image. */
  readonly image: number;
  readonly bias: string[];
  readonly padding: number;
  readonly strides: Pair;
  readonly fused: number;
}

/**
 * Weights [O, KH, KW, I] become [I, O, KH, KW]. The file gives the output size; SAME pads as the convolution from that size down to the
 * input's would, so pads and output padding follow from size = (input - 1)·stride + kernel - pads + output padding.
 */
function transposedConvolution(site: Site, { image, bias, padding, strides, fused }: Transposed): void {
  const [, kh, kw] = inputDims(site, 1, 4);
  const window = windowOf(site, [kh, kw], strides);
  const from = inputDims(site, image, 4).slice(1, 3);
  const to = outputDims(site, 0, 4).slice(1, 3);
  const fixed = [...from, ...to].every((size) => size >= 0);
  expect(fixed, { kind: 'unsupported', where: site.where, needs: 'an image of known size', got: `[${from}] to [${to}]` });
  const excess = from.map((size, i) => (size - 1) * strides[i] + window.kernel[i] - to[i]);
  const before = to.map((size, i) => {
    if (padding !== samePadding) return 0;
    const down = (Math.ceil(size / strides[i]) - 1) * strides[i] + window.kernel[i] - size;
    return Math.floor(Math.max(down, 0) / 2);
  });
  const after = excess.map((total, i) => total - before[i]);
  const attrs = {
    kernel_shape: window.kernel, strides: window.strides, dilations: window.dilations, group: 1,
    pads: [...before, ...after.map((pad) => Math.max(pad, 0))], output_padding: after.map((pad) => Math.max(-pad, 0)),
  };
  const weights = permuted(site, 1, [3, 0, 1, 2]);
  const steps = [{ op: 'ConvTranspose', more: [weights, ...bias], attrs }, ...activation(site, fused)];
  emitSpatial(site, operand(site, image), steps);
}

function transposeConv(site: Site): void {
  const o = site.options({ padding: [0, byte()], strideW: [1, int()], strideH: [2, int()], fused: [3, byte()] });
  const bias = has(site, 3) ? [operand(site, 3)] : [];
  transposedConvolution(site, { ...o, image: 2, bias, strides: [o.strideH, o.strideW] });
}

/** MediaPipe's operator; its options are the C struct { padding (1 is SAME), stride width, stride height } as int32. */
export function transposeConvBias(site: Site): void {
  expect(site.custom.length >= 12, { kind: 'file', where: site.where, needs: '12 bytes of options', got: `${site.custom.length}` });
  const view = new DataView(site.custom.buffer, site.custom.byteOffset, 12);
  const [padding, strideW, strideH] = [0, 4, 8].map((at) => view.getInt32(at, true));
  const options = { padding: padding === 1 ? samePadding : validPadding, strides: [strideH, strideW] as const, fused: 0 };
  transposedConvolution(site, { ...options, image: 0, bias: bias(site) });
}

const pool = (op: string, extra: Record<string, Attr>): Rewrite => (site) => {
  const o = site.options({
    padding: [0, byte()], strideW: [1, int()], strideH: [2, int()], width: [3, int()], height: [4, int()], fused: [5, byte()],
  });
  const window = windowOf(site, [o.height, o.width], [o.strideH, o.strideW]);
  const padding = paddingOf(o.padding, inputDims(site, 0, 4).slice(1, 3), window);
  const attrs = { kernel_shape: window.kernel, strides: window.strides, ...padding, ...extra };
  emitSpatial(site, operand(site, 0), [{ op, attrs }, ...activation(site, o.fused)]);
};

const resize = (mode: string, nearest: (aligned: boolean, centred: boolean) => Record<string, Attr>): Rewrite => (site) => {
  const field = mode === 'linear' ? 2 : 0; // two deprecated sizes come first there
  const o = site.options({ aligned: [field, byte()], centred: [field + 1, byte()] });
  const [batch, , , channels] = inputDims(site, 0, 4);
  const [height, width] = constantNumbers(site, 1);
  expect(batch >= 0 && channels >= 0, {
    kind: 'unsupported', where: site.where, needs: 'a known batch size', got: 'one known only at run time',
    remedy: 'export the model with a fixed batch',
  });
  const coordinates = o.aligned ? 'align_corners' : o.centred ? 'half_pixel' : 'asymmetric';
  const attrs = { mode, coordinate_transformation_mode: coordinates, ...nearest(o.aligned !== 0, o.centred !== 0) };
  const more = ['', '', longList(site, [batch, channels, height, width])];
  emitSpatial(site, operand(site, 0), [{ op: 'Resize', more, attrs }]);
};

/** TensorFlow Lite rounds half a pixel up (centres, corners) or takes the floor. */
const nearestMode = (aligned: boolean, centred: boolean) => ({ nearest_mode: aligned || centred ? 'round_prefer_ceil' : 'floor' });

const blocks = (op: string, extra: Record<string, Attr>): Rewrite => (site) => {
  const blocksize = positive(site, 'block size', site.options({ size: [0, int()] }).size);
  emitSpatial(site, operand(site, 0), [{ op, attrs: { blocksize, ...extra } }]);
};

/** Operators on images: imported between a Transpose to channels first and one back. */
export const spatial = {
  CONV_2D: conv, DEPTHWISE_CONV_2D: depthwise, TRANSPOSE_CONV: transposeConv,
  AVERAGE_POOL_2D: pool('AveragePool', { count_include_pad: 0 }), MAX_POOL_2D: pool('MaxPool', {}),
  RESIZE_BILINEAR: resize('linear', () => ({})), RESIZE_NEAREST_NEIGHBOR: resize('nearest', nearestMode),
  DEPTH_TO_SPACE: blocks('DepthToSpace', { mode: 'DCR' }), SPACE_TO_DEPTH: blocks('SpaceToDepth', {}),
} satisfies Readonly<Record<string, Rewrite>>;
