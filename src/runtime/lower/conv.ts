import type { Call, FieldValue } from '../../backends/index.ts';
import { num } from '../../graph/ops/op.ts';
import { convGeometry, convTransposeGeometry, type ConvWindow, type Window } from '../../graph/ops/window.ts';
import type { Matrix } from '../../formats/index.ts';
import type { Context } from './context.ts';
import type { Lower, Lowered, Operation } from './lower.ts';
import { lowerProduct, lowerVector, type Epilogue, type Operand } from './product.ts';
import { linearPixels, lowerSliding, plainWeight } from './slide.ts';
import type { Choice, Weight } from './weight.ts';

/** Padded phase planes: [channels][rows][phases][phaseWidth], see assembly/pack.ts. Bytes unless said. */
export interface Planes {
  readonly rows: number;
  readonly phases: number;
  readonly phaseWidth: number;
  readonly rowBytes: number;
  readonly planeBytes: number;
  /** From one output row to the next. */
  readonly rowStep: number;
}

/** The smallest padded planes a window needs. */
export function planesFor(w: Window): Planes {
  const reach = (d: 0 | 1): number => (w.out[d] - 1) * w.strides[d] + (w.kernel[d] - 1) * w.dilations[d] + 1;
  const phases = w.strides[1], phaseWidth = Math.ceil(reach(1) / phases), rows = reach(0), rowBytes = phases * phaseWidth * 4;
  return { rows, phases, phaseWidth, rowBytes, planeBytes: rows * rowBytes, rowStep: w.strides[0] * rowBytes };
}

/** Byte offset of each tap (kh, kw) from the place of an output pixel in a padded plane. */
export function tapOffsets(w: Window, planes: Planes): number[] {
  const offsets: number[] = [];
  for (let kh = 0; kh < w.kernel[0]; kh++) {
    for (let kw = 0; kw < w.kernel[1]; kw++) {
      const x = kw * w.dilations[1];
      offsets.push(kh * w.dilations[0] * planes.rowBytes + ((x % planes.phases) * planes.phaseWidth + Math.floor(x / planes.phases)) * 4);
    }
  }
  return offsets;
}

/** Pads `channels` planes into scratch memory. */
export function padCall(
  ctx: Context, w: Window, planes: Planes, image: { src: number; channels: number; value?: number },
): { call: Call; address: number } {
  const address = ctx.scratch(image.channels * planes.planeBytes);
  const job = {
    src: image.src, dst: address, channels: image.channels, height: w.in[0], width: w.in[1], top: w.pads[0], left: w.pads[1],
    rows: planes.rows, phases: planes.phases, phaseWidth: planes.phaseWidth, value: image.value ?? 0,
  };
  return { call: { kernel: 'pad', job }, address };
}

/** The clamp an operation carries. */
export function clampOf(op: Operation): { min: number; max: number } {
  return { min: num(op, 'min', -Infinity), max: num(op, 'max', Infinity) };
}

/** Address of an optional input, 0 where it is absent. */
export function optional(ctx: Context, op: Operation, i: number): number {
  return op.inputs[i] ? ctx.address(op.node.inputs[i]) : 0;
}

const isPointwise = (w: Window): boolean => [...w.kernel, ...w.strides].every((n) => n === 1) && w.pads.every((n) => n === 0);
const pixels = (size: readonly [number, number]): number => size[0] * size[1];

export const lowerConv: Lower = (ctx, op) => {
  const weights = op.inputs[1]?.value;
  if (!weights || weights.type !== 'float32' || weights.size === 0) return undefined;
  const w = convGeometry(op);
  return w.group > 1 && w.inputs === w.group ? lowerDepthwise(ctx, op, w) : lowerGrouped(ctx, op, w, weights.data as Float32Array);
};

/** Kernels made for one window, by kernel, strides and dilations, and the padding that they can do. */
const depthwiseKernels: Readonly<Record<string, readonly [kernel: string, most: number]>> = {
  '3,3,1,1,1,1': ['f32_depthwise_3x3', 1], '3,3,2,2,1,1': ['f32_depthwise_strided_3x3', 1], '5,5,1,1,1,1': ['f32_depthwise_5x5', 2],
};

/** The kernel made for this window. It adds no residual and wants an image as high as its window and four pixels in a row. */
function ownKernel(op: Operation, w: ConvWindow): string | undefined {
  const [kernel, most] = depthwiseKernels[[w.kernel, w.strides, w.dilations].join()] ?? [];
  const fits = w.out[1] >= 4 && w.in[0] >= w.kernel[0] && w.pads.every((pad) => pad <= most!);
  return fits && !op.inputs[3] ? kernel : undefined;
}

function lowerDepthwise(ctx: Context, op: Operation, w: ConvWindow): Lowered {
  const { node } = op, own = ownKernel(op, w), kernel = own ?? 'f32_depthwise';
  const data = op.inputs[1]!.value!.data as Float32Array, name = node.inputs[1];
  const weights = (): number => (kernel === 'f32_depthwise_5x5'
    ? ctx.upload(`${name}|fours`, () => Float32Array.from({ length: data.length * 4 }, (_, i) => data[i >> 2]))
    : ctx.address(name));
  const build = (): Call[] => Array.from({ length: w.batch }, (_, image): Call => {
    const out = ctx.address(node.outputs[0]), residual = optional(ctx, op, 3);
    const src = ctx.address(node.inputs[0]) + image * w.inputs * pixels(w.in) * 4;
    const job = {
      ...(own ? directFields(ctx, w, src) : windowFields(ctx, w, { src })),
      dst: out + image * w.filters * pixels(w.out) * 4,
      channels: w.filters, multiplier: w.filters / w.inputs, weights: weights(), bias: optional(ctx, op, 2),
      residual: residual ? (residual - out) >>> 0 : 0, ...clampOf(op),
    };
    return { kernel, job };
  });
  return { kernel, build };
}

/** The fields every window kernel reads. */
function commonFields(w: Window, src: number): Record<string, FieldValue> {
  return {
    src, srcPlane: pixels(w.in) * 4, outHeight: w.out[0], outWidth: w.out[1], height: w.in[0], top: w.pads[0],
    strideY: w.strides[0], dilationY: w.dilations[0], kernelHeight: w.kernel[0], kernelWidth: w.kernel[1],
  };
}

/** Planes are read as they are; a mask for each tap of a row says which of its pixels lie on the image. */
export function directFields(ctx: Context, w: Window, src: number): Record<string, FieldValue> {
  const masks = Int32Array.from({ length: w.kernel[1] * w.out[1] }, (_, i) => {
    const x = (i % w.out[1]) * w.strides[1] + Math.floor(i / w.out[1]) - w.pads[1];
    return x >= 0 && x < w.in[1] ? -1 : 0;
  });
  return {
    ...commonFields(w, src), rowBytes: w.in[1] * 4, left: w.pads[1],
    masks: ctx.upload(`masks|${[w.in[1], w.out[1], w.kernel[1], w.strides[1], w.pads[1]].join()}`, () => masks),
  };
}

/** The fields of kernels for any window: planes are padded on the left and right, one at a time, where a window needs that. */
export function windowFields(ctx: Context, w: Window, image: { src: number; value?: number }): Record<string, FieldValue> {
  const flat: Window = { ...w, pads: [0, w.pads[1], 0, w.pads[3]] }, planes = { ...planesFor(flat), rows: w.in[0] };
  const inside = w.strides[1] === 1 && planes.phaseWidth === w.in[1] && w.pads[1] === 0;
  const offsets = tapOffsets(flat, planes);
  const padded = { ...planes, planeBytes: planes.rows * planes.rowBytes };
  return {
    ...commonFields(w, image.src), rowBytes: planes.rowBytes,
    padJob: inside ? 0 : padCall(ctx, flat, padded, { ...image, channels: 1 }).call,
    offsets: ctx.upload(`taps|${offsets.join()}`, () => new Uint32Array(offsets)),
  };
}

function lowerGrouped(ctx: Context, op: Operation, w: ConvWindow, data: Float32Array): Lowered {
  const planes = planesFor(w), plain = isPointwise(w), cols = pixels(w.out);
  const groupIn = w.inputs / w.group, groupOut = w.filters / w.group;
  const weightOf = (group: number): Weight =>
    convWeight(op.node.inputs[1], data, { rows: groupOut, inputs: groupIn, taps: pixels(w.kernel), group });
  const build = (choice?: Choice): Call[] => Array.from({ length: w.batch }).flatMap((_, image) => {
    const src = ctx.address(op.node.inputs[0]) + image * w.inputs * pixels(w.in) * 4;
    const padded = plain ? undefined : padCall(ctx, w, planes, { src, channels: w.inputs });
    const calls = Array.from({ length: w.group }).flatMap((__, group) => {
      const first = padded ? padded.address + group * groupIn * planes.planeBytes : src + group * groupIn * cols * 4;
      const at = { choice: choice as Choice, cols, y: (image * w.filters + group * groupOut) * cols * 4, firstRow: group * groupOut };
      if (choice?.kernel.op === 'conv') {
        const weight = plainWeight(op.node.inputs[1], data, { rows: groupOut, cols: groupIn * pixels(w.kernel), group });
        const { address: dst, epilogue } = epilogueOf(ctx, op, at);
        return lowerSliding(ctx, { w, planes, choice, inputs: groupIn, weight, src: first, dst, epilogue });
      }
      const operand = padded ? tapsOperand(ctx, w, planes, { address: first, inputs: groupIn }) : planesOperand(first, cols);
      return oneGroup(ctx, op, { ...at, weight: weightOf(group), operand });
    });
    return padded ? [padded.call, ...calls] : calls;
  });
  const columns = { cols, vector: plain && cols === 1, inPlace: plain, linear: linearPixels(w, planes) };
  return { kernel: 'conv', build, weight: everyGroup(w.group, weightOf), columns };
}

interface Group { weight: Weight; choice: Choice; operand: Operand; cols: number; y: number; firstRow: number }

/** Where a group's outputs go and what happens to them on the way. */
function epilogueOf(ctx: Context, op: Operation, { y, firstRow }: Pick<Group, 'y' | 'firstRow'>): { address: number; epilogue: Epilogue } {
  const bias = optional(ctx, op, 2), residual = optional(ctx, op, 3), address = ctx.address(op.node.outputs[0]) + y;
  return { address, epilogue: { bias: bias && bias + firstRow * 4, residual: residual && residual + y, ...clampOf(op) } };
}

function oneGroup(ctx: Context, op: Operation, { weight, choice, operand, cols, ...at }: Group): Call[] {
  const { address, epilogue } = epilogueOf(ctx, op, at);
  if (choice.kernel.op === 'spmv') return lowerVector(ctx, { weight, choice, x: operand.job.src, y: address, epilogue });
  return lowerProduct(ctx, { weight, choice, cols, operand, place: { address, rowStride: cols * 4, colStride: 4 }, epilogue });
}

const planesOperand = (src: number, cols: number): Operand => ({ pack: 'pack_rows', job: { src, stride: cols * 4 } });

function tapsOperand(ctx: Context, w: Window, planes: Planes, { address, inputs }: { address: number; inputs: number }): Operand {
  const taps = tapOffsets(w, planes);
  // k runs over taps, then input channels: the order of convWeight.
  const key = `taps|${taps.join()}|${inputs}|${planes.planeBytes}`;
  const offsets = ctx.upload(key, () =>
    Uint32Array.from(taps.flatMap((tap) => Array.from({ length: inputs }, (_, i) => i * planes.planeBytes + tap))));
  return { pack: 'pack_taps', job: { src: address, offsets, outWidth: w.out[1], rowStep: planes.rowStep } };
}

/** One group of OIHW weights as a matrix O × (KH·KW·I), so that blocks and N:M windows run along the input channels. */
export function convWeight(
  name: string, data: Float32Array, { rows, inputs, taps, group }: { rows: number; inputs: number; taps: number; group: number },
): Weight {
  const cols = inputs * taps;
  const matrix = (): Matrix => {
    const part = data.subarray(group * rows * cols, (group + 1) * rows * cols);
    if (taps === 1) return { rows, cols, values: part };
    const values = new Float32Array(rows * cols);
    for (let o = 0; o < rows; o++) {
      for (let i = 0; i < inputs; i++) for (let t = 0; t < taps; t++) values[o * cols + t * inputs + i] = part[(o * inputs + i) * taps + t];
    }
    return { rows, cols, values };
  };
  return { key: `${name}#${group} of ${rows}`, matrix, rows, cols };
}

/** The weights of all groups, one below the other: what is chosen must fit each of them. */
export function everyGroup(groups: number, weightOf: (group: number) => Weight): Weight {
  const { key, rows, cols } = weightOf(0);
  if (groups === 1) return weightOf(0);
  const matrix = (): Matrix => {
    const values = new Float32Array(groups * rows * cols);
    for (let group = 0; group < groups; group++) values.set(weightOf(group).matrix().values, group * rows * cols);
    return { rows: groups * rows, cols, values };
  };
  return { key: `${key} in ${groups} groups`, matrix, rows: groups * rows, cols };
}

/** y = col2im(Wᵀ·x): a product over the input channels, then each column is added where its taps fall. */
export const lowerConvTranspose: Lower = (ctx, op) => {
  const weights = op.inputs[1]?.value;
  if (!weights || weights.type !== 'float32' || weights.size === 0) return undefined;
  const w = convTransposeGeometry(op), cols = pixels(w.in), taps = pixels(w.kernel);
  const groupIn = w.inputs / w.group, groupOut = w.filters / w.group;
  const weightOf = (group: number): Weight =>
    transposedWeight(op.node.inputs[1], weights.data as Float32Array, { inputs: groupIn, rows: groupOut * taps, group });
  const build = (choice?: Choice): Call[] => Array.from({ length: w.batch * w.group }).flatMap((_, i) => {
    const image = Math.floor(i / w.group), group = i % w.group;
    const columns = ctx.scratch(groupOut * taps * cols * 4);
    const operand = planesOperand(ctx.address(op.node.inputs[0]) + (image * w.inputs + group * groupIn) * cols * 4, cols);
    const free: Epilogue = { min: -Infinity, max: Infinity }, weight = weightOf(group);
    const product = (choice as Choice).kernel.op === 'spmv'
      ? lowerVector(ctx, { weight, choice: choice as Choice, x: operand.job.src, y: columns, epilogue: free })
      : lowerProduct(ctx, {
        weight, choice: choice as Choice, cols, operand,
        place: { address: columns, rowStride: cols * 4, colStride: 4 }, epilogue: free,
      });
    return [
      ...product,
      scatterCall(ctx, op, w, { columns, channels: groupOut, first: image * w.filters + group * groupOut, bias: group * groupOut }),
    ];
  });
  return { kernel: 'conv_transpose', build, weight: everyGroup(w.group, weightOf), columns: { cols, vector: cols === 1, inPlace: true } };
};

function scatterCall(
  ctx: Context, op: Operation, w: ConvWindow, part: { columns: number; channels: number; first: number; bias: number },
): Call {
  const bias = optional(ctx, op, 2);
  return {
    kernel: 'f32_scatter',
    job: {
      columns: part.columns,
      y: ctx.address(op.node.outputs[0]) + part.first * pixels(w.out) * 4,
      channels: part.channels,
      height: w.in[0], width: w.in[1], outHeight: w.out[0], outWidth: w.out[1],
      kernelHeight: w.kernel[0], kernelWidth: w.kernel[1], strideY: w.strides[0], strideX: w.strides[1],
      dilationY: w.dilations[0], dilationX: w.dilations[1], top: w.pads[0], left: w.pads[1],
      bias: bias && bias + part.bias * 4, ...clampOf(op),
    },
  };
}

/** One group of [I, O, KH, KW] weights as a matrix (O·KH·KW) × I. */
export function transposedWeight(
  name: string, data: Float32Array, { inputs, rows, group }: { inputs: number; rows: number; group: number },
): Weight {
  const matrix = (): Matrix => {
    const part = data.subarray(group * inputs * rows, (group + 1) * inputs * rows), values = new Float32Array(part.length);
    for (let i = 0; i < inputs; i++) for (let r = 0; r < rows; r++) values[r * inputs + i] = part[i * rows + r];
    return { rows, cols: inputs, values };
  };
  return { key: `${name}#${group} of ${rows} transposed`, matrix, rows, cols: inputs };
}

