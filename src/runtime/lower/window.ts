import type { Call } from '../../backends/index.ts';
import { input, num } from '../../graph/ops/op.ts';
import { poolGeometry, spans, type Window } from '../../graph/ops/window.ts';
import { sizeOf } from '../../tensor.ts';
import { directFields, windowFields } from './conv.ts';
import type { Context } from './context.ts';
import type { Lower, Operation } from './lower.ts';

/** One factor an output pixel: 1 / taps counted in its window. */
function averages(op: Operation, w: Window): Float32Array {
  const includePad = num(op, 'count_include_pad', 0) !== 0;
  const along = (d: 0 | 1): number[] => {
    const counts = new Array<number>(w.out[d]).fill(0);
    if (includePad) return counts.map((_, o) => paddedTaps(w, d, o));
    for (const [first, end] of spans(w, d)) for (let o = first; o < end; o++) counts[o]++;
    return counts;
  };
  const rows = along(0), cols = along(1);
  return Float32Array.from(rows.flatMap((r) => cols.map((c) => 1 / (r * c))));
}

/** Taps of output position `o` on the image or its padding (the last window may reach beyond both: ceil_mode). */
function paddedTaps(w: Window, d: 0 | 1, o: number): number {
  const end = w.in[d] + w.pads[d] + w.pads[d + 2], first = o * w.strides[d];
  return Array.from({ length: w.kernel[d] }, (_, k) => first + k * w.dilations[d]).filter((x) => x < end).length;
}

interface Pool { kernel: string; value: number; scale?: (op: Operation, w: Window) => Float32Array }

/** Whether the kernels made for a horizontal stride of two can do it. */
const halves = (w: Window): boolean =>
  w.strides[1] === 2 && (w.kernel[1] === 2 || w.kernel[1] === 3) && w.dilations.every((n) => n === 1) && w.out[1] >= 4;

const lowerPool = ({ kernel, value, scale }: Pool): Lower => (ctx: Context, op) => {
  if (op.node.outputs.length > 1 && op.node.outputs[1] || input(op, 0).type !== 'float32') return undefined;
  const w = poolGeometry(op), [batch, channels] = input(op, 0).shape;
  const count = batch * channels, name = halves(w) ? `${kernel}_strided` : kernel;
  const build = (): Call[] => {
    const factors = scale ? ctx.upload(`${op.node.name}|scale|${w.out.join()}`, () => scale(op, w)) : 0;
    const src = ctx.address(op.node.inputs[0]);
    const fields = halves(w) ? directFields(ctx, w, src) : windowFields(ctx, w, { src, value });
    const job = {
      ...fields, dst: ctx.address(op.node.outputs[0]), channels: count,
      multiplier: 1, scale: factors, min: -Infinity, max: Infinity,
    };
    return [{ kernel: name, job }];
  };
  return { kernel: name, build };
};

export const lowerMaxPool = lowerPool({ kernel: 'f32_maxpool', value: -Infinity });
export const lowerAveragePool = lowerPool({ kernel: 'f32_sumpool', value: 0, scale: averages });

/** Reduction over one run of neighbouring axes: x[outer][length][inner]. */
export function axisCall(
  ctx: Context, op: Operation, kernel: string, { from, to, mean = false }: { from: number; to: number; mean?: boolean },
): Call[] {
  const { shape } = input(op, 0), length = sizeOf(shape.slice(from, to));
  const job = {
    x: ctx.address(op.node.inputs[0]), y: ctx.address(op.node.outputs[0]),
    outer: sizeOf(shape.slice(0, from)), length, inner: sizeOf(shape.slice(to)),
    scale: mean ? 1 / length : 1,
  };
  return [{ kernel, job }];
}

const lowerGlobal = (kernel: string, mean: boolean): Lower => (ctx, op) =>
  input(op, 0).type === 'float32'
    ? { kernel, build: () => axisCall(ctx, op, kernel, { from: 2, to: input(op, 0).shape.length, mean }) }
    : undefined;

export const lowerGlobalAverage = lowerGlobal('f32_sum', true);
export const lowerGlobalMax = lowerGlobal('f32_largest', false);
