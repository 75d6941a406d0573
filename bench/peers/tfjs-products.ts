import * as tf from '@tensorflow/tfjs-core';
import { permuteTensor } from '../../src/graph/permute.ts';
import { Tensor } from '../../src/tensor.ts';
import { clamped, inOrder, nhwc, plain, reshaped, shapeOf, type Site, type Step, type Value } from './tfjs-layout.ts';

// Attributes of a node, with what ONNX takes when they are absent.
export const num = ({ node, refuse }: Site, name: string, otherwise?: number): number =>
  (node.attrs[name] ?? otherwise ?? refuse(`no ${name}`)) as number;
export const text = ({ node }: Site, name: string, otherwise: string): string => (node.attrs[name] ?? otherwise) as string;
export const list = ({ node }: Site, name: string, otherwise: readonly number[]): readonly number[] =>
  (node.attrs[name] ?? otherwise) as readonly number[];
export const bounds = (site: Site): [number, number] => [num(site, 'min', -Infinity), num(site, 'max', Infinity)];

const pair = (values: readonly number[]): [number, number] => [values[0], values[1]];
type Explicit = [[number, number], [number, number], [number, number], [number, number]];
type Padding = 'same' | 'valid' | Explicit;

/** What a convolution or pool does at the edges; `more` adds to the bottom and the right. */
function padding(site: Site, more = [0, 0]): Padding {
  const auto = text(site, 'auto_pad', 'NOTSET');
  if (auto === 'SAME_UPPER') return 'same';
  if (auto === 'SAME_LOWER') site.refuse('auto_pad SAME_LOWER');
  const [top, left, bottom, right] = auto === 'VALID' ? [0, 0, 0, 0] : list(site, 'pads', [0, 0, 0, 0]);
  const sides: Explicit = [[0, 0], [top, bottom + more[0]], [left, right + more[1]], [0, 0]];
  return sides.flat().every((amount) => amount === 0) ? 'valid' : sides;
}

/** The part of a clamp that tfjs fuses into a product, and the bounds that are left to do. */
function activation(min: number, max: number): { fused: 'linear' | 'relu' | 'relu6'; rest: [number, number] } {
  if (min === 0 && max === Infinity) return { fused: 'relu', rest: [-Infinity, Infinity] };
  if (min === 0 && max === 6) return { fused: 'relu6', rest: [-Infinity, Infinity] };
  return { fused: 'linear', rest: [min, max] };
}

/** Residual and clamp after a product; nothing of both where the clamp was fused. */
function finish(product: tf.Tensor, residual: tf.Tensor | undefined, [min, max]: [number, number]): tf.Tensor {
  return clamped(residual ? tf.add(product, residual) : product, min, max);
}

const weightOf = (site: Site, i: number): Tensor => site.constant(i) ?? site.refuse('a weight computed at run time');

function biasOf(site: Site, i: number): tf.Tensor | undefined {
  if (!site.node.inputs[i]) return undefined;
  return site.upload(site.constant(i) ?? site.refuse('a bias computed at run time'));
}

/** OIHW to HWIO; depthwise [C·M, 1, H, W] to [H, W, C, M]. */
function filterOf(site: Site, weight: Tensor, group: number): { filter: tf.Tensor4D; depthwise: boolean } {
  const [out, each, height, width] = weight.dims;
  if (weight.dims.length !== 4) site.refuse(`a convolution of rank ${weight.dims.length}`);
  const depthwise = group > 1 && each === 1;
  if (group > 1 && !depthwise) site.refuse(`a convolution in ${group} groups`);
  const split = depthwise ? new Tensor('float32', weight.data as Float32Array, [group, out / group, height, width]) : weight;
  return { filter: site.upload(permuteTensor(split, depthwise ? [2, 3, 0, 1] : [2, 3, 1, 0])) as tf.Tensor4D, depthwise };
}

export function conv(site: Site): Step {
  const { filter, depthwise } = filterOf(site, weightOf(site, 1), num(site, 'group', 1));
  // The type of the depthwise product leaves out explicit padding, which it takes like the other one.
  const pad = padding(site) as 'same' | 'valid';
  const options = {
    strides: pair(list(site, 'strides', [1, 1])), dilations: pair(list(site, 'dilations', [1, 1])), pad, bias: biasOf(site, 2),
  };
  const [min, max] = bounds(site);
  const { fused, rest } = site.node.inputs[3] ? { fused: 'linear' as const, rest: [min, max] as [number, number] } : activation(min, max);
  const product = depthwise ? tf.fused.depthwiseConv2d : tf.fused.conv2d;
  return (x, _weight, _bias, residual) => {
    const image = product({ x: inOrder(x!, nhwc) as tf.Tensor4D, filter, dataFormat: 'NHWC', activation: fused, ...options });
    return [{ tensor: finish(image, residual && inOrder(residual, nhwc), rest), order: nhwc }];
  };
}

export function convTranspose(site: Site): Step {
  const weight = weightOf(site, 1);
  const [, out, ...kernel] = weight.dims;
  if (kernel.length !== 2 || num(site, 'group', 1) !== 1 || list(site, 'dilations', [1, 1]).some((step) => step !== 1)) {
    site.refuse('groups, dilation or rank');
  }
  if (text(site, 'auto_pad', 'NOTSET') !== 'NOTSET' || site.node.attrs.output_shape) site.refuse('auto_pad or output_shape');
  const filter = site.upload(permuteTensor(weight, [2, 3, 1, 0])) as tf.Tensor4D;
  const [bias, strides, pads, more] = [
    biasOf(site, 2), pair(list(site, 'strides', [1, 1])), list(site, 'pads', [0, 0, 0, 0]), list(site, 'output_padding', [0, 0]),
  ];
  const extent = (length: number, d: number): number => (length - 1) * strides[d] + more[d] + kernel[d] - pads[d] - pads[d + 2];
  const [min, max] = bounds(site);
  return (x) => {
    const image = inOrder(x!, nhwc) as tf.Tensor4D;
    const shape: [number, number, number, number] = [image.shape[0], extent(image.shape[1], 0), extent(image.shape[2], 1), out];
    const product = tf.conv2dTranspose(image, filter, shape, strides, padding(site));
    return [{ tensor: clamped(bias ? tf.add(product, bias) : product, min, max), order: nhwc }];
  };
}

/** x[..., K] · w[K, O] + bias as one matrix product. */
function times(site: Site, { weight, bias, residualAt }: { weight: tf.Tensor; bias?: tf.Tensor; residualAt?: number }): Step {
  const [min, max] = bounds(site);
  const hasResidual = residualAt !== undefined && Boolean(site.node.inputs[residualAt]);
  const { fused, rest } = hasResidual ? { fused: 'linear' as const, rest: [min, max] as [number, number] } : activation(min, max);
  return (x, ...others) => {
    const shape = shapeOf(x!);
    const rows = reshaped(x!, [x!.tensor.size / weight.shape[0], weight.shape[0]]).tensor;
    const product = tf.fused.matMul({ a: rows, b: weight, bias, activation: fused });
    const residual = hasResidual ? others[residualAt! - 1] : undefined;
    const value = tf.reshape(product, [...shape.slice(0, -1), weight.shape[1]!]);
    return [{ tensor: finish(value, residual && inOrder(residual, plain(shape.length)), rest), order: plain(shape.length) }];
  };
}

export function linear(site: Site): Step {
  return times(site, { weight: site.upload(permuteTensor(weightOf(site, 1), [1, 0])), bias: biasOf(site, 2), residualAt: 3 });
}

export function gemm(site: Site): Step {
  const [alpha, beta, weight] = [num(site, 'alpha', 1), num(site, 'beta', 1), weightOf(site, 1)];
  if (alpha !== 1 || beta !== 1 || num(site, 'transA', 0)) site.refuse(`alpha ${alpha}, beta ${beta}, transA`);
  return times(site, { weight: site.upload(num(site, 'transB', 0) ? permuteTensor(weight, [1, 0]) : weight), bias: biasOf(site, 2) });
}

export function matMul(site: Site): Step {
  const weight = site.constant(1);
  if (weight?.dims.length === 2) return times(site, { weight: site.upload(weight) });
  const fixed = weight && site.upload(weight);
  const rowMajor = (value: Value): tf.Tensor => inOrder(value, plain(value.order.length));
  return (a, b) => {
    const tensor = tf.matMul(rowMajor(a!), fixed ?? rowMajor(b!));
    return [{ tensor, order: plain(tensor.shape.length) }];
  };
}

/** Rows or columns that a last window, begun inside but ended outside, lacks. */
function missing(length: number, kernel: number, stride: number, before: number, after: number): number {
  const padded = length + before + after;
  const windows = Math.ceil((padded - kernel) / stride) + 1;
  const begun = (windows - 1) * stride < length + before ? windows : windows - 1;
  return Math.max((begun - 1) * stride + kernel - padded, 0);
}

export const pool = (kind: 'max' | 'avg') => (site: Site): Step => {
  const [kernel, strides, pads] = [
    pair(list(site, 'kernel_shape', [])), pair(list(site, 'strides', [1, 1])), list(site, 'pads', [0, 0, 0, 0]),
  ];
  const [ceil, counts] = [num(site, 'ceil_mode', 0) === 1, kind === 'avg' && num(site, 'count_include_pad', 0) === 1 && pads.some(Boolean)];
  if (list(site, 'dilations', [1, 1]).some((step) => step !== 1) || site.node.outputs.length > 1 || (ceil && counts)) {
    site.refuse('dilation, indices, or padding counted to the ceiling');
  }
  const reduce = kind === 'max' ? tf.maxPool : tf.avgPool;
  return (x) => {
    const image = inOrder(x!, nhwc) as tf.Tensor4D;
    const more = ceil ? [0, 1].map((d) => missing(image.shape[d + 1], kernel[d], strides[d], pads[d], pads[d + 2])) : [0, 0];
    const edges = padding(site, more);
    const tensor = counts && typeof edges !== 'string'
      ? reduce(tf.pad(image, edges), kernel, strides, 'valid')
      : reduce(image, kernel, strides, edges);
    return [{ tensor, order: nhwc }];
  };
};
