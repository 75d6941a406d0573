import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate, inferShapes, specialize } from '../../src/graph/evaluate.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { passages, segment } from '../../src/graph/segment.ts';
import { Tensor } from '../../src/tensor.ts';
import { filled } from './call.ts';

/** x → a, b = split; c = a + b; d = −a; the outputs are d, c and x itself. */
const graph: Graph = {
  name: 'small', inputs: [{ name: 'x', type: 'float32', dims: [4] }],
  outputs: ['d', 'c', 'x'].map((name) => ({ name, type: 'float32', dims: [] })),
  nodes: [
    { name: 'halves', op: 'Split', inputs: ['x', 'sizes'], outputs: ['a', 'b'], attrs: {} },
    { name: 'sum', op: 'Add', inputs: ['a', 'b'], outputs: ['c'], attrs: {} },
    { name: 'back', op: 'Neg', inputs: ['a'], outputs: ['d'], attrs: {} },
  ],
  constants: new Map([['sizes', new Tensor('int64', [2, 2])]]),
};

test('what passes from node to node', () => {
  const fixed = specialize(graph), found = passages(fixed.graph, fixed.types);
  assert.equal(found, [
    { name: 'x', made: -1, reads: [0, 3], bytes: 16 }, { name: 'a', made: 0, reads: [1, 2], bytes: 8 },
    { name: 'b', made: 0, reads: [1], bytes: 8 }, { name: 'c', made: 1, reads: [3], bytes: 8 },
    { name: 'd', made: 2, reads: [3], bytes: 8 },
  ]);
});

test('a part takes what it reads and gives what others read', () => {
  const fixed = specialize(graph), names = (list: readonly { name: string }[]): string[] => list.map(({ name }) => name);
  const part = (from: number, to: number) => {
    const own = segment(fixed, from, to);
    assert.equal(new Set(own.types.keys()), new Set(inferShapes(own.graph).keys()), 'the types are those of its values');
    return [names(own.graph.inputs), names(own.graph.outputs), [...own.graph.constants.keys()]];
  };
  assert.equal(part(0, 1), [['x'], ['a', 'b'], ['sizes']]);
  assert.equal(part(0, 2), [['x'], ['a', 'c'], ['sizes']]);
  assert.equal(part(1, 3), [['a', 'b'], ['c', 'd'], []]);
  assert.equal(part(2, 3), [['a'], ['d'], []]);
  assert.equal(segment(fixed, 1, 2).graph.inputs, [
    { name: 'a', type: 'float32', dims: [2] }, { name: 'b', type: 'float32', dims: [2] },
  ]);
});

test('parts run one after the other give what the whole gives', () => {
  const fixed = specialize(graph), feeds = { x: filled([4], 1) }, whole = evaluate(fixed.graph, feeds);
  for (const cut of [1, 2]) {
    const first = evaluate(segment(fixed, 0, cut).graph, feeds), second = segment(fixed, cut, 3).graph;
    const fed = Object.fromEntries(second.inputs.map(({ name }) => [name, first[name]]));
    const made: Record<string, Tensor> = { ...feeds, ...first, ...evaluate(second, fed) };
    for (const name of Object.keys(whole)) assert.equal(made[name], whole[name], `${name}, cut at ${cut}`);
  }
});

test.run();
