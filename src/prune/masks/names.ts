// Names of one weight in different tools: `module.layer1.0.conv1.weight`, `/layer1/layer1.0/conv1/Conv`, `model/conv1/Conv2D`.

/** A name cut at its dots and slashes. */
export type Parts = readonly string[];

/** What TensorFlow Model Optimization puts before the name of a layer that it wraps, and what TensorFlow Lite puts behind a tensor's. */
const wrapper = /^prune_low_magnitude_(?=.)|_dequantize$/;
/** The last part of a name where it says what a layer's tensor is, or what the layer does, and not which layer it is. */
const reading = /^(ReadVariableOp|read)$/;
const role = new RegExp(`^(${[
  'weights?', 'w', 'W', '[kK]ernel', 'filter', 'depthwise_kernel', 'pointwise_kernel', 'depthwise_weights',
  'Conv', 'Conv[123]D', 'conv[123]d', 'ConvTranspose', 'conv[23]d_transpose', 'DepthwiseConv2dNative', 'depthwise', 'separable_conv2d',
  'MatMul', 'Gemm', 'Linear', 'Tensordot', 'BiasAdd',
].join('|')})$`);
/** Of operators that TensorFlow Lite fused into one, `a;b;c`: those that are no layer with a weight. */
const fused = /\/(FusedBatchNorm\w*|batchnorm\/.*|BiasAdd|Relu\w*|[aA]dd\w*)$/;

/** Parts of a name, without what repeats the part before it. */
function partsOf(name: string): Parts {
  const parts = name.replace(/:\d+$/, '').split(/[./:]+/).filter(Boolean).map((part) => part.replace(wrapper, '') || part);
  return parts.filter((part, i) => part !== parts[i - 1]);
}

/** The parts that say which layer it is. */
function stemOf(parts: Parts): Parts {
  const dropLast = (list: Parts, word: RegExp): Parts => (list.length > 1 && word.test(list[list.length - 1]) ? list.slice(0, -1) : list);
  return dropLast(dropLast(parts, reading), role);
}

/** The names of operators that were fused into one; of others the name itself. */
function single(name: string): string[] {
  const names = [...new Set(name.split(';'))].filter(Boolean), layers = names.filter((one) => !fused.test(one));
  return layers.length > 0 ? layers : [name];
}

export const keyOf = (parts: Parts): string => parts.join('/');

/**
 * How the names of each thing may be spelled, as they are and without their role, so that `fc` finds `fc.weight`. One of several fused
 * operators is left out where another thing is called so too, unless nothing is left.
 */
export function spellings(things: readonly (readonly string[])[]): Parts[][] {
  const all = things.map((names) => names.map((name) => single(name).map(partsOf)));
  const uses = new Map<string, number>();
  for (const key of all.flatMap((names) => [...new Set(names.flat().map(keyOf))])) uses.set(key, (uses.get(key) ?? 0) + 1);
  const own = (list: Parts[]): Parts[] => {
    const left = list.filter((parts) => uses.get(keyOf(parts)) === 1);
    return list.length > 1 && left.length > 0 ? left : list;
  };
  return all.map((names) => names.flatMap(own).flatMap((parts) => {
    const stem = stemOf(parts);
    return stem.length < parts.length ? [parts, stem] : [parts];
  }));
}

/** How many parts two names share at their ends, where one of them ends with the other; 0 where neither does. */
export function sharedEnd(a: Parts, b: Parts): number {
  const length = Math.min(a.length, b.length);
  for (let i = 1; i <= length; i++) if (a[a.length - i] !== b[b.length - i]) return 0;
  return length;
}
