import { type Shape, sizeOf, Tensor } from '../../tensor.ts';
import type { Graph, Node, Typed } from '../graph.ts';
import { freshNames } from '../names.ts';
import { inverse, isIdentity, type Permutation, permuteList, permuteTensor } from '../permute.ts';

/** What a value of the old graph is in the new one: Transpose(source, perm), not computed unless somebody needs it. */
export interface View { readonly source: string; readonly perm: Permutation }

/** The new graph in the making. */
export interface Sink {
  readonly nodes: Node[];
  readonly constants: Map<string, Tensor>;
  /** Of the old values and the new. */
  readonly types: Map<string, Typed>;
  readonly views: Map<string, View>;
  /** Transposed values that exist already, by source and permutation. */
  readonly made: Map<string, string>;
  /** What the Transpose that made an old value was called. */
  readonly labels: Map<string, string>;
  /** A name nobody has. */
  readonly fresh: (name: string) => string;
}

export function newSink(graph: Graph, types: ReadonlyMap<string, Typed>): Sink {
  const fresh = freshNames(graph);
  const all = new Map<string, Typed>([...graph.constants].map(([name, { type, dims }]) => [name, { type, shape: dims }]));
  for (const [name, type] of types) all.set(name, type);
  return { nodes: [], constants: new Map(graph.constants), types: all, views: new Map(), made: new Map(), labels: new Map(), fresh };
}

export function typed(sink: Sink, name: string): Typed {
  return sink.types.get(name) as Typed;
}

export const shapeOf = (sink: Sink, name: string): Shape => typed(sink, name).shape;

/** The view of a value, when it is more than another name. */
export function viewOf(sink: Sink, name: string): View | undefined {
  const view = sink.views.get(name);
  return view && !isIdentity(view.perm) ? view : undefined;
}

/** The name under which an old value is there in the new graph; computes it where it is only a view. */
export function make(sink: Sink, name: string): string {
  const view = sink.views.get(name);
  return view ? transposed(sink, view, name) : name;
}

/** Transpose(source, perm) as a value, called `name` where it is new. */
function transposed(sink: Sink, { source, perm }: View, name: string): string {
  if (isIdentity(perm)) return source;
  const key = `${perm} of ${source}`;
  const before = sink.made.get(key);
  if (before !== undefined) return before;
  const { type, shape } = typed(sink, source);
  const label = sink.labels.get(name) ?? sink.fresh(`${name}/Transpose`);
  sink.nodes.push({ name: label, op: 'Transpose', inputs: [source], outputs: [name], attrs: { perm } });
  sink.types.set(name, { type, shape: permuteList(shape, perm) });
  sink.made.set(key, name);
  return name;
}

export function addConstant(sink: Sink, name: string, tensor: Tensor): string {
  const unique = sink.fresh(name);
  sink.constants.set(unique, tensor);
  sink.types.set(unique, { type: tensor.type, shape: tensor.dims });
  return unique;
}

export const longs = (sink: Sink, name: string, values: readonly number[]): string =>
  addConstant(sink, name, new Tensor('int64', values, [values.length]));

/** Pads [starts …, ends …] for dimensions in another order. */
export function permutePads(pads: readonly number[], perm: Permutation): number[] {
  const rank = pads.length / 2;
  return [...permuteList(pads.slice(0, rank), perm), ...permuteList(pads.slice(rank), perm)];
}

/** Whether the permutation leaves the elements in memory as they are. */
export function movesOnlyOnes(shape: Shape, perm: Permutation): boolean {
  const moved = perm.filter((dim) => shape[dim] !== 1);
  return moved.every((dim, i) => i === 0 || moved[i - 1] < dim);
}

/** Whether `bring` costs nothing at run time. */
export function isFree(sink: Sink, name: string, perm: Permutation): boolean {
  const view = viewOf(sink, name);
  if (view && String(view.perm) === String(perm)) return true;
  const shape = shapeOf(sink, name);
  if (sink.constants.has(name) || sizeOf(shape) === 1) return true;
  const padding = perm.length - shape.length;
  return !view && movesOnlyOnes([...new Array<number>(padding).fill(1), ...shape], inverse(perm));
}

/** An operand in the layout of `perm`'s source, so that Transpose(result, perm) is the operand. Missing leading dimensions are 1. */
export function bring(sink: Sink, name: string, perm: Permutation): string {
  const view = viewOf(sink, name);
  if (view && String(view.perm) === String(perm)) return view.source;
  const { type, shape } = typed(sink, name);
  if (sizeOf(shape) === 1) return make(sink, name);
  const full = [...new Array<number>(perm.length - shape.length).fill(1), ...shape];
  const back = inverse(perm);
  const constant = sink.constants.get(name);
  if (constant) return addConstant(sink, `${name}/permuted`, permuteTensor(new Tensor(type, constant.data, full), back));
  if (full.length === shape.length) {
    const { source, perm: own } = view ?? { source: make(sink, name), perm: perm.map((_, d) => d) };
    return transposed(sink, { source, perm: permuteList(own, back) }, sink.fresh(`${name}/permuted`));
  }
  const wide = sink.fresh(`${name}/wide`);
  const inputs = [make(sink, name), longs(sink, `${name}/shape`, full)];
  sink.nodes.push({ name: wide, op: 'Reshape', inputs, outputs: [wide], attrs: { allowzero: 1 } });
  sink.types.set(wide, { type, shape: full });
  return transposed(sink, { source: wide, perm: back }, sink.fresh(`${name}/permuted`));
}
