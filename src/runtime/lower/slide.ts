import type { Call } from '../../backends/index.ts';
import type { Matrix } from '../../formats/index.ts';
import type { ConvWindow } from '../../graph/ops/window.ts';
import type { Context } from './context.ts';
import type { Planes } from './conv.ts';
import { launchOf, productCall, type Epilogue } from './product.ts';
import { sparseBlock, upload, type Choice, type Weight } from './weight.ts';

// A convolution of stride 1 without im2col. A panel holds, for each channel and each row of the window, the pixels under its
// columns and a few more to the right (the halo); the taps of that row are the same panel row, read some pixels further right.
// Outputs are counted along the padded rows, so what falls between two rows is computed too, and cropped at the end.

/** More pixels of halo than this, and im2col packs less. */
const MOST_HALO = 8;

/** Pixels beyond its own that a panel needs, in whole vectors. */
const haloOf = ({ kernel, dilations }: ConvWindow): number => Math.ceil(((kernel[1] - 1) * dilations[1]) / 4) * 4;

/** Pixels from the first output to the last, along padded rows; 0 where the window cannot be slid so. */
export function linearPixels(w: ConvWindow, planes: Planes): number {
  const wide = w.strides[0] === 1 && w.strides[1] === 1 && w.kernel[0] * w.kernel[1] > 1 && haloOf(w) <= MOST_HALO;
  return wide ? (w.out[0] - 1) * planes.phaseWidth + w.out[1] : 0;
}

export interface Sliding {
  readonly w: ConvWindow;
  readonly planes: Planes;
  readonly choice: Choice;
  /** Input channels and weight of the group, O × (I · KH · KW) in the order of the model. */
  readonly inputs: number;
  readonly weight: Weight;
  /** Addresses of the group's padded planes and of its outputs. */
  readonly src: number;
  readonly dst: number;
  readonly epilogue: Epilogue;
}

export function lowerSliding(ctx: Context, sliding: Sliding): Call[] {
  const { w, planes, choice, inputs, weight, src } = sliding, [height, width] = w.kernel, halo = haloOf(w);
  const unit = (choice.kernel.width + halo) * 4, cols = linearPixels(w, planes), taps = height * width;
  const kBlock = sparseBlock(ctx, weight, { columnBytes: unit / width, step: taps }), channels = kBlock / taps;
  const packed = upload(ctx, weight, choice, { unit, kBlock, index: panelIndex(w, { inputs, channels, unit }) });
  const offsets = Uint32Array.from({ length: inputs * height }, (_, i) =>
    Math.floor(i / height) * planes.planeBytes + (i % height) * w.dilations[0] * planes.rowBytes);
  const sums = ctx.scratch(weight.rows * cols * 4);
  const product = productCall(ctx, {
    ...launchOf(ctx, packed), rows: weight.rows, depth: inputs * height, cols, kernel: choice.kernel, kBlock: channels * height, halo,
    operand: {
      pack: 'pack_taps',
      job: { src, offsets: ctx.upload(`rows|${offsets.join()}`, () => offsets), outWidth: cols + unit, rowStep: 0 },
    },
    place: { address: sums, rowStride: cols * 4, colStride: 4 },
    epilogue: { bias: sliding.epilogue.bias, min: -Infinity, max: Infinity },
  });
  return [product, cropCall(sliding, sums, cols)];
}

/** Where tap (c, kh, kw) lies in its block of channels. */
function panelIndex(
  { kernel: [height, width], dilations }: ConvWindow, { inputs, channels, unit }: { inputs: number; channels: number; unit: number },
): { key: string; make: () => Uint32Array } {
  const make = (): Uint32Array => Uint32Array.from({ length: inputs * height * width }, (_, k) => {
    const row = Math.floor(k / width) % (channels * height);
    return row * unit + (k % width) * dilations[1] * 4;
  });
  return { key: `window ${height}x${width} ${dilations[1]} ${channels}`, make };
}

function cropCall({ w, planes, weight, dst, epilogue: { residual = 0, min, max } }: Sliding, src: number, cols: number): Call {
  const job = {
    src, srcPlane: cols * 4, pitch: planes.rowBytes, dst, rows: weight.rows, height: w.out[0], width: w.out[1],
    residual: residual ? (residual - dst) >>> 0 : 0, min, max,
  };
  return { kernel: 'crop', job };
}

/** One group of OIHW weights as a matrix O × (I · KH · KW). */
export function plainWeight(
  name: string, data: Float32Array, { rows, cols, group }: { rows: number; cols: number; group: number },
): Weight {
  const matrix = (): Matrix => ({ rows, cols, values: data.subarray(group * rows * cols, (group + 1) * rows * cols) });
  return { key: `${name}#${group} of ${rows} plain`, matrix, rows, cols };
}
