// Names of one weight in different tools: `module.layer1.0.conv1.weight`, `/layer1/layer1.0/conv1/Conv`, `model/conv1/Conv2D`.

/** What TensorFlow Model Optimization puts before the name of a layer that it wraps. */
const wrapper = /^prune_low_magnitude_(?=.)/;
/** The last part of a name where it says what a layer's tensor is, or what the layer does, and not which layer it is. */
const reading = /^(ReadVariableOp|read)$/;
const role = new RegExp(`^(${[
  'weights?', 'w', 'W', 'kernel', 'filter', 'depthwise_kernel', 'pointwise_kernel', 'depthwise_weights',
  'Conv', 'Conv[123]D', 'conv[123]d', 'ConvTranspose', 'conv[23]d_transpose', 'DepthwiseConv2dNative', 'depthwise', 'separable_conv2d',
  'MatMul', 'Gemm', 'Linear', 'Tensordot', 'BiasAdd',
].join('|')})$`);

/** Parts of a name, without what repeats the part before it. */
export function partsOf(name: string): string[] {
  const parts = name.replace(/:\d+$/, '').split(/[./:]+/).filter(Boolean).map((part) => part.replace(wrapper, ''));
  return parts.filter((part, i) => part !== parts[i - 1]);
}

/** The parts that say which layer it is. */
export function stemOf(parts: readonly string[]): readonly string[] {
  const dropLast = (list: readonly string[], word: RegExp): readonly string[] =>
    (list.length > 1 && word.test(list[list.length - 1]) ? list.slice(0, -1) : list);
  return dropLast(dropLast(parts, reading), role);
}

/** How many parts two names share at their ends, where one of them ends with the other; 0 where neither does. */
export function sharedEnd(a: readonly string[], b: readonly string[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 1; i <= length; i++) if (a[a.length - i] !== b[b.length - i]) return 0;
  return length;
}
