import { expect, fail } from '../../expect.ts';
import type { Shape } from '../../tensor.ts';
import { at, input, list, num, text, type Call } from './op.ts';

type Pair = readonly [number, number];

/** How a window moves over an image. One-dimensional operators are windows over an image of height 1. */
export interface Window {
  readonly kernel: Pair;
  readonly strides: Pair;
  readonly dilations: Pair;
  /** top, left, bottom, right, with auto_pad already settled. */
  readonly pads: readonly [number, number, number, number];
  readonly in: Pair;
  readonly out: Pair;
}

/** {@link Window} of a convolution with its channels; `inputs` and `filters` count over all groups. */
export interface ConvWindow extends Window {
  readonly batch: number;
  readonly inputs: number;
  readonly filters: number;
  readonly group: number;
}

/** What decides where the window goes along one axis. */
interface Axis { size: number; kernel: number; stride: number; dilation: number; pads: Pair }
/** Pads and output length of one axis. */
type Placed = Axis & { out: number };

const reach = (a: Axis) => (a.kernel - 1) * a.dilation + 1;

/** Splits `total` padding: the odd one goes behind for SAME_UPPER, in front otherwise. */
function split(total: number, upper: boolean): Pair {
  const less = Math.floor(total / 2);
  return upper ? [less, total - less] : [total - less, less];
}

/** Output length and pads of a sliding window (ONNX): ⌊(size + pads − reach)/stride⌋ + 1, or ⌈size/stride⌉ for SAME. */
function slide(a: Axis, autoPad: string, ceil: boolean): Placed {
  if (autoPad.startsWith('SAME')) {
    const out = Math.ceil(a.size / a.stride);
    return { ...a, out, pads: split(Math.max(0, (out - 1) * a.stride + reach(a) - a.size), autoPad === 'SAME_UPPER') };
  }
  const pads: Pair = autoPad === 'VALID' ? [0, 0] : a.pads;
  const steps = (a.size + pads[0] + pads[1] - reach(a)) / a.stride;
  const out = ceil ? Math.ceil(steps) + 1 : Math.floor(steps) + 1;
  // A last window that would start on the padding behind the image is dropped (ONNX, PyTorch).
  return { ...a, pads, out: ceil && (out - 1) * a.stride >= a.size + pads[0] ? out - 1 : out };
}

/** The spatial attributes of a call as axes; a missing height becomes an axis of length 1. */
function axes(call: Call, spatial: Shape, kernel: Shape): [Axis, Axis] {
  const rank = spatial.length;
  expect(rank === 1 || rank === 2, {
    kind: 'unsupported', where: at(call), needs: 'an input of rank 3 [N, C, W] or 4 [N, C, H, W]', got: `rank ${rank + 2}`,
  });
  const ones = spatial.map(() => 1);
  const strides = list(call, 'strides', ones);
  const dilations = list(call, 'dilations', ones);
  const pads = list(call, 'pads', [...ones, ...ones].fill(0));
  const positive = [...kernel, ...strides, ...dilations].every((v) => Number.isInteger(v) && v > 0);
  const whole = positive && pads.every((v) => Number.isInteger(v) && v >= 0);
  const fits = kernel.length === rank && strides.length === rank && dilations.length === rank && pads.length === 2 * rank;
  expect(whole && fits, {
    kind: 'model', where: at(call), needs: `${rank} positive kernel lengths, strides, dilations and ${2 * rank} pads of 0 or more`,
    got: `kernel [${kernel}], strides [${strides}], dilations [${dilations}], pads [${pads}]`,
  });
  const all = spatial.map((size, d): Axis => ({
    size, kernel: kernel[d], stride: strides[d], dilation: dilations[d], pads: [pads[d], pads[d + rank]],
  }));
  return rank === 2 ? [all[0], all[1]] : [{ size: 1, kernel: 1, stride: 1, dilation: 1, pads: [0, 0] }, all[0]];
}

function windowOf(call: Call, [h, w]: readonly [Placed, Placed]): Window {
  expect(h.out > 0 && w.out > 0, {
    kind: 'shape', where: at(call), needs: 'an input at least as large as the window', got: `an output of ${h.out} x ${w.out}`,
  });
  return {
    kernel: [h.kernel, w.kernel], strides: [h.stride, w.stride], dilations: [h.dilation, w.dilation],
    pads: [h.pads[0], w.pads[0], h.pads[1], w.pads[1]], in: [h.size, w.size], out: [h.out, w.out],
  };
}

const autoPads = ['NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'];
function autoPadOf(call: Call): string {
  const mode = text(call, 'auto_pad', 'NOTSET');
  return autoPads.includes(mode) ? mode : fail({
    kind: 'model', where: `${at(call)} attribute auto_pad`, needs: `one of ${autoPads.join(', ')}`, got: mode,
  });
}

/** Batch, channels and groups, checked against weight and bias; `perGroup` names the weight axis that is counted per group. */
function channels(call: Call, filterAxis: 0 | 1) {
  const x = input(call, 0).shape;
  const w = input(call, 1).shape;
  const group = num(call, 'group', 1);
  const bias = call.inputs[2]?.shape;
  expect(x.length >= 3 && w.length === x.length, {
    kind: 'shape', where: at(call), needs: 'input and weight of one rank, 3 or more', got: `[${x}] and [${w}]`,
  });
  expect(Number.isInteger(group) && group > 0, { kind: 'model', where: at(call), needs: 'a positive group', got: String(group) });
  const filters = filterAxis === 0 ? w[0] : w[1] * group;
  const inputs = filterAxis === 0 ? w[1] * group : w[0];
  expect(x[1] === inputs && inputs % group === 0 && filters % group === 0, {
    kind: 'shape', where: at(call), needs: `${inputs} input channels, ${group} groups dividing input channels and filters`,
    got: `${x[1]} channels, ${filters} filters`,
  });
  expect(!bias || (bias.length === 1 && bias[0] === filters), {
    kind: 'shape', where: at(call), needs: `a bias of [${filters}]`, got: `[${bias}]`,
  });
  return { batch: x[0], inputs, filters, group };
}

function kernelOf(call: Call): Shape {
  const own = input(call, 1).shape.slice(2);
  const said = list(call, 'kernel_shape', own);
  expect(said.join() === own.join(), { kind: 'model', where: at(call), needs: `kernel_shape [${own}], as the weight`, got: `[${said}]` });
  return own;
}

/**
 * Geometry of a `Conv` call: x[N, I, (H,) W], w[O, I/group, (KH,) KW], bias[O]?.
 * @throws BurinError `shape`, `model` or, for three spatial axes, `unsupported`.
 */
export function convGeometry(call: Call): ConvWindow {
  const count = channels(call, 0);
  const autoPad = autoPadOf(call);
  const [h, w] = axes(call, input(call, 0).shape.slice(2), kernelOf(call));
  return { ...count, ...windowOf(call, [slide(h, autoPad, false), slide(w, autoPad, false)]) };
}

/** Geometry of a pooling call: x[N, C, (H,) W], attribute kernel_shape. @throws BurinError as {@link convGeometry}. */
export function poolGeometry(call: Call): Window {
  const x = input(call, 0).shape;
  expect(x.length >= 3, { kind: 'shape', where: at(call), needs: 'an input of rank 3 or more', got: `[${x}]` });
  const autoPad = autoPadOf(call);
  const ceil = num(call, 'ceil_mode', 0) !== 0;
  const [h, w] = axes(call, x.slice(2), list(call, 'kernel_shape'));
  return windowOf(call, [slide(h, autoPad, ceil), slide(w, autoPad, ceil)]);
}

/**
 * Geometry of a `ConvTranspose` call: x[N, I, (H,) W], w[I, O/group, (KH,) KW], bias[O]?. Output length is
 * stride·(size − 1) + output_padding + reach − pads, or is given by output_shape or SAME, and the pads follow (ONNX).
 * @throws BurinError as {@link convGeometry}.
 */
export function convTransposeGeometry(call: Call): ConvWindow {
  const count = channels(call, 1);
  const spatial = input(call, 0).shape.slice(2);
  const autoPad = autoPadOf(call);
  const extra = list(call, 'output_padding', spatial.map(() => 0));
  const asked = list(call, 'output_shape', []);
  const lengths = axes(call, spatial, kernelOf(call));
  const place = (a: Axis, d: number): Placed => {
    const own = d - 2 + spatial.length; // -1 for the height a one-dimensional call does not have
    const full = a.stride * (a.size - 1) + (extra[own] ?? 0) + reach(a);
    const wanted = own < 0 ? undefined : asked.slice(-spatial.length)[own] ?? (autoPad.startsWith('SAME') ? a.size * a.stride : undefined);
    if (wanted !== undefined) return { ...a, out: wanted, pads: split(Math.max(0, full - wanted), autoPad === 'SAME_UPPER') };
    const pads: Pair = autoPad === 'VALID' ? [0, 0] : a.pads;
    return { ...a, pads, out: full - pads[0] - pads[1] };
  };
  return { ...count, ...windowOf(call, [place(lengths[0], 0), place(lengths[1], 1)]) };
}

/** The output shape of window `g` over a tensor of `rank` with `channels` channels. */
export function spatialShape(g: Window, rank: number, batch: number, channelCount: number): number[] {
  return [batch, channelCount, ...g.out.slice(4 - rank)];
}

/**
 * For tap `k` of axis `d` (0 height, 1 width): the first output position that reads the image there and the first
 * after the last one. Position o reads o·stride − pad + k·dilation; the rest of the tap lies on padding.
 */
export function span(g: Window, d: 0 | 1, k: number): Pair {
  const shift = k * g.dilations[d] - g.pads[d];
  const first = Math.max(0, Math.ceil(-shift / g.strides[d]));
  const end = Math.min(g.out[d], Math.floor((g.in[d] - 1 - shift) / g.strides[d]) + 1);
  return [first, Math.max(first, end)];
}

/** {@link span} of every tap of an axis. */
export function spans(g: Window, d: 0 | 1): Pair[] {
  return Array.from({ length: g.kernel[d] }, (_, k) => span(g, d, k));
}

/** Taps of the window over all positions that lie on the image, not on padding. */
export function tapsInside(g: Window): number {
  const count = (d: 0 | 1) => spans(g, d).reduce((sum, [first, end]) => sum + end - first, 0);
  return count(0) * count(1);
}

/** The same window seen from the other side: a transposed convolution writes where a convolution reads. */
export function transposed<G extends Window>(g: G): G {
  return { ...g, in: g.out, out: g.in };
}
