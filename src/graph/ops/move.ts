import { expect, fail } from '../../expect.ts';
import { checkShape, sizeOf, stridesOf, Tensor, type Shape } from '../../tensor.ts';
import { broadcast, broadcastStrides, offsets, take } from './elements.ts';
import { at, axisOf, data, input, list, num, numbers, text, type Call, type Op } from './op.ts';

/** The shape `Reshape` asks for: 0 copies the length at its place (unless allowzero), −1 takes what is left. */
function reshaped(call: Call): number[] {
  const { shape } = input(call, 0);
  const asked = numbers(call, 1) ?? [];
  const copies = num(call, 'allowzero', 0) === 0;
  const out = asked.map((length, d) => (length === 0 && copies ? shape[d] ?? NaN : length));
  const free = out.indexOf(-1);
  if (free >= 0) out[free] = sizeOf(shape) / sizeOf(out.filter((_, d) => d !== free)) || 0; // 0/0: nothing left of nothing
  const fits = out.every((length) => Number.isInteger(length) && length >= 0) && sizeOf(out) === sizeOf(shape);
  expect(fits, { kind: 'shape', where: at(call), needs: `a shape of ${sizeOf(shape)} elements`, got: `[${asked}]` });
  return out;
}

/** Everything before `axis` and everything from it on, as two dimensions. */
function flattened(call: Call): number[] {
  const { shape } = input(call, 0);
  const axis = num(call, 'axis', 1);
  const cut = axis === shape.length ? axis : axisOf(call, axis, shape.length);
  return [sizeOf(shape.slice(0, cut)), sizeOf(shape.slice(cut))];
}

function squeezed(call: Call): number[] {
  const { shape } = input(call, 0);
  const axes = numbers(call, 1)?.map((axis) => axisOf(call, axis, shape.length)) ?? [...shape.keys()].filter((d) => shape[d] === 1);
  for (const axis of axes) expect(shape[axis] === 1, {
    kind: 'shape', where: at(call), needs: `length 1 along axis ${axis}`, got: `[${shape}]`,
  });
  return shape.filter((_, d) => !axes.includes(d));
}

function unsqueezed(call: Call): number[] {
  const { shape } = input(call, 0);
  const given = numbers(call, 1) ?? [];
  const rank = shape.length + given.length;
  const axes = new Set(given.map((axis) => axisOf(call, axis, rank)));
  expect(axes.size === given.length, { kind: 'model', where: at(call), needs: 'different axes', got: `[${given}]` });
  const rest = shape.values();
  return Array.from({ length: rank }, (_, d) => (axes.has(d) ? 1 : rest.next().value ?? 1));
}

/** An operator that only renames the dimensions; the data is shared. */
function view(inputs: readonly [number, number], shapeOf: (call: Call) => number[]): Op {
  return {
    inputs,
    infer: (call) => [{ type: input(call, 0).type, shape: shapeOf(call) }],
    run: (call) => {
      const x = data(call, 0);
      return [new Tensor(x.type, x.data, shapeOf(call))];
    },
  };
}

/** An array read in another order: its shape, and the strides to read with. */
export interface Strided { shape: Shape; strides: readonly number[] }

function permuted(shape: Shape, perm: readonly number[]): Strided {
  const strides = stridesOf(shape);
  return { shape: perm.map((d) => shape[d]), strides: perm.map((d) => strides[d]) };
}

function transposedView(call: Call): Strided {
  const { shape } = input(call, 0);
  const perm = list(call, 'perm', [...shape.keys()].reverse());
  const whole = perm.length === shape.length && shape.every((_, d) => perm.includes(d));
  expect(whole, { kind: 'model', where: `${at(call)} attribute perm`, needs: `an order of ${shape.length} axes`, got: `[${perm}]` });
  return permuted(shape, perm);
}

function expandedView(call: Call): Strided {
  const { shape } = input(call, 0);
  const asked = numbers(call, 1) ?? [];
  checkShape(asked, at(call));
  const out = broadcast(call, [shape, asked]);
  return { shape: out, strides: broadcastStrides(shape, out) };
}

function blockSize(call: Call): number {
  const size = num(call, 'blocksize');
  const rank = input(call, 0).shape.length;
  expect(Number.isInteger(size) && size > 0 && rank === 4, {
    kind: 'model', where: at(call), needs: 'an input of rank 4 and a positive blocksize', got: `rank ${rank} and ${size}`,
  });
  return size;
}

/** Depth is [block, block, C] for DCR and [C, block, block] for CRD. */
function depthToSpaceView(call: Call): Strided {
  const [n, c, h, w] = input(call, 0).shape;
  const b = blockSize(call);
  const deep = c / (b * b);
  expect(Number.isInteger(deep), { kind: 'shape', where: at(call), needs: `channels divisible by ${b * b}`, got: String(c) });
  const mode = text(call, 'mode', 'DCR');
  if (mode === 'DCR') return permuted([n, b, b, deep, h, w], [0, 3, 4, 1, 5, 2]);
  if (mode === 'CRD') return permuted([n, deep, b, b, h, w], [0, 1, 4, 2, 5, 3]);
  return fail({ kind: 'model', where: `${at(call)} attribute mode`, needs: 'DCR or CRD', got: mode });
}

function spaceToDepthView(call: Call): Strided {
  const [n, c, h, w] = input(call, 0).shape;
  const b = blockSize(call);
  expect(h % b === 0 && w % b === 0, { kind: 'shape', where: at(call), needs: `height and width divisible by ${b}`, got: `${h} x ${w}` });
  return permuted([n, c, h / b, b, w / b, b], [0, 3, 5, 1, 2, 4]);
}

/** Height and width of six dimensions that interleave them: [N, C, H, b, W, b]. */
const interleaved = ([n, c, h, b, w, d]: Shape): number[] => [n, c, h * b, w * d];
/** Channels of six dimensions that stack them: [N, b, b, C, H, W]. */
const stacked = ([n, b, d, c, h, w]: Shape): number[] => [n, b * d * c, h, w];

/** An operator that reads in another order; `joined` merges the dimensions of the view into those of the output. */
function reorder(inputs: number, viewOf: (call: Call) => Strided, joined: (shape: Shape) => Shape = (shape) => shape): Op {
  return {
    inputs: [inputs, inputs],
    infer: (call) => [{ type: input(call, 0).type, shape: joined(viewOf(call).shape) }],
    run: (call) => {
      const { shape, strides } = viewOf(call);
      return [take(data(call, 0), joined(shape), offsets(shape, strides))];
    },
  };
}

/** Operators that read their input in another order, and how; what the output's dimensions are before they are merged. */
export const views = {
  Transpose: transposedView,
  Expand: expandedView,
  DepthToSpace: depthToSpaceView,
  SpaceToDepth: spaceToDepthView,
} satisfies Record<string, (call: Call) => Strided>;

export const move = {
  Reshape: view([2, 2], reshaped),
  Flatten: view([1, 1], flattened),
  Squeeze: view([1, 2], squeezed),
  Unsqueeze: view([2, 2], unsqueezed),
  Transpose: reorder(1, transposedView),
  Expand: reorder(2, expandedView),
  DepthToSpace: reorder(1, depthToSpaceView, interleaved),
  SpaceToDepth: reorder(1, spaceToDepthView, stacked),
} satisfies Record<string, Op>;
