import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../src/expect.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { criteria, isKept, prune, type Mask, type PruneOptions } from '../../src/prune/index.ts';
import { sizeOf } from '../../src/tensor.ts';
import { counting, evidenceOf, sketch, weightsOf } from './networks.ts';

const keptOf = (mask: Mask): string => Array.from({ length: sizeOf(mask.dims) }, (_, i) => (isKept(mask, i) ? 1 : 0)).join('');

/** The mask of a linear layer [1, n] with these weights. */
function maskOf(values: number[], options: PruneOptions): string {
  const graph = sketch({ fc: { op: 'Linear', dims: [1, values.length], values } });
  return keptOf(prune(graph, { evidence: evidenceOf(graph), ...options }).masks.get('fc.weight')!);
}

test('2:4 keeps the two largest of four, the first of equals', () => {
  assert.is(maskOf([1, -5, 3, 2, 0, 0, 0, 7, 4, 4, 4, 4], { scope: '2:4' }), '011010011100');
  assert.is(maskOf([1, -5, 3, 2, 0, 0, 0, 7, 4, 4, 4, 4], { scope: { keep: 1, of: 4 } }), '010000011000');
});

test('N:M keeps exactly N, zeros too where there are no more, and reports ties', () => {
  assert.is(maskOf([0, 0, 0, 7], { scope: '2:4' }), '1001');
  assert.is(maskOf([0, 0, 0, 0], { scope: '2:4' }), '1100');
  const rowOf = (values: number[]): unknown => {
    const [{ ties, groups }] = prune(sketch({ fc: { op: 'Linear', dims: [1, values.length], values } }), { scope: '2:4' }).report;
    return [ties, groups?.dropped];
  };
  assert.equal(rowOf([4, 4, 4, 4, 1, 2, 3, 4]), [2, 4]);
  assert.equal(rowOf([1, 5, 1, 5, 3, 3, 3, 9]), [1, 4]);
  assert.equal(rowOf([0, 0, 0, 7, 1, 2, 3, 4]), [undefined, 4]);
});

test('N:M with options that cannot apply is refused; a floor that it keeps anyway is not', () => {
  assert.is(maskOf([1, 2, 3, 4], { scope: '2:4', floor: 0.5, counting: 'exact' }), '0011');
  const refuses = (options: PruneOptions, message: RegExp): void => assert.throws(() => maskOf([1, 2, 3, 4], options), (error: unknown) =>
    error instanceof BurinError && error.kind === 'argument' && message.test(error.message));
  refuses({ scope: '2:4', floor: 0.6 }, /option floor: needs at most 0.5, which is what the scope keeps, got 0.6/);
  refuses({ scope: '2:4', counting: 'torch' }, /option counting: needs exact or nothing, .*got 'torch'/);
});

test('a layer of which nothing is left is reported', () => {
  const values = [1, 2, 3, 4], layer = { op: 'Linear', dims: [2, 2], values };
  const graph = sketch({ a: layer, b: { ...layer, values: values.map((value) => value + 9) } });
  const emptied = (options: PruneOptions): string[] => prune(graph, options).report.filter((row) => row.emptied).map(({ name }) => name);
  assert.equal(emptied({ sparsity: 1 }), ['a', 'b']);
  assert.equal(emptied({ sparsity: 1, scope: 'row' }), ['a', 'b']);
  assert.equal(emptied({ sparsity: 0.8, scope: 'row' }), ['a', 'b']);
  assert.equal(emptied({ sparsity: 0.6, scope: 'row', granularity: 'filter' }), ['a', 'b']);
  assert.equal(emptied({ sparsity: 0.6, scope: 'row', granularity: 'filter', floor: 0.1 }), []);
  assert.equal(emptied({ sparsity: 0.5, scope: 'row', granularity: 'filter' }), []);
  assert.equal(emptied({ sparsity: 0.5, scope: 'model' }), ['a']);
  assert.equal(emptied({ sparsity: 0.5, scope: 'model', floor: 0.1 }), []);
  assert.equal(emptied({ sparsity: 0.5 }), []);
});

test('the smallest go, negative or not', () => {
  assert.is(maskOf([-4, 1, -2, 3], { sparsity: 0.5 }), '1001');
  assert.is(maskOf([-4, 1, -2, 3], { sparsity: 0.5, criterion: 'squared' }), '1001');
});

const counts: [n: number, sparsity: number, dropped: number][] = [
  [10, 0.5, 5], [10, 0.25, 2], [7, 0.5, 4], [64, 0.3, 19], [5, 0.5, 2], [3, 0.5, 2], [1, 0.5, 0], [10, 0, 0], [10, 1, 10],
];
for (const [n, sparsity, dropped] of counts) {
  test(`${sparsity} of ${n} drops ${dropped}`, () => {
    const kept = maskOf(counting([n]), { sparsity });
    assert.is(kept, '0'.repeat(dropped) + '1'.repeat(n - dropped));
  });
}

test('ties go to the lowest index', () => {
  assert.is(maskOf([2, 1, 1, 1, 1, 2], { sparsity: 0.5 }), '100011');
  assert.is(maskOf([1, -1, 1, -1], { sparsity: 0.5 }), '0011');
});

test('ties across layers go to the first layer', () => {
  const values = [1, 1, 1, 1];
  const graph = sketch({ a: { op: 'Linear', dims: [1, 4], values }, b: { op: 'Linear', dims: [1, 4], values } });
  const { masks } = prune(graph, { scope: 'model', sparsity: 0.75 });
  assert.equal([...masks.values()].map(keptOf), ['0000', '0011']);
});

test('scope model ranks all layers together', () => {
  const graph = sketch({
    big: { op: 'Linear', dims: [1, 4], values: [10, 20, 3, 40] },
    small: { op: 'Linear', dims: [2, 2], values: [1, 2, 30, 4] },
  });
  const { masks, report } = prune(graph, { scope: 'model', sparsity: 0.5 });
  assert.equal([...masks.values()].map(keptOf), ['1101', '0010']);
  const rows = report.map(({ name, sparsity, kept, total }) => [name, sparsity, kept, total]);
  assert.equal(rows, [['big', 0.25, 3, 4], ['small', 0.75, 1, 4]]);
});

test('scope model with layers whose scores differ in precision', () => {
  const graph = sketch({ conv: { dims: [1, 2, 1, 2], values: [0.1, 0.3, 5, 5] }, fc: { op: 'Linear', dims: [1, 2], values: [0.1, 7] } });
  const { masks } = prune(graph, { scope: 'model', granularity: 'kernel', sparsity: 0.5 });
  assert.equal([...masks.values()].map(keptOf), ['0011', '01']);
});

test('the input graph is not modified, and other constants are shared with it', () => {
  const graph = zooGraph('lenet-5-caffe');
  const before = new Map([...graph.constants].map(([name, { data }]) => [name, data.slice()]));
  const pruned = prune(graph, { sparsity: 0.9, exclude: ['fc*'] }).graph;
  for (const [name, data] of before) assert.equal(graph.constants.get(name)!.data, data, name);
  assert.not.equal(pruned.constants.get('conv1.weight')!.data, before.get('conv1.weight'));
  assert.is(pruned.constants.get('fc1.weight'), graph.constants.get('fc1.weight'));
  assert.is(pruned.constants.get('conv1.bias'), graph.constants.get('conv1.bias'));
});

test('what is pruned stays pruned: zeros count, and go first under any criterion', () => {
  const values = [0, 5, 0, 7, 0, 1, 2, 9];
  for (const criterion of Object.keys(criteria)) {
    const mask = maskOf(values, { criterion, sparsity: 0.5 });
    assert.is([...mask].filter((bit) => bit === '0').length, 4, criterion);
    assert.ok([0, 2, 4].every((i) => mask[i] === '0'), criterion);
    assert.is(maskOf(values, { criterion, sparsity: 0.25 }), '01010111', criterion);
  }
});

test('masks of higher sparsity are inside those of lower', () => {
  const values = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 60 });
  const fraction = fc.integer({ min: 0, max: 20 }).map((n) => n / 20);
  const name = fc.constantFrom(...Object.keys(criteria));
  fc.assert(fc.property(values, fraction, fraction, name, (weights, a, b, criterion) => {
    const [less, more] = [Math.min(a, b), Math.max(a, b)].map((sparsity) => maskOf(weights, { criterion, sparsity, seed: 3 }));
    for (let i = 0; i < weights.length; i++) assert.ok(less[i] >= more[i]);
  }));
});

test('random is seeded, and each layer has a stream of its own', () => {
  const dims = [8, 8];
  const graph = sketch({ a: { op: 'Linear', dims, values: counting(dims) }, b: { op: 'Linear', dims, values: counting(dims) } });
  const masks = (seed: number): string[] => [...prune(graph, { criterion: 'random', sparsity: 0.5, seed }).masks.values()].map(keptOf);
  assert.equal(masks(1), masks(1));
  assert.not.equal(masks(1), masks(2));
  assert.is.not(masks(1)[0], masks(1)[1]);
});

test('a criterion of your own sees the weights in OIHW and the layer', () => {
  const graph = sketch({ fc: { op: 'MatMul', dims: [2, 3], values: [1, 2, 3, 4, 5, 6] } });
  let seen: number[] = [];
  const { masks } = prune(graph, {
    sparsity: 0.5, criterion: { formula: '-|w|', score: (weights, { layer }) => {
      seen = [...weights];
      assert.equal(layer.dims, [3, 2, 1, 1]);
      return weights.map((w) => -Math.abs(w));
    } },
  });
  assert.equal(seen, [1, 4, 2, 5, 3, 6]);
  assert.is(keptOf(masks.get('fc.weight')!), '111000');
});

test('filters of stored orders other than OIHW', () => {
  const gemm = sketch({ fc: { op: 'Gemm', dims: [2, 2], values: [1, 10, 2, 20] } });
  assert.equal(weightsOf(prune(gemm, { granularity: 'filter', sparsity: 0.5 }).graph, 'fc'), [0, 10, 0, 20]);
  const transB = sketch({ fc: { op: 'Gemm', dims: [2, 2], values: [1, 2, 10, 20], attrs: { transB: 1 } } });
  assert.equal(weightsOf(prune(transB, { granularity: 'filter', sparsity: 0.5 }).graph, 'fc'), [0, 0, 10, 20]);
  // [I 2, O/g 1, 1, 2] in two groups: filter 0 reads input 0, filter 1 reads input 1.
  const up = sketch({ up: { op: 'ConvTranspose', dims: [2, 1, 1, 2], values: [1, 1, 9, 9], attrs: { group: 2 } } });
  assert.equal(weightsOf(prune(up, { granularity: 'filter', sparsity: 0.5 }).graph, 'up'), [0, 0, 9, 9]);
});

test('vector-wise N:M: one index list for each block of rows', () => {
  const graph = sketch({ fc: { op: 'Linear', dims: [2, 4], values: [9, 1, 1, 2, 1, 1, 8, 2] } });
  assert.equal(weightsOf(prune(graph, { scope: '2:4', granularity: 'block_rows(2)' }).graph, 'fc'), [9, 0, 1, 0, 1, 0, 8, 0]);
});

test('N:M runs along the input channels at each position of the window', () => {
  const graph = sketch({ conv: { dims: [1, 4, 1, 2], values: [1, 8, 2, 7, 3, 6, 4, 5] } });
  assert.equal(weightsOf(prune(graph, { scope: '2:4' }).graph, 'conv'), [0, 8, 0, 7, 3, 0, 4, 0]);
});

const stem = (): Graph => sketch({
  conv1: { dims: [64, 3, 7, 7], values: counting([64, 3, 7, 7]) },
  conv2: { dims: [4, 8, 1, 1], values: counting([4, 8]) },
});

test('a layer that N:M does not fit: an error with the place, or left dense and reported', () => {
  const message = 'conv1.weight [64, 3, 7, 7]: needs input channels in fours for 2:4, got 3; leave this layer dense';
  assert.throws(() => prune(stem(), { scope: '2:4' }), (error: Error) => error.message === message);
  const graph = stem();
  const pruned = prune(graph, { scope: '2:4', strict: false });
  assert.is(pruned.report[0].refused, message);
  assert.is(pruned.report[0].sparsity, 0);
  assert.equal([...pruned.masks.keys()], ['conv2.weight']);
  assert.is(pruned.report[1].sparsity, 0.5);
  assert.is(pruned.graph.constants.get('conv1.weight'), graph.constants.get('conv1.weight'));
});

test('N:M takes the sparsity it has', () => {
  assert.is(maskOf([1, 2, 3, 4], { scope: '1:4', sparsity: 0.75 }), '0001');
});

test('sparsity by layer', () => {
  const { report } = prune(zooGraph('lenet-300-100'), { sparsity: { fc1: 0.92, fc3: 0.74 } });
  assert.equal(report.map(({ name, total, kept }) => [name, total - kept]), [['fc1', 216_384], ['fc3', 740]]);
});

test('layers by name, by pattern, by test', () => {
  const graph = zooGraph('resnet20-cifar');
  const names = (options: PruneOptions): string[] => prune(graph, { sparsity: 0.5, ...options }).report.map(({ name }) => name);
  assert.equal(names({ layers: ['conv1', 'fc.weight'] }), ['conv1', 'fc']);
  assert.equal(names({ layers: ['layer1.0.*'] }), ['layer1.0.conv1', 'layer1.0.conv2']);
  assert.equal(names({ layers: ({ dims }) => dims[2] === 1 }), ['layer2.0.downsample.0', 'layer3.0.downsample.0', 'fc']);
  assert.is(names({}).length, 22);
  assert.equal(names({ exclude: ['layer*'] }), ['conv1', 'fc']);
});

test('a weight that two nodes share is pruned once', () => {
  const graph = sketch({ a: { op: 'Linear', dims: [1, 4], values: [1, 2, 3, 4] } });
  const shared = { ...graph, nodes: [...graph.nodes, { ...graph.nodes[0], name: 'again', outputs: ['again.out'] }] };
  assert.equal(prune(shared, { sparsity: 0.5 }).report.map(({ name }) => name), ['a']);
});

const refused: [string, PruneOptions, RegExp][] = [
  ['no sparsity', {}, /option sparsity: needs a fraction 0 … 1, got nothing/],
  ['percent', { sparsity: 50 }, /all layers: needs a fraction/],
  ['NaN', { sparsity: NaN }, /needs a fraction/],
  ['criterion', { sparsity: 0.5, criterion: 'taste' }, /criterion: needs one of magnitude, squared, .*lamp, got 'taste'/],
  ['granularity', { sparsity: 0.5, granularity: 'atom' }, /granularity: needs one of weight, .*block_rows, got 'atom'/],
  ['block without numbers', { sparsity: 0.5, granularity: 'block' }, /granularity block: needs 2 numbers, block\(R,C\), got 0/],
  ['scope', { sparsity: 0.5, scope: 'world' as 'model' }, /scope: needs one of layer, row, model, keep:of as in 2:4, or lists/],
  ['4:2', { scope: '4:2' }, /1 <= keep < of/],
  ['N:M and a sparsity', { scope: '2:4', sparsity: 0.9 }, /needs 0.5 or nothing/],
  ['N:M of filters', { scope: '2:4', granularity: 'filter' }, /a granularity of one input channel/],
  ['unknown layer', { sparsity: 0.5, layers: ['fc9'] }, /option layers: needs layers among fc1, fc2, fc3, got 'fc9'/],
  ['unknown layer in the table', { sparsity: { fc9: 0.5 } }, /option sparsity: needs layers among fc1, fc2, fc3/],
  ['a misspelt layer', { sparsity: 0.5, exclude: ['fc1.wieght'] }, /option exclude: .*got 'fc1.wieght'; did you mean fc1.weight/],
  ['a misspelt layer in the table', { sparsity: { fc1: 0.5, 'fc2.kernel': 0.5 } }, /got 'fc2.kernel'; did you mean fc2/],
  ['nothing alike', { sparsity: 0.5, layers: ['block.*.conv'] }, /got 'block.\*.conv'$/],
  ['a layer twice in the table', { sparsity: { fc1: 0.5, 'fc1.weight': 0.6 } }, /one number a layer, got fc1 and fc1.weight for/],
  ['N:M and a table', { scope: '2:4', sparsity: { fc1: 0.5 } }, /needs 0.5 or nothing/],
  ['a misspelt option', { sparsty: 0.5 } as PruneOptions, /prune options: needs one of criterion, granularity, .*strict, got 'sparsty'/],
  ['sparsity as text', { sparsity: '0.5' as never }, /option sparsity: needs a number 0 … 1, or an object .*got '0.5'/],
  ['sparsity as a list', { sparsity: [0.5] as never }, /option sparsity: needs a number/],
  ['text in the table', { sparsity: { fc1: '0.5' as never } }, /option sparsity, fc1: needs a fraction 0 … 1, got '0.5'/],
  ['seed as text', { sparsity: 0.5, seed: 'x' as never }, /option seed: needs a finite number, got 'x'/],
  ['seed NaN', { sparsity: 0.5, seed: NaN }, /option seed: needs a finite number, got NaN/],
  ['granularity null', { sparsity: 0.5, granularity: null as never }, /option granularity: needs the name/],
  ['criterion without a score', { sparsity: 0.5, criterion: {} as never }, /option criterion: needs the name of a criterion, a function/],
  ['scope 2', { scope: 2 as never }, /option scope: needs the name of a scope/],
  ['layers as text', { sparsity: 0.5, layers: 'fc1' as never }, /option layers: needs names of layers or a function, got 'fc1'/],
  ['strict as text', { sparsity: 0.5, strict: 'yes' as never }, /option strict: needs true or false/],
  ['options null', null as never, /prune options: needs an object as in \{ sparsity: 0.9 \}, got null/],
  ['no options', undefined as never, /prune options: needs an object .*got undefined/],
  ['table for the model', { sparsity: { fc1: 0.5 }, scope: 'model' }, /one number/],
];
for (const [name, options, message] of refused) {
  test(`refuses: ${name}`, () => {
    assert.throws(() => prune(zooGraph('lenet-300-100'), options), (error: unknown) => {
      return error instanceof BurinError && error.kind === 'argument' && message.test(error.message);
    });
  });
}

test('a table takes the names of weights as those of layers', () => {
  const graph = zooGraph('lenet-300-100');
  const tables: Record<string, number>[] = [{ fc1: 0.9, fc3: 0.5 }, { 'fc1.weight': 0.9, fc3: 0.5 }];
  const [byName, byWeight] = tables.map((sparsity) => prune(graph, { sparsity }).report.map((row) => [row.name, row.kept]));
  assert.equal(byName, [['fc1', 23_520], ['fc3', 500]]);
  assert.equal(byWeight, byName);
});

test('a name of several layers is refused, that of a weight is not', () => {
  const values = [1, 2, 3, 4], dims = [2, 2];
  const layer = { op: 'Linear', dims, values }, graph = sketch({ a: layer, b: layer, 'a.weight': layer });
  const twins: Graph = { ...graph, nodes: graph.nodes.map((node) => (node.name === 'b' ? { ...node, name: 'a' } : node)) };
  for (const options of [{ sparsity: { a: 0.5 } }, { sparsity: 0.5, layers: ['a'] }, { sparsity: 0.5, exclude: ['a.weight'] }]) {
    assert.throws(() => prune(twins, options), (error: unknown) => error instanceof BurinError && error.kind === 'argument' &&
      /needs a name of one layer, got that of 2: a with weight .*; take the name of the weight/.test(error.message));
  }
  assert.equal(prune(twins, { sparsity: { 'b.weight': 0.5 } }).report.map(({ weight, kept }) => [weight, kept]), [['b.weight', 2]]);
  assert.is(prune(twins, { sparsity: 0.5, layers: ['a*'] }).report.length, 3);
});

test('refuses weights that are not numbers, with the place', () => {
  assert.throws(() => maskOf([1, NaN, 2], { sparsity: 0.5 }), /fc.weight \[1, 3, 1, 1\]: needs scores that are numbers, got NaN at 1/);
});

test.run();
