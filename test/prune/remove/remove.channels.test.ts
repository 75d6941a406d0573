import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate } from '../../../src/graph/evaluate.ts';
import type { Graph, Node } from '../../../src/graph/graph.ts';
import { zooGraph } from '../../../src/graph/zoo/index.ts';
import { inspect } from '../../../src/measure/work.ts';
import { applyMasks, pruneChannels, removeChannels, statistics } from '../../../src/prune/index.ts';
import { Tensor } from '../../../src/tensor.ts';
import { filled } from '../../graph/call.ts';
import { dimsOf, f32, feedsOf, graphOf, node, removed, type Attrs } from './removing.ts';

test('ResNet-18, half of the channels everywhere: 3,055,880 parameters, 483,149,824 multiply-adds, ptflops 487,202,536', () => {
  const { graph, report } = pruneChannels(zooGraph('resnet18'), { sparsity: 0.5 }), small = removeChannels(graph);
  const refused = report.filter((row) => row.refused).map((row) => [row.name, row.refused]);
  assert.equal(refused, [['fc', 'an output of the network keeps its shape']]);
  const { totals } = inspect(small.graph);
  assert.equal([totals.params, totals.nonzeroParams, totals.macs], [3_055_880, 3_055_880, 483_149_824]);
  assert.is(inspect(small.graph, { convention: 'ptflops' }).totals.macs, 487_202_536);
  assert.equal(small.report.params, { before: 11_689_512, after: 3_055_880 });
  assert.equal(small.report.macs, { before: 1_814_073_344, after: 483_149_824 });
  assert.equal([small.report.kept, small.report.borders], [[], []]);
});

for (const [sparsity, macs, params] of [[0.25, 176_508_672, 8_288_314], [0.5, 78_744_064, 3_686_954]] as const) {
  test(`VGG16-CIFAR without ${sparsity} of its channels, removed: what §6 calls effective`, () => {
    const { totals } = inspect(removeChannels(pruneChannels(zooGraph('vgg16-bn-cifar'), { sparsity }).graph).graph);
    assert.equal([totals.macs, totals.params], [macs, params]);
  });
}

test('ResNet-50: 25 million parameters are pruned and removed in seconds', () => {
  const graph = zooGraph('resnet50'), start = performance.now();
  const { report } = removeChannels(pruneChannels(graph, { sparsity: 0.5 }).graph);
  assert.ok(performance.now() - start < 20_000, 'far more than the second it takes');
  assert.equal([report.params, report.macs], [{ before: 25_557_032, after: 6_917_640 }, { before: 4_089_184_256, after: 1_052_311_552 }]);
});

const conv = (name: string, x: string, attrs: Attrs = {}): Node => node(name, 'Conv', [x, `${name}.w`, `${name}.b`], attrs);

/** Two layers that a sum couples, their normalisation, and a reader. Filter o of a and b weighs scale[o]. */
function coupled(a: readonly number[], b: readonly number[]): Graph {
  const rows = (scales: readonly number[]): Tensor => f32([scales.length, 2, 1, 1], scales.flatMap((scale) => [scale, -scale]));
  const n = a.length, fill = (seed: number): Tensor => filled([n], seed);
  return graphOf([
    conv('a', 'x'), node('n', 'BatchNormalization', ['a', 'g', 'o', 'm', 'v']), conv('b', 'x'), node('s', 'Add', ['n', 'b']),
    node('r', 'Relu', ['s']), conv('y', 'r', { pads: [1, 1, 1, 1] }),
  ], [1, 2, 4, 4], {
    'a.w': rows(a), 'a.b': fill(1), 'b.w': rows(b), 'b.b': fill(2), g: fill(3), o: fill(4), m: fill(5),
    v: f32([n], Array.from({ length: n }, (_, i) => 1 + i)), 'y.w': filled([3, n, 3, 3], 6), 'y.b': filled([3], 7),
  });
}

const droppedIn = ({ constants }: Graph, name: string): number[] => {
  const { data, dims } = constants.get(name)!, row = data.length / dims[0];
  const isZero = (o: number): boolean => (data as Float32Array).subarray(o * row, (o + 1) * row).every((weight) => weight === 0);
  return Array.from({ length: dims[0] }, (_, o) => o).filter(isZero);
};

test('the masks make the same network of the model, biases and normalisations included', () => {
  const model = zooGraph('resnet20-cifar', { seed: 3 }), { graph, masks } = pruneChannels(model, { sparsity: 0.5 });
  const again = applyMasks(model, masks);
  for (const [name, { data }] of graph.constants) assert.equal(again.constants.get(name)!.data, data, name);
  assert.ok([...masks.keys()].some((name) => name.endsWith('.bias')), 'normalisations are masked');
  assert.is(removeChannels(again).report.params.after, removeChannels(graph).report.params.after);
});

test('options that mean nothing for channels are refused', () => {
  const options = { sparsity: 0.5, floor: 0.1 } as never;
  assert.throws(() => pruneChannels(zooGraph('resnet20-cifar'), options), /pruneChannels options: needs one of criterion, .*got 'floor'/);
  assert.throws(() => pruneChannels(zooGraph('resnet20-cifar')), /option sparsity: needs a fraction 0 … 1, got nothing/);
});

test('a set scores the mean of its filters over the mean of their layers, so that both makers count alike', () => {
  // Over the means (2.5, 250): a 0.4 0.8 1.2 1.6, b 1.6 0.4 1.2 0.8; sets 1.0 0.6 1.2 1.2.
  const { graph, masks, report } = pruneChannels(coupled([1, 2, 3, 4], [400, 100, 300, 200]), { sparsity: 0.5 });
  for (const name of ['a.w', 'b.w', 'a.b', 'b.b', 'g', 'o']) assert.equal(droppedIn(graph, name), [0, 1], name);
  assert.equal(droppedIn(graph, 'm'), [], 'the mean plays no part');
  const kept = Object.fromEntries([...masks].map(([name, mask]) => [name, statistics(mask).kept]));
  assert.equal(kept, { 'a.w': 4, 'b.w': 4, 'a.b': 2, 'b.b': 2, g: 2, o: 2 });
  assert.equal(report.map(({ name, groups, refused }) => [name, groups?.dropped, groups?.total, refused !== undefined]), [
    ['a', 2, 4, false], ['b', 2, 4, false], ['y', undefined, undefined, true],
  ]);
});

test('what dies is zero after the activation, and nothing is owed for it', () => {
  const { graph } = pruneChannels(coupled([1, 2, 3, 4], [400, 100, 300, 200]), { sparsity: 0.5 });
  const { r } = evaluate({ ...graph, outputs: [{ name: 'r', type: 'float32', dims: [] }] }, feedsOf(graph));
  assert.ok((r.data as Float32Array).subarray(0, 32).every((value) => value === 0));
  const small = removed(graph);
  assert.equal([dimsOf(small, 'y.w'), small.report.kept], [[3, 2, 3, 3], []]);
});

test('exactly round-half-even(s · n) of each group, nested, ties to the lowest', () => {
  const graph = coupled(Array(10).fill(1), Array(10).fill(1));
  for (const [sparsity, dropped] of [[0, 0], [0.05, 0], [0.15, 2], [0.25, 2], [0.5, 5], [0.9, 9]]) {
    const list = droppedIn(pruneChannels(graph, { sparsity }).graph, 'a.w');
    assert.equal(list, Array.from({ length: dropped }, (_, i) => i), String(sparsity));
  }
  const third = pruneChannels(coupled([5, 1, 4, 2, 3, 6], [5, 1, 4, 2, 3, 6]), { sparsity: 1 / 3 }).graph;
  const half = droppedIn(pruneChannels(third, { sparsity: 0.5, criterion: 'random', seed: 3 }).graph, 'a.w');
  assert.ok(half.length === 3 && half.includes(1) && half.includes(3), 'what is dead stays dead');
});

test('a group never loses all its sets: refused and reported', () => {
  const { graph, masks, report } = pruneChannels(coupled([1, 2, 3, 4], [1, 2, 3, 4]), { sparsity: 0.9 });
  assert.equal([droppedIn(graph, 'a.w'), masks.size], [[], 0]);
  assert.equal(report.slice(0, 2).map(({ refused }) => refused), Array(2).fill('would lose all of its 4 channels'));
});

test('layers that are not chosen hold what is coupled to them', () => {
  const { graph, report } = pruneChannels(coupled([1, 2, 3, 4], [1, 2, 3, 4]), { sparsity: 0.5, exclude: ['b'] });
  assert.equal([droppedIn(graph, 'a.w'), report[0].refused], [[], 'shares its channels with b, not to be pruned']);
  const table = pruneChannels(coupled([1, 2, 3, 4], [1, 2, 3, 4]), { sparsity: { a: 0.5, b: 0.25 } });
  const byWeight = pruneChannels(coupled([1, 2, 3, 4], [1, 2, 3, 4]), { sparsity: { 'a.w': 0.5, b: 0.5 } });
  assert.equal(byWeight.report.map(({ groups }) => groups?.dropped), [2, 2]);
  assert.throws(() => pruneChannels(coupled([1, 2, 3, 4], [1, 2, 3, 4]), { sparsity: { 'a.u': 0.5 } }), /got 'a.u'; did you mean a.w/);
  assert.match(table.report[0].refused!, /shares its channels with layers of which \[0\.5, 0\.25\] are asked for/);
  assert.equal(droppedIn(pruneChannels(coupled([1, 2, 3, 4], [1, 2, 3, 4]), { sparsity: { a: 0.25, b: 0.25 } }).graph, 'b.w'), [0]);
});

test('scope model ranks the sets of all groups, and leaves each one', () => {
  const graph = zooGraph('lenet-5-caffe', { input: 28 }), { report } = pruneChannels(graph, { sparsity: 0.6, scope: 'model' });
  const [total, dropped] = (['total', 'dropped'] as const).map((key) => report.reduce((sum, { groups }) => sum + (groups?.[key] ?? 0), 0));
  assert.equal([total, dropped], [20 + 50 + 500, 342]);
  const most = pruneChannels(graph, { sparsity: 1, scope: 'model' }).report.filter(({ groups }) => groups);
  assert.equal(most.map(({ groups }) => groups!.total - groups!.dropped), [1, 1, 1]);
  removed(pruneChannels(graph, { sparsity: 1, scope: 'model' }).graph);
});

test('a constant that two nodes share is zeroed for the one only', () => {
  const chain = ['a', 'b', 'y'].map((name, i) => node(name, 'Conv', ['xab'[i], `${name}.w`, 'k']));
  const graph = graphOf(chain, [1, 4, 3, 3], {
    'a.w': filled([4, 4, 1, 1], 1), 'b.w': filled([4, 4, 1, 1], 2), 'y.w': filled([4, 4, 1, 1], 3), k: filled([4], 4),
  });
  const pruned = pruneChannels(graph, { sparsity: { a: 0.5 } }).graph;
  assert.equal(pruned.nodes.map(({ inputs }) => inputs[2] === 'k'), [false, true, true]);
  assert.equal(pruned.constants.get('k'), graph.constants.get('k'));
  assert.is(dimsOf(removed(pruned), 'b.w')[1], 2);
});

test('bad options are typed errors', () => {
  const graph = coupled([1, 2], [1, 2]);
  assert.throws(() => pruneChannels(graph, {}), /option sparsity: needs a fraction 0 … 1, got nothing/);
  assert.throws(() => pruneChannels(graph, { sparsity: 2 }), /option sparsity, all layers: needs a fraction/);
  assert.throws(() => pruneChannels(graph, { sparsity: { z: 0.5 } }), /needs layers among a, b, y, got 'z'/);
  assert.throws(() => pruneChannels(graph, { sparsity: { a: 0.5 }, scope: 'model' }), /needs one number/);
  assert.throws(() => pruneChannels(graph, { sparsity: 0.5, scope: '2:4' as never }), /scope: needs one of layer, model/);
  assert.throws(() => pruneChannels(graph, { sparsity: 0.5, criterion: 'wanda' }), /inputNorms/);
});

test.run();
