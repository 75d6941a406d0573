import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Graph } from '../../src/graph/graph.ts';
import { zoo, zooGraph } from '../../src/graph/zoo/index.ts';
import { profileOf, type Profile } from '../../src/measure/profile.ts';
import { inspect, workOf } from '../../src/measure/work.ts';
import { prune } from '../../src/prune/index.ts';
import { Tensor } from '../../src/tensor.ts';

function near(a: number, b: number, what = ''): void {
  assert.ok(Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b)), `${what}: ${a}, not ${b}`);
}

test('VGG16: the figure of the article, over the convolutions alone', () => {
  const graph = zooGraph('vgg16-bn-cifar');
  const { layers } = profileOf(graph, { ops: ['Conv'] });
  assert.is(layers.length, 13);
  const weights = layers.map((layer) => layer.weights), sum = (list: number[]): number => list.reduce((a, b) => a + b);
  assert.is((100 * sum(weights.slice(-3)) / sum(weights)).toFixed(3), '48.115');
  assert.is((100 * (1 - layers.at(-4)!.work.cumulative)).toFixed(3), '9.040');
  assert.is((100 * (1 - layers.at(-4)!.params.cumulative)).toFixed(1), '48.1');
  const inBounds = profileOf(graph, { ops: ['Conv'], convention: 'inBounds' }).layers;
  assert.is((100 * (1 - inBounds.at(-4)!.work.cumulative)).toFixed(2), '5.09');
});

test('VGG16: the share of the work is that at any resolution', () => {
  const large = profileOf(zooGraph('vgg16'), { ops: ['Conv'] }).layers;
  assert.is((100 * (1 - large.at(-4)!.work.cumulative)).toFixed(3), '9.040');
});

const modest = Object.keys(zoo).filter((name) => !['vgg16', 'resnet50', 'resnet18'].includes(name));
for (const name of modest) {
  test(`${name}: shares add up to the network, the totals are those of inspect`, () => {
    const graph = zooGraph(name);
    const profile = profileOf(graph), { totals } = inspect(graph), { layers, rest, params, work } = profile;
    assert.equal([params.total, params.kept, work.total, work.kept], [totals.params, totals.params, totals.macs, totals.macs]);
    near(layers.at(-1)!.params.cumulative, 1 - rest.params.total / params.total, 'parameters');
    near(layers.at(-1)!.work.cumulative, 1, 'work');
    for (const key of ['params', 'work'] as const) {
      layers.reduce((before, layer) => {
        near(layer[key].cumulative, before + layer[key].share, `${layer.name} ${key}`);
        return layer[key].cumulative;
      }, 0);
    }
    assert.ok(layers.every(({ sparsity }) => sparsity === 0));
    const multiplying = graph.nodes.filter(({ op }) => op === 'Conv' || op === 'Gemm');
    assert.equal(layers.map((layer) => layer.name), multiplying.map((node) => node.name));
  });
}

test('what is left of each layer: nonzero parameters, masked multiply-adds, and in bounds as workOf counts them', () => {
  const { graph } = prune(zooGraph('resnet20-cifar'), { sparsity: 0.8, scope: 'model' });
  const profile = profileOf(graph), inBounds = profileOf(graph, { convention: 'inBounds' }), work = workOf(graph);
  const byName = new Map(work.layers.map((layer) => [layer.name, layer]));
  profile.layers.forEach((layer, i) => {
    const same = byName.get(layer.name)!;
    assert.equal([layer.params.total, layer.params.kept], [same.params, same.nonzero], layer.name);
    assert.equal([layer.work.total, layer.work.kept], [same.macs.dense, same.macs.masked], layer.name);
    assert.is(inBounds.layers[i].work.kept, same.macs.inBounds, layer.name);
    near(layer.work.kept, layer.work.total * (1 - layer.sparsity), layer.name);
  });
  assert.is(profile.params.kept, work.totals.nonzeroParams);
  assert.is(inBounds.work.kept, work.totals.macs.inBounds);
});

test('by ptflops, what takes no weights stays', () => {
  const dense = zooGraph('lenet-5-caffe'), { graph } = prune(dense, { sparsity: 1 });
  const { work, counts } = profileOf(graph, { convention: 'ptflops' });
  assert.is(work.total, 2_323_450);
  assert.is(work.kept, 2_323_450 - 2_293_000);
  assert.equal([counts.macs!.kept, counts['macs+bias']!.kept], [0, counts['macs+bias']!.total - counts.macs!.total]);
});

const f32 = (dims: number[]): Tensor => new Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b)).fill(1), dims);

/** x [1, 4] → W → W → activations times each other: one weight twice, and a product without weights. */
const shared: Graph = {
  name: 'shared',
  inputs: [{ name: 'x', type: 'float32', dims: [1, 4] }],
  outputs: [{ name: 'c', type: 'float32', dims: [1, 1] }],
  nodes: [
    { name: 'a', op: 'MatMul', inputs: ['x', 'w'], outputs: ['a'], attrs: {} },
    { name: 'b', op: 'MatMul', inputs: ['a', 'w'], outputs: ['b'], attrs: {} },
    { name: 't', op: 'Transpose', inputs: ['b'], outputs: ['t'], attrs: { perm: [1, 0] } },
    { name: 'c', op: 'MatMul', inputs: ['a', 't'], outputs: ['c'], attrs: {} },
  ],
  constants: new Map([['w', f32([4, 4])]]),
};

test('a shared weight belongs to the first layer that has it; activations multiplied with each other have work and no weights', () => {
  const { layers, params } = profileOf(shared);
  assert.equal(layers.map((l) => [l.name, l.weights, l.params.total, l.work.total]), [['a', 16, 16, 16], ['b', 0, 0, 16], ['c', 0, 0, 4]]);
  assert.is(params.total, 16);
});

test('a network without layers has a profile of nothing', () => {
  const graph: Graph = {
    name: 'none', inputs: [{ name: 'x', type: 'float32', dims: [1, 4] }], outputs: [{ name: 'y', type: 'float32', dims: [1, 4] }],
    nodes: [{ name: 'y', op: 'Relu', inputs: ['x'], outputs: ['y'], attrs: {} }], constants: new Map(),
  };
  const { layers, work } = profileOf(graph);
  assert.equal([layers, work.total], [[], 0]);
  assert.not.match(JSON.stringify(profileOf(graph, { convention: 'ptflops' })), /null,|NaN/);
});

test('shapes settle free dimensions; options are checked', () => {
  const graph = zooGraph('lenet-300-100'), [input] = graph.inputs;
  const open: Graph = { ...graph, inputs: [{ ...input, dims: ['N', 1, 28, 28] }] };
  assert.is(profileOf(open, { shapes: { input: [3, 1, 28, 28] } }).work.total, 3 * 266_200);
  const wrong = (options: object): string => {
    try {
      profileOf(graph, options);
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };
  assert.match(wrong({ convention: 'gops' }), /one of macs.*shrinkbench, got 'gops'/);
  assert.match(wrong({ konvention: 'macs' }), /one of shapes, convention, ops, got 'konvention'/);
  assert.match(wrong({ ops: ['Conv'] }), /some of Gemm, got 'Conv'/);
  assert.match(wrong({ ops: [] }), /one or more operators/);
});

test('a profile is plain JSON', () => {
  const profile = profileOf(zooGraph('resnet20-cifar'));
  assert.equal(JSON.parse(JSON.stringify(profile)) as Profile, profile);
});

test.run();
