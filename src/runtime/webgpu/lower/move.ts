import { axisOf, input, num, numbers } from '../../../graph/ops/op.ts';
import { padPlaces } from '../../../graph/ops/select.ts';
import { resizeAxes, tapsOf, type ResizeTap } from '../../../graph/ops/resize.ts';
import { sizeOf, type Shape, type Tensor } from '../../../tensor.ts';
import { fieldsOf, joinAxes, padAxes } from '../../lower/pointwise.ts';
import { moving, whole, type Moving, type Walk } from '../../lower/walks.ts';
import { rankFor } from './elementwise.ts';
import { inOut, isWord, lone, outSize, type Dispatch, type Lower, type Operation, type Place, type Query } from './lower.ts';

/** The dispatch that copies, or undefined where there are more axes than a shader walks. */
export function copyDispatch(
  query: Query, shape: Shape, [src, dst]: readonly [Walk, Walk], operands: readonly GPUBufferBinding[],
): Dispatch[] | undefined {
  const joined = joinAxes(shape, [src.strides, dst.strides]), rank = rankFor(joined.shape.length);
  if (!rank) return undefined;
  const job = {
    length: sizeOf(shape), from_place: src.offset, to_place: dst.offset, ...fieldsOf('n', padAxes(joined.shape, rank, 1), 1),
    ...fieldsOf('s', padAxes(joined.strides[0], rank, 0), 1), ...fieldsOf('d', padAxes(joined.strides[1], rank, 0), 1),
  };
  return lone(query, { shader: `b32_copy_${rank}d`, job, operands, invocations: sizeOf(shape) });
}

const lowerMoves = ({ moves: movesOf, inputs }: Moving): Lower => (query, op) => {
  if (op.inputs.slice(0, inputs).some((arg) => arg && !isWord(arg))) return undefined;
  const moves = movesOf(op, (name) => query.typed(name).shape);
  if (!moves.every(({ shape, src, dst }) => copyDispatch(query, shape, [src, dst], []))) return undefined;
  const build = (place: Place): Dispatch[] => moves.flatMap(({ shape, from, to, src, dst }) =>
    copyDispatch(query, shape, [src, dst], [place.value(op.node.inputs[from]), place.value(op.node.outputs[to])])!);
  return { kernel: 'b32_copy', build };
};

/** For an axis that is picked from, the place each of its new places reads; a negative one reads the filler. */
type Picks = readonly (ArrayLike<number> | undefined)[];

/** The bits of a tensor's only element. */
function bitsOf({ data }: Tensor): number {
  return new Uint32Array((data as Float32Array).slice(0, 1).buffer)[0];
}

/** One axis after the other, from the input over scratch buffers to the output. */
const lowerPicks = (picksOf: (op: Operation) => Picks, fillerOf: (op: Operation) => Tensor | undefined = () => undefined): Lower =>
  (query, op) => {
    const x = input(op, 0);
    if (!isWord(x) || op.inputs.slice(1).some((arg) => arg && !arg.value)) return undefined;
    const filler = fillerOf(op), picks = [...picksOf(op).entries()].filter(([, places]) => places);
    const shapes = picks.reduce<Shape[]>((made, [axis, places]) =>
      [...made, made.at(-1)!.map((dim, d) => (d === axis ? places!.length : dim))], [x.shape]);
    const build = (place: Place): Dispatch[] => {
      const [source, target] = inOut(place, op);
      if (picks.length === 0) return copyDispatch(query, [sizeOf(x.shape)], [whole([1]), whole([1])], [source, target])!;
      return picks.flatMap(([axis, places], i) => {
        const from = shapes[i], inner = sizeOf(from.slice(axis + 1)), size = sizeOf(shapes[i + 1]);
        const table = place.upload(`${op.node.name}|places|${axis}`, () => Int32Array.from(places!));
        const job = { size, count: places!.length, inner, length: from[axis], filler: filler ? bitsOf(filler) : 0 };
        const operands = [i ? place.scratch[i - 1] : source, table, i === picks.length - 1 ? target : place.scratch[i]];
        return lone(query, { shader: 'b32_gather', job, operands, invocations: size });
      });
    };
    return { kernel: 'b32_gather', scratch: shapes.slice(1, -1).map((shape) => sizeOf(shape) * 4), build };
  };

/** Undefined where every place reads itself. */
const unlessSame = (places: ArrayLike<number>, length: number): ArrayLike<number> | undefined =>
  (places.length === length && Array.from(places).every((place, i) => place === i) ? undefined : places);

const lowerPad = lowerPicks(
  (op) => padPlaces(op).map((places, d) => unlessSame(places, input(op, 0).shape[d])), (op) => op.inputs[2]?.value,
);

const lowerTile = lowerPicks((op) => input(op, 0).shape.map((length, d) => {
  const repeats = numbers(op, 1)![d];
  return repeats === 1 ? undefined : Array.from({ length: length * repeats }, (_, i) => i % length);
}));

const gathered = lowerPicks((op) => {
  const { shape } = input(op, 0), axis = axisOf(op, num(op, 'axis', 0), shape.length), length = shape[axis];
  return shape.map((_, d) => (d === axis ? numbers(op, 1)!.map((place) => (place < 0 ? place + length : place)) : undefined));
});

/** Indices out of range are left to the host, which says so. */
const lowerGather: Lower = (query, op) => {
  const { shape } = input(op, 0), length = shape[axisOf(op, num(op, 'axis', 0), shape.length)];
  const inside = op.inputs[1]?.value && numbers(op, 1)!.every((place) => place >= -length && place < length);
  return inside ? gathered(query, op) : undefined;
};

/** Taps a pixel may have along an axis. */
const tapCounts = [1, 2, 4];
const NOWHERE = 0xffffffff;

/** [place, bits of the weight] of every tap, filled up with places that are nowhere. */
function tapTable(taps: readonly ResizeTap[], count: number): Uint32Array {
  const table = new Uint32Array(taps.length * count * 2).fill(NOWHERE), floats = new Float32Array(table.buffer);
  taps.forEach(({ places, weights }, i) => places.forEach((place, t) => {
    table[(i * count + t) * 2] = place;
    floats[(i * count + t) * 2 + 1] = weights[t];
  }));
  return table;
}

const lowerResize: Lower = (query, op) => {
  const { shape, type } = input(op, 0), axes = resizeAxes(op), rank = shape.length;
  const still = axes.slice(0, Math.max(0, rank - 2))
    .every((axis) => axis.out === axis.size && axis.scale === 1 && axis.from === 0 && axis.to === 1);
  if (type !== 'float32' || rank < 2 || !still) return undefined;
  const [rows, cols] = axes.slice(rank - 2).map((axis) => tapsOf(op, axis));
  const count = tapCounts.find((most) => [...rows, ...cols].every(({ places }) => places.length <= most));
  if (!count) return undefined;
  const shader = `f32_resize_${count}`, length = outSize(query, op), [height, width] = shape.slice(-2);
  const job = { length, height, width, out_height: rows.length, out_width: cols.length, outside: num(op, 'extrapolation_value', 0) };
  const build = (place: Place): Dispatch[] => {
    const [x, y] = inOut(place, op), table = (name: string, taps: readonly ResizeTap[]): GPUBufferBinding =>
      place.upload(`${op.node.name}|${name}`, () => tapTable(taps, count));
    return lone(query, { shader, job, operands: [x, table('rows', rows), table('cols', cols), y], invocations: length });
  };
  return { kernel: shader, build };
};

export const moves: Readonly<Record<string, Lower>> = {
  ...Object.fromEntries(Object.entries(moving).map(([name, one]) => [name, lowerMoves(one)])),
  Pad: lowerPad,
  Tile: lowerTile,
  Gather: lowerGather,
  Resize: lowerResize,
};
