import * as tf from '@tensorflow/tfjs-core';
import { numbersOf } from '../../src/tensor.ts';
import {
  aligned, clamped, inOrder, nhwc, ofRank, place, plain, reshaped, same, shapeOf, type Site, type Step, type Value,
} from './tfjs-layout.ts';
import { bounds, conv, convTranspose, gemm, linear, matMul, num, pool, text } from './tfjs-products.ts';

type Make = (site: Site) => Step;

/** Operators that tfjs computes channels last. */
export const wantsNhwc: ReadonlySet<string> = new Set([
  'Conv', 'ConvTranspose', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool',
  'Resize', 'DepthToSpace', 'BatchNormalization', 'LRN', 'Pad',
]);

const one = (f: (x: Value) => Value): Step => (x) => [f(x!)];
const image = (f: (x: tf.Tensor4D) => tf.Tensor): Step => one((x) => ({ tensor: f(inOrder(x, nhwc) as tf.Tensor4D), order: nhwc }));
const unary = (f: (x: tf.Tensor) => tf.Tensor): Make => () => one(({ tensor, order }) => ({ tensor: f(tensor), order }));

/** n operands, folded from the left; Add's fused clamp is read where it is there. */
const binary = (f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Make => (site) => {
  const [min, max] = bounds(site);
  return (...values) => {
    const { tensors, order } = aligned(values.filter((value) => value !== undefined));
    return [{ tensor: clamped(tensors.reduce(f), min, max), order }];
  };
};

/** The numbers of a constant input; undefined when it is absent. */
function given(site: Site, i: number): number[] | undefined {
  if (!site.node.inputs[i]) return undefined;
  return Array.from(numbersOf(site.constant(i) ?? site.refuse(`input ${i} computed at run time`)));
}
const needed = (site: Site, i: number): number[] => given(site, i) ?? site.refuse(`no input ${i}`);

const reduce = (f: (x: tf.Tensor, axes: number[], keep: boolean) => tf.Tensor): Make => (site) => {
  const keep = num(site, 'keepdims', 1) === 1;
  const axes = given(site, 1) ?? site.node.attrs.axes as number[] | undefined;
  return one((x) => {
    const places = (axes?.length ? axes : plain(x.order.length)).map((axis) => place(x, axis));
    const left = x.order.filter((_, i) => keep || !places.includes(i));
    return { tensor: f(x.tensor, places, keep), order: left.map((axis) => (keep ? axis : left.filter((other) => other < axis).length)) };
  });
};

function clip(site: Site): Step {
  const [min, max] = [given(site, 1)?.[0] ?? -Infinity, given(site, 2)?.[0] ?? Infinity];
  return one(({ tensor, order }) => ({ tensor: tf.clone(clamped(tensor, min, max)), order }));
}

/** The last axis of the tensor is the one tfjs normalises over. */
function softmax(site: Site): Step {
  const axis = num(site, 'axis', -1);
  return one((x) => {
    const chosen = x.order[place(x, axis)];
    const order = [...x.order.filter((other) => other !== chosen), chosen];
    return { tensor: tf.softmax(inOrder(x, order)), order };
  });
}

function concat(site: Site): Step {
  const axis = num(site, 'axis');
  return (...values) => {
    const [lead] = values as Value[];
    return [{ tensor: tf.concat(values.map((value) => inOrder(value!, lead.order)), place(lead, axis)), order: lead.order }];
  };
}

function split(site: Site): Step {
  const [axis, sizes, parts] = [num(site, 'axis', 0), given(site, 1), site.node.outputs.length];
  return (x) => tf.split(x!.tensor, sizes ?? parts, place(x!, axis)).map((tensor) => ({ tensor, order: x!.order }));
}

function slice(site: Site): Step {
  const [starts, ends, axes, steps] = [needed(site, 1), needed(site, 2), given(site, 3), given(site, 4)];
  if (steps?.some((step) => step !== 1)) site.refuse('a slice with steps');
  return one((x) => {
    const begin = x.tensor.shape.map(() => 0);
    const size = [...x.tensor.shape];
    starts.forEach((start, i) => {
      const at = place(x, axes?.[i] ?? i);
      const length = x.tensor.shape[at];
      const within = (bound: number): number => Math.min(Math.max(bound < 0 ? bound + length : bound, 0), length);
      [begin[at], size[at]] = [within(start), Math.max(within(ends[i]) - within(start), 0)];
    });
    return { tensor: tf.slice(x.tensor, begin, size), order: x.order };
  });
}

function pad(site: Site): Step {
  const [pads, value, axes, mode] = [needed(site, 1), given(site, 2)?.[0] ?? 0, given(site, 3), text(site, 'mode', 'constant')];
  if (mode !== 'constant' || pads.some((amount) => amount < 0)) site.refuse(`padding '${mode}' by ${pads}`);
  return one((x) => {
    const amounts = x.order.map((): [number, number] => [0, 0]);
    for (let i = 0; i < pads.length / 2; i++) amounts[place(x, axes?.[i] ?? i)] = [pads[i], pads[i + pads.length / 2]];
    return { tensor: tf.pad(x.tensor, amounts, value), order: x.order };
  });
}

function reshape(site: Site): Step {
  const [wanted, zero] = [needed(site, 1), num(site, 'allowzero', 0) === 1];
  return one((x) => {
    const shape = shapeOf(x);
    return reshaped(x, wanted.map((dim, i) => (dim === 0 && !zero ? shape[i] : dim)));
  });
}

function flatten(site: Site): Step {
  const axis = num(site, 'axis', 1);
  return one((x) => {
    const shape = shapeOf(x);
    const rows = shape.slice(0, axis < 0 ? axis + shape.length : axis).reduce((a, b) => a * b, 1);
    return reshaped(x, [rows, x.tensor.size / rows]);
  });
}

/** Axis i of the result is axis perm[i] of the source: the tensor stays as it is, its axes get other names. */
function transpose(site: Site): Step {
  const perm = site.node.attrs.perm as readonly number[] | undefined;
  return one((x) => same(x, x.order.map((axis) => (perm ? perm.indexOf(axis) : x.order.length - 1 - axis))));
}

function squeeze(site: Site): Step {
  const axes = given(site, 1);
  return one((x) => {
    const shape = shapeOf(x);
    const gone = (axes ?? plain(shape.length).filter((axis) => shape[axis] === 1)).map((axis) => (axis < 0 ? axis + shape.length : axis));
    const left = x.order.filter((axis) => !gone.includes(axis));
    return {
      tensor: tf.reshape(x.tensor, left.map((axis) => shape[axis])),
      order: left.map((axis) => axis - gone.filter((other) => other < axis).length),
    };
  });
}

function unsqueeze(site: Site): Step {
  const axes = needed(site, 1);
  return one((x) => {
    const rank = x.order.length + axes.length;
    const fresh = axes.map((axis) => (axis < 0 ? axis + rank : axis));
    const old = plain(rank).filter((axis) => !fresh.includes(axis));
    return {
      tensor: tf.reshape(x.tensor, [...fresh.map(() => 1), ...x.tensor.shape]),
      order: [...fresh, ...x.order.map((axis) => old[axis])],
    };
  });
}

/** tfjs samples at (i + ½)·s − ½, at i·s, or corner to corner, and rounds down for the nearest. */
function resize(site: Site): Step {
  const [mode, at] = [text(site, 'mode', 'nearest'), text(site, 'coordinate_transformation_mode', 'half_pixel')];
  const [scales, sizes] = [given(site, 2), given(site, 3)];
  if (site.node.inputs[1]) given(site, 1);
  const rounds = text(site, 'nearest_mode', 'round_prefer_floor');
  // At whole scales the middle of a small pixel never lies on an edge of a large one, so every way to round agrees.
  const exact = at === 'half_pixel' && rounds.startsWith('round')
    ? scales?.every(Number.isInteger)
    : at === 'asymmetric' && rounds === 'floor';
  if (!['half_pixel', 'asymmetric', 'align_corners'].includes(at) || (mode !== 'linear' && !(mode === 'nearest' && exact))) {
    site.refuse(`${mode} ${at} ${rounds}`);
  }
  const sample = mode === 'linear' ? tf.image.resizeBilinear : tf.image.resizeNearestNeighbor;
  return image((x) => {
    const size = [2, 3].map((axis) => (sizes?.length ? sizes[axis] : Math.floor(x.shape[axis - 1] * scales![axis]))) as [number, number];
    return sample(x, size, at === 'align_corners', at === 'half_pixel');
  });
}

function depthToSpace(site: Site): Step {
  if (text(site, 'mode', 'DCR') !== 'DCR') site.refuse('mode CRD');
  const block = num(site, 'blocksize');
  return image((x) => tf.depthToSpace(x, block, 'NHWC'));
}

function batchNormalization(site: Site): Step {
  const [scale, shift, mean, variance] = [1, 2, 3, 4].map((i) =>
    site.upload(site.constant(i) ?? site.refuse(`input ${i} computed at run time`)) as tf.Tensor1D);
  const epsilon = num(site, 'epsilon', 1e-5);
  return one((x) => {
    const order = x.order.length === 4 ? nhwc : x.order.length === 2 ? plain(2) : site.refuse(`rank ${x.order.length}`);
    return { tensor: tf.batchNorm(inOrder(x, order), mean, variance, shift, scale, epsilon), order };
  });
}

/** ONNX divides alpha by the size of the window, tfjs does not. */
function lrn(site: Site): Step {
  const size = num(site, 'size');
  if (size % 2 === 0) site.refuse(`an even window, ${size}`);
  const [bias, alpha, beta] = [num(site, 'bias', 1), num(site, 'alpha', 1e-4) / size, num(site, 'beta', 0.75)];
  return image((x) => tf.localResponseNormalization(x, (size - 1) / 2, bias, alpha, beta));
}

/** The kernel takes slopes along the last axis of the tensor and no other way. */
function prelu(site: Site): Step {
  return (x, slope) => {
    const long = shapeOf(ofRank(slope!, x!.order.length)).flatMap((length, axis) => (length > 1 ? [axis] : []));
    if (long.length > 1) site.refuse('slopes along more than one axis');
    const order = [...x!.order.filter((axis) => axis !== long[0]), ...long];
    return [{ tensor: tf.prelu(inOrder(x!, order), tf.reshape(slope!.tensor, [slope!.tensor.size])), order }];
  };
}

const leakyRelu: Make = (site) => unary((x) => tf.leakyRelu(x, num(site, 'alpha', 0.01)))(site);
const hardSigmoid: Make = (site) => {
  const [alpha, beta] = [num(site, 'alpha', 0.2), num(site, 'beta', 0.5)];
  return unary((x) => tf.clipByValue(tf.add(tf.mul(x, alpha), beta), 0, 1))(site);
};
const hardSwish = (x: tf.Tensor): tf.Tensor => tf.mul(x, tf.mul(tf.relu6(tf.add(x, 3)), 1 / 6));

/** An operator a line: what tfjs does for it. What is not here, the peer does not support. */
export const tfjsOps: Readonly<Record<string, Make>> = {
  Conv: conv, ConvTranspose: convTranspose, Gemm: gemm, MatMul: matMul, Linear: linear,
  MaxPool: pool('max'), AveragePool: pool('avg'),
  GlobalAveragePool: () => image((x) => tf.mean(x, [1, 2], true)),
  GlobalMaxPool: () => image((x) => tf.max(x, [1, 2], true)),
  Add: binary(tf.add), Sub: binary(tf.sub), Mul: binary(tf.mul), Div: binary(tf.div), Pow: binary(tf.pow),
  Min: binary(tf.minimum), Max: binary(tf.maximum), Sum: binary(tf.add),
  Relu: unary(tf.relu), Sigmoid: unary(tf.sigmoid), Tanh: unary(tf.tanh), Exp: unary(tf.exp), Log: unary(tf.log), Sqrt: unary(tf.sqrt),
  Abs: unary(tf.abs), Neg: unary(tf.neg), Erf: unary(tf.erf), Floor: unary(tf.floor),
  Ceil: unary(tf.ceil), Reciprocal: unary(tf.reciprocal),
  Clip: clip, LeakyRelu: leakyRelu, PRelu: prelu, HardSigmoid: hardSigmoid, HardSwish: unary(hardSwish), Softmax: softmax,
  Identity: () => one((x) => same(x)),
  Concat: concat, Split: split, Slice: slice, Pad: pad, Reshape: reshape, Flatten: flatten,
  Transpose: transpose, Squeeze: squeeze, Unsqueeze: unsqueeze,
  Resize: resize, DepthToSpace: depthToSpace, BatchNormalization: batchNormalization, LRN: lrn,
  ReduceMean: reduce(tf.mean), ReduceSum: reduce(tf.sum), ReduceMax: reduce(tf.max), ReduceMin: reduce(tf.min),
};
