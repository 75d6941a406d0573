import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Graph, Node } from '../../src/graph/graph.ts';
import { prunableLayers, readWeight, writeWeight } from '../../src/graph/layers.ts';
import { sizeOf, Tensor, type Shape } from '../../src/tensor.ts';

/** A graph of one node whose weight counts 0, 1, 2, … */
function single(op: string, dims: Shape, attrs: Node['attrs'] = {}): Graph {
  const values = Array.from({ length: sizeOf(dims) }, (_, i) => i);
  return {
    name: op, inputs: [{ name: 'x', type: 'float32', dims: ['N'] }], outputs: [],
    nodes: [{ name: 'node', op, inputs: ['x', 'w'], outputs: ['y'], attrs }],
    constants: new Map([['w', new Tensor('float32', values, dims)]]),
  };
}

const cases: [title: string, graph: Graph, dims: number[], oihw: number[]][] = [
  ['Conv', single('Conv', [2, 1, 1, 2], { group: 2 }), [2, 1, 1, 2], [0, 1, 2, 3]],
  ['Conv of one dimension', single('Conv', [2, 1, 2]), [2, 1, 1, 2], [0, 1, 2, 3]],
  ['Linear', single('Linear', [2, 2]), [2, 2, 1, 1], [0, 1, 2, 3]],
  ['Gemm', single('Gemm', [2, 3]), [3, 2, 1, 1], [0, 3, 1, 4, 2, 5]],
  ['Gemm transB', single('Gemm', [2, 3], { transB: 1 }), [2, 3, 1, 1], [0, 1, 2, 3, 4, 5]],
  ['MatMul', single('MatMul', [2, 2]), [2, 2, 1, 1], [0, 2, 1, 3]],
  ['ConvTranspose', single('ConvTranspose', [2, 3, 1, 2]), [3, 2, 1, 2], [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]],
  ['ConvTranspose in groups', single('ConvTranspose', [4, 2, 1, 1], { group: 2 }), [4, 2, 1, 1], [0, 2, 1, 3, 4, 6, 5, 7]],
];

for (const [title, graph, dims, oihw] of cases) {
  test(`${title}: reads as OIHW and writes back`, () => {
    const [layer] = prunableLayers(graph);
    assert.equal(layer.dims, dims);
    const values = readWeight(graph, layer);
    assert.equal([...values], oihw);
    assert.equal(writeWeight(graph, layer, values), graph.constants.get('w'));
  });
}

test('no layer: weights that are computed, of another type or rank, other operators', () => {
  assert.equal(prunableLayers(single('MatMul', [2, 2, 2])), []);
  assert.equal(prunableLayers(single('Add', [2, 2])), []);
  assert.equal(prunableLayers({ ...single('Linear', [2, 2]), constants: new Map() }), []);
  assert.equal(prunableLayers({ ...single('Linear', [2, 2]), constants: new Map([['w', new Tensor('int8', [1, 2], [1, 2])]]) }), []);
});

test('a shared weight is listed once, at its first node', () => {
  const graph = single('Linear', [2, 2]);
  const layers = prunableLayers({ ...graph, nodes: [...graph.nodes, { ...graph.nodes[0], name: 'second', outputs: ['z'] }] });
  assert.equal(layers.map(({ name }) => name), ['node']);
});

test.run();
