import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Graph } from '../../../src/graph/graph.ts';
import { zooGraph } from '../../../src/graph/zoo/index.ts';
import { Pruner, statistics, type Mask } from '../../../src/prune/index.ts';
import { sketch } from '../networks.ts';

const droppedOf = (mask: Mask): number => statistics(mask).total - statistics(mask).kept;

test('tables take the names of weights, and tell layers of one name apart by them', () => {
  const graph = zooGraph('lenet-300-100');
  const rated = { name: 'lottery-ticket', rounds: 2, rate: { '*': 0.2, 'fc3.weight': 0.1 } };
  assert.equal(new Pruner(graph, { schedule: rated }).step(1).target, { fc1: 1 - 0.8, fc2: 1 - 0.8, fc3: 1 - 0.9 });
  const dims = [2, 2], values = [1, 2, 3, 4], pair = sketch({ a: { op: 'Linear', dims, values }, b: { op: 'Linear', dims, values } });
  const twins: Graph = { ...pair, nodes: pair.nodes.map((node) => ({ ...node, name: 'fc' })) };
  const step = new Pruner(twins, { sparsity: { 'a.weight': 0.25, 'b.weight': 0.75 } }).step(0);
  assert.equal([...step.masks].map(([name, mask]) => [name, droppedOf(mask)]), [['a.weight', 1], ['b.weight', 3]]);
  assert.equal(step.target, { 'a.weight': 0.25, 'b.weight': 0.75 });
  assert.throws(() => new Pruner(twins, { sparsity: { fc: 0.5 } }), /option schedule, 'fc': needs a name of one layer, got that of 2/);
});

test('lists of layers that are not there are refused when the pruner is made', () => {
  const graph = zooGraph('lenet-300-100');
  assert.throws(() => new Pruner(graph, { sparsity: 0.5, scope: [['fc1', 'fc9']], schedule: { name: 'agp', begin: 5, end: 9 } }),
    /scope: needs layers among fc1, fc2, fc3, got 'fc9'; did you mean fc1/);
  assert.throws(() => new Pruner(graph, { sparsity: 0.5, scope: [['fc1'], ['fc*']] }), /needs each layer in one list, got fc1 in two/);
});

test('the weights of an update are those it was made for, those of another step what the arrays hold when they are read', () => {
  const graph = sketch({ fc: { op: 'Linear', dims: [1, 4], values: [1, 2, 3, 4] } });
  const pruner = new Pruner(graph, { sparsity: 0.5, schedule: { name: 'one-shot', begin: 1 } }), values = Float32Array.of(1, 2, 3, 4);
  const weights = { 'fc.weight': values }, early = pruner.step(0, { weights }), update = pruner.step(1, { weights });
  values.fill(9);
  assert.equal([...update.weights.get('fc.weight')!.data], [0, 0, 3, 4]);
  assert.equal([...early.weights.get('fc.weight')!.data], [9, 9, 9, 9]);
  const idle = pruner.step(2, { weights });
  assert.equal([...idle.weights.get('fc.weight')!.data], [0, 0, 9, 9]);
  values.fill(7);
  assert.equal([...idle.weights.get('fc.weight')!.data, ...update.weights.get('fc.weight')!.data], [0, 0, 9, 9, 0, 0, 3, 4]);
});

test.run();
