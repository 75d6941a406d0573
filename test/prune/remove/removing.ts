import * as assert from 'uvu/assert';
import { evaluate } from '../../../src/graph/evaluate.ts';
import type { Attr, Dim, Graph, Node } from '../../../src/graph/graph.ts';
import { removeChannels, type Removed, type RemoveOptions } from '../../../src/prune/index.ts';
import { numbersOf, Tensor, type Shape } from '../../../src/tensor.ts';
import { filled } from '../../graph/call.ts';

// Small networks with dead channels, and that nothing is lost with them.

export type Constants = Record<string, Tensor>;
export type Attrs = Readonly<Record<string, Attr>>;

export const node = (name: string, op: string, inputs: string[], attrs: Attrs = {}, outputs = [name]): Node =>
  ({ name, op, inputs, outputs, attrs });
export const int = (...values: number[]): Tensor => new Tensor('int64', values, [values.length]);
export const f32 = (dims: Shape, values: readonly number[]): Tensor => new Tensor('float32', values, dims);

export function graphOf(nodes: Node[], dims: readonly Dim[], constants: Constants, outputs = nodes.at(-1)!.outputs): Graph {
  return {
    name: 'g', inputs: [{ name: 'x', type: 'float32', dims }], outputs: outputs.map((name) => ({ name, type: 'float32', dims: [] })),
    nodes, constants: new Map(Object.entries(constants)),
  };
}

/** A weight [O, I, …] whose filters in `dead` and whose input channels in `unread` are zero. */
export function riddled(dims: Shape, seed: number, { dead = [] as readonly number[], unread = [] as readonly number[] } = {}): Tensor {
  const weight = filled(dims, seed), row = weight.size / dims[0], window = row / dims[1];
  weight.data.forEach((_, i) => {
    if (dead.includes(Math.floor(i / row)) || unread.includes(Math.floor(i / window) % dims[1])) weight.data[i] = 0;
  });
  return weight;
}

export const feedsOf = (graph: Graph, shapes: Readonly<Record<string, Shape>> = {}): Record<string, Tensor> =>
  Object.fromEntries(graph.inputs.map(({ name, dims }) => [name, filled(shapes[name] ?? (dims as Shape), 9)]));

type Results = Readonly<Record<string, Tensor>>;

/** How far results are off, over the largest wanted. */
export function distance(got: Results, want: Results): number {
  let [most, error] = [1e-30, 0];
  for (const [name, tensor] of Object.entries(want)) {
    assert.equal(got[name].dims, tensor.dims, name);
    const [a, b] = [numbersOf(got[name]), numbersOf(tensor)];
    for (let i = 0; i < b.length; i++) {
      if (Number.isFinite(b[i])) most = Math.max(most, Math.abs(b[i]));
      if (!Object.is(a[i], b[i])) error = Math.max(error, Number.isNaN(a[i] - b[i]) ? Infinity : Math.abs(a[i] - b[i]));
    }
  }
  return error / most;
}

/** Removes channels; the results have to be the same within 1e-4 of the largest, no parameters more, and a second time nothing goes. */
export function removed(graph: Graph, options: RemoveOptions = {}): Removed {
  const small = removeChannels(graph, options), feeds = feedsOf(graph, options.shapes);
  const off = distance(evaluate(small.graph, feeds), evaluate(graph, feeds));
  assert.ok(off <= 1e-4, `${off} off`);
  const { before, after } = small.report.params;
  assert.ok(after <= before, `${after} parameters of ${before}`);
  assert.equal(removeChannels(small.graph, options).report.removed, [], 'a second time');
  assert.equal(small.graph.outputs.map(({ name }) => name), graph.outputs.map(({ name }) => name));
  return small;
}

export const dimsOf = ({ graph }: { graph: Graph }, name: string): Shape => graph.constants.get(name)!.dims;
