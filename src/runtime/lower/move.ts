import type { Call } from '../../backends/index.ts';
import { input, text, type Call as Operation } from '../../graph/ops/op.ts';
import { padding } from '../../graph/ops/select.ts';
import { resizeAxes, tapsOf, type ResizeTap } from '../../graph/ops/resize.ts';
import { bytesOf, numbersOf, sizeOf, stridesOf, type Shape } from '../../tensor.ts';
import type { Context } from './context.ts';
import { fieldsOf, joinAxes, padAxes } from './pointwise.ts';
import type { Lower } from './lower.ts';
import { moving, whole, type Moving, type Walk } from './walks.ts';

const RANK = 6;

/** An array as the copying kernel walks it: elements from an address on. */
interface Located extends Walk { readonly address: number }

/** The call that copies elements of four bytes, or undefined where the axes do not fit the kernel. */
function copyCall(shape: Shape, src: Located, dst: Located): Call | undefined {
  const joined = joinAxes(shape, [src.strides, dst.strides]);
  if (joined.shape.length > RANK) return undefined;
  const job = {
    src: (src.address + src.offset * 4) >>> 0, dst: dst.address + dst.offset * 4, ...fieldsOf('n', padAxes(joined.shape, RANK, 1), 1),
    ...fieldsOf('s', padAxes(joined.strides[0], RANK, 0), 4), ...fieldsOf('d', padAxes(joined.strides[1], RANK, 0), 4),
  };
  return { kernel: 'b32_copy', job };
}

const fits = (ctx: Context, op: Operation, values: Operation['inputs']): boolean =>
  values.every((arg) => !arg || bytesOf(arg.type) === 4) && sizeOf(ctx.typed(op.node.outputs[0]).shape) > 0;

const lowerMoves = ({ moves: movesOf, inputs }: Moving): Lower => (ctx, op) => {
  if (!fits(ctx, op, op.inputs.slice(0, inputs))) return undefined;
  const moves = movesOf(op, (name) => ctx.typed(name).shape).filter(({ shape }) => sizeOf(shape) > 0);
  const build = (): (Call | undefined)[] => moves.map(({ shape, from, to, src, dst }) => {
    const [source, target] = [ctx.address(op.node.inputs[from]), ctx.address(op.node.outputs[to])];
    return copyCall(shape, { address: source, ...src }, { address: target, ...dst });
  });
  return moves.every((m) => copyCall(m.shape, { address: 0, ...m.src }, { address: 0, ...m.dst }))
    ? { kernel: 'b32_copy', build: () => build() as Call[] }
    : undefined;
};

/** Constant padding: the output is filled, then the input copied to its place. */
const lowerPad: Lower = (ctx, op) => {
  const pads = padding(op), { shape } = input(op, 0), out = ctx.typed(op.node.outputs[0]).shape;
  const value = op.inputs[2] ? op.inputs[2].value : undefined;
  const plain = text(op, 'mode', 'constant') === 'constant' && pads.every(({ before, after }) => before >= 0 && after >= 0)
    && (!op.inputs[2] || value);
  if (!plain || input(op, 0).type !== 'float32' || sizeOf(shape) === 0) return undefined;
  const filler = value ? numbersOf(value)[0] : 0;
  const strides = stridesOf(out);
  const offset = pads.reduce((sum, { before }, d) => sum + before * strides[d], 0);
  const place = (): Call | undefined => copyCall(
    shape,
    { address: ctx.address(op.node.inputs[0]), ...whole(shape) },
    { address: ctx.address(op.node.outputs[0]), offset, strides },
  );
  if (joinAxes(shape, [stridesOf(shape), strides]).shape.length > RANK) return undefined;
  const fill = (): Call | undefined => {
    const one = ctx.upload(`fill|${filler}`, () => Float32Array.of(filler));
    return copyCall(
      [sizeOf(out)],
      { address: one, offset: 0, strides: [0] },
      { address: ctx.address(op.node.outputs[0]), ...whole([sizeOf(out)]) },
    );
  };
  return { kernel: 'b32_copy', build: () => [fill() as Call, place() as Call] };
};

/** Two neighbours and the weight of the second, or undefined for a tap that reads more. */
function pairOf({ places, weights }: ResizeTap): [low: number, high: number, weight: number] | undefined {
  if (places.length === 1 && weights[0] === 1) return [places[0], places[0], 0];
  return places.length === 2 ? [places[0], places[1], weights[1]] : undefined;
}

/** One for each output along an axis: see {@link pairOf}. */
type Pairs = readonly (readonly [low: number, high: number, weight: number])[];

/**
 * Whether `pairs` give two outputs for each of `size` inputs, 2i from i and its left neighbour, 2i + 1 from i and its right one, always
 * with the same parts: these parts. At the ends a neighbour beyond is the last pixel itself.
 */
function doubling(pairs: Pairs, size: number): { even: number; odd: number } | undefined {
  if (size < 2 || pairs.length !== 2 * size) return undefined;
  const [[, , low], [, , odd]] = [pairs[2], pairs[1]], even = pairs[2][0] === pairs[2][1] ? 0 : 1 - low;
  const share = (x: number, i: number): number => (pairs[x][0] === i ? 1 - pairs[x][2] : 0) + (pairs[x][1] === i ? pairs[x][2] : 0);
  const follows = pairs.every((_, x) => {
    const i = x >> 1, part = x % 2 ? odd : even, other = Math.max(0, Math.min(size - 1, x % 2 ? i + 1 : i - 1));
    return other === i ? near(share(x, i), 1) : near(share(x, i), 1 - part) && near(share(x, other), part);
  });
  return follows ? { even, odd } : undefined;
}

/** The parts where both axes are doubled in the same way, of four columns or more. */
function bothDouble([rows, cols]: readonly Pairs[], [height, width]: Shape): { even: number; odd: number } | undefined {
  const [down, across] = [doubling(rows, height), doubling(cols, width)];
  return width >= 4 && down && across && near(down.even, across.even) && near(down.odd, across.odd) ? across : undefined;
}

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-7;

const lowerResize: Lower = (ctx, op) => {
  const { shape, type } = input(op, 0), axes = resizeAxes(op), rank = shape.length;
  const still = axes.slice(0, Math.max(0, rank - 2)).every((axis) => axis.out === axis.size && axis.scale === 1);
  if (type !== 'float32' || rank < 2 || !still) return undefined;
  const [rows, cols] = axes.slice(rank - 2).map((axis) => tapsOf(op, axis).map(pairOf));
  if ([...rows, ...cols].some((pair) => !pair)) return undefined;
  const width = shape[rank - 1], [outHeight, outWidth] = [rows.length, cols.length];
  const twice = bothDouble([rows, cols] as Pairs[], shape.slice(rank - 2));
  const table = (name: string, pairs: typeof rows, at: 0 | 1 | 2, unit: number): number =>
    ctx.upload(`${op.node.name}|${name}|${shape.join()}|${outHeight}x${outWidth}`, () => {
      const values = pairs.map((pair) => pair![at] * unit);
      return at === 2 ? Float32Array.from(values) : Uint32Array.from(values);
    });
  const job = () => ({
    x: ctx.address(op.node.inputs[0]), y: ctx.address(op.node.outputs[0]), planes: sizeOf(shape.slice(0, rank - 2)),
    plane: sizeOf(shape.slice(rank - 2)) * 4, width, between: ctx.scratch(width * 4 + 64),
    doubles: twice ? 1 : 0, ...twice,
    outHeight, outWidth, rowLow: table('rowLow', rows, 0, width * 4),
    rowHigh: table('rowHigh', rows, 1, width * 4), rowWeight: table('rowWeight', rows, 2, 1),
    colLow: table('colLow', cols, 0, 4), colHigh: table('colHigh', cols, 1, 4), colWeight: table('colWeight', cols, 2, 1),
  });
  return { kernel: 'f32_resize', build: () => [{ kernel: 'f32_resize', job: job() }] };
};

export const moves: Readonly<Record<string, Lower>> = {
  ...Object.fromEntries(Object.entries(moving).map(([name, one]) => [name, lowerMoves(one)])),
  Pad: lowerPad,
  Resize: lowerResize,
};
