import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { allocations, countings, isKept, prune, scopes, type PruneOptions, type PrunedLayer } from '../../src/prune/index.ts';
import { counting, sketch, weightsOf } from './networks.ts';

const densities = (report: readonly PrunedLayer[]): number[] => report.map(({ kept, total }) => kept / total);
const totalSparsity = (report: readonly PrunedLayer[]): number =>
  1 - report.reduce((sum, { kept }) => sum + kept, 0) / report.reduce((sum, { total }) => sum + total, 0);

function near(got: readonly number[], want: readonly number[], within: number): void {
  assert.is(got.length, want.length);
  got.forEach((value, i) => assert.ok(Math.abs(value - want[i]) <= within, `${got} for ${want}`));
}

test('ERK at 90 %', () => {
  const erk: PruneOptions = { allocation: 'erk', sparsity: 0.9 };
  near(densities(prune(zooGraph('lenet-300-100'), erk).report), [0.079568, 0.230189, 1], 2e-5);
  near(densities(prune(zooGraph('lenet-5-caffe'), erk).report), [1, 0.087072, 0.088433, 1], 2e-5);
});

test('every allocation reaches the sparsity asked for', () => {
  const graph = zooGraph('lenet-5-caffe');
  for (const allocation of Object.keys(allocations)) {
    for (const sparsity of [0, 0.3, 0.8, 0.9]) {
      near([totalSparsity(prune(graph, { allocation, sparsity }).report)], [sparsity], 1e-5);
    }
  }
});

test('uniform+: the first convolution dense, a fifth of the classifier kept, the rest alike', () => {
  const { report } = prune(zooGraph('lenet-5-caffe'), { allocation: 'uniform+', sparsity: 0.9 });
  const [conv1, conv2, fc1, fc2] = densities(report);
  assert.is(conv1, 1);
  near([fc2], [0.2], 1e-4);
  near([conv2], [fc1], 1e-4);
  const low = densities(prune(zooGraph('lenet-5-caffe'), { allocation: 'uniform+', sparsity: 0.5 }).report);
  near(low.slice(2), [low[1], low[1]], 1e-3);
});

test('uniform+ and ERK refuse what they cannot reach', () => {
  const most: PruneOptions = { allocation: 'uniform+', sparsity: 0.9999 };
  assert.throws(() => prune(zooGraph('lenet-5-caffe'), most), /allocation uniform\+: needs a sparsity/);
});

test('global is scope model; LAMP ranks squares as shares of what is not smaller', () => {
  const graph = sketch({
    a: { op: 'Linear', dims: [1, 4], values: [1, 2, 3, 4] }, b: { op: 'Linear', dims: [1, 3], values: [10, 10, 10] },
  });
  const kept = (options: PruneOptions): number[][] => {
    const { graph: pruned } = prune(graph, options);
    return ['a', 'b'].map((name) => weightsOf(pruned, name));
  };
  assert.equal(kept({ allocation: 'global', sparsity: 4 / 7 }), [[0, 0, 0, 0], [10, 10, 10]]);
  assert.equal(kept({ scope: 'model', sparsity: 4 / 7 }), kept({ allocation: 'global', sparsity: 4 / 7 }));
  // Shares: 1/30, 4/29, 9/25, 1 and 1/3, 1/2, 1.
  assert.equal(kept({ allocation: 'lamp', sparsity: 4 / 7 }), [[0, 0, 0, 4], [0, 10, 10]]);
  assert.equal(kept({ criterion: 'lamp', scope: 'model', sparsity: 4 / 7 }), kept({ allocation: 'lamp', sparsity: 4 / 7 }));
  assert.ok(kept({ allocation: 'lamp', sparsity: 6 / 7 }).every((values) => values.includes(0)));
});

test('an allocation of your own', () => {
  const graph = zooGraph('lenet-300-100');
  const shares = (layers: readonly unknown[]): number[] => layers.map((_, i) => (i === layers.length - 1 ? 0.5 : 0));
  const allocation = { about: 'the last one', shares };
  near(densities(prune(graph, { allocation, sparsity: 0.1 }).report), [1, 1, 0.5], 0);
  assert.throws(() => prune(graph, { allocation: { about: 'none', shares: () => [2] }, sparsity: 0.1 }), /a fraction 0 … 1 for each layer/);
});

test('lists of layers are ranked together, the others alone', () => {
  const graph = sketch({
    a: { op: 'Linear', dims: [1, 2], values: [1, 2] }, b: { op: 'Linear', dims: [1, 2], values: [3, 4] },
    c: { op: 'Linear', dims: [1, 2], values: [5, 6] },
  });
  const { graph: pruned } = prune(graph, { scope: [['a', 'b']], sparsity: 0.5 });
  assert.equal(['a', 'b', 'c'].map((name) => weightsOf(pruned, name)), [[0, 0], [3, 4], [0, 6]]);
  assert.throws(() => prune(graph, { scope: [['a'], ['*']], sparsity: 0.5 }), /each layer in one list, got a in two/);
  assert.throws(() => prune(graph, { scope: [['z']], sparsity: 0.5 }), /scope: needs layers among a, b, c, got 'z'/);
  assert.throws(() => prune(graph, { scope: [], sparsity: 0.5 }), /lists of layer names/);
});

test('rows lose the same each', () => {
  const graph = sketch({ fc: { op: 'Linear', dims: [2, 4], values: [1, 2, 3, 4, 50, 60, 70, 80] } });
  assert.equal(weightsOf(prune(graph, { scope: 'row', sparsity: 0.5 }).graph, 'fc'), [0, 0, 3, 4, 0, 0, 70, 80]);
});

const counts: Readonly<Record<string, readonly number[]>> = {
  exact: [5, 2, 4, 19], torch: [5, 2, 4, 19], tfmot: [5, 2, 3, 19], fasterai: [4, 1, 2, 18], open_lth: [6, 4, 5, 21], wanda: [5, 2, 3, 19],
  torch_pruning: [5, 3, 4, 20],
};
const asked = [[10, 0.5], [10, 0.25], [7, 0.5], [64, 0.3]] as const;
for (const [name, want] of Object.entries(counts)) {
  test(`counts of ${name}`, () => {
    const got = asked.map(([n, sparsity]) => {
      const graph = sketch({ fc: { op: 'Linear', dims: [1, n], values: counting([n]) } });
      return prune(graph, { sparsity, counting: name }).report[0].groups!.dropped;
    });
    assert.equal(got, want);
  });
}
test('every counting has its counts above', () => assert.equal(Object.keys(countings), Object.keys(counts)));

test('equal scores: exact takes the first and says so, fasterai keeps them all, open_lth drops them all', () => {
  const of = (name: string): [number[], number | undefined] => {
    const graph = sketch({ fc: { op: 'Linear', dims: [1, 6], values: [2, 1, 1, 1, 2, 3] } });
    const { graph: pruned, report } = prune(graph, { sparsity: 1 / 3, counting: name });
    return [weightsOf(pruned, 'fc'), report[0].ties];
  };
  assert.equal(of('exact'), [[2, 0, 0, 1, 2, 3], 1]);
  assert.equal(of('fasterai'), [[2, 1, 1, 1, 2, 3], undefined]);
  assert.equal(of('open_lth'), [[2, 0, 0, 0, 2, 3], undefined]);
});

test('a floor keeps layers alive, and the others make up for it', () => {
  const graph = sketch({
    small: { op: 'Linear', dims: [1, 4], values: [1, 2, 3, 4] },
    large: { op: 'Linear', dims: [1, 8], values: counting([8]).map((v) => v + 10) },
  });
  const { graph: pruned, report } = prune(graph, { scope: 'model', sparsity: 0.5, floor: 0.5 });
  assert.equal([weightsOf(pruned, 'small'), weightsOf(pruned, 'large')], [[0, 0, 3, 4], [0, 0, 0, 0, 15, 16, 17, 18]]);
  assert.equal(report.map(({ floored }) => floored), [true, undefined]);
  const least = prune(graph, { sparsity: 1, floor: 1e-9 }).report;
  assert.equal(least.map(({ kept, floored }) => [kept, floored]), [[1, true], [1, true]]);
  assert.equal(prune(graph, { sparsity: 1 }).report.map(({ kept, floored }) => [kept, floored]), [[0, undefined], [0, undefined]]);
});

test('exactly k groups go, whatever the granularity, scope and allocation', () => {
  const options = fc.record({
    granularity: fc.constantFrom('weight', 'kernel', 'filter', 'row', 'column', 'channel', 'block(2,2)', 'block_rows(3)', 'shared_kernel'),
    scope: fc.constantFrom('layer', 'row', 'model'), sparsity: fc.integer({ min: 0, max: 100 }).map((n) => n / 100), seed: fc.nat(99),
  });
  const graph = sketch({
    a: { dims: [6, 4, 3, 3], values: counting([6, 4, 3, 3]) }, b: { op: 'Linear', dims: [5, 7], values: counting([5, 7]) },
  });
  fc.assert(fc.property(options, (chosen) => {
    const { report, masks } = prune(graph, { criterion: 'random', ...chosen, scope: chosen.scope as keyof typeof scopes });
    const even = (x: number): number => (Math.abs(x - Math.trunc(x)) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
    const groups = report.map((row) => row.groups!), all = groups.reduce((sum, { total }) => sum + total, 0);
    if (chosen.scope === 'model') assert.is(groups.reduce((sum, { dropped }) => sum + dropped, 0), even(chosen.sparsity * all));
    if (chosen.scope === 'layer') for (const { total, dropped } of groups) assert.is(dropped, even(chosen.sparsity * total));
    for (const { weight, kept, total } of report) {
      assert.is(Array.from({ length: total }, (_, i) => Number(isKept(masks.get(weight)!, i))).reduce((sum, bit) => sum + bit, 0), kept);
    }
  }));
});

const refused: [string, PruneOptions, RegExp][] = [
  ['unknown', { sparsity: 0.5, allocation: 'fair' }, /allocation: needs one of uniform, uniform\+, erk, global, lamp, got 'fair'/],
  ['with N:M', { scope: '2:4', allocation: 'erk' }, /allocation erk: needs a scope that leaves the sparsity open/],
  ['with a table', { sparsity: { fc1: 0.5 }, allocation: 'erk' }, /allocation erk: needs one number for sparsity/],
  ['with scope model', { sparsity: 0.5, scope: 'model', allocation: 'erk' }, /needs a scope other than model/],
  ['global by rows', { sparsity: 0.5, scope: 'row', allocation: 'global' }, /allocation global: needs scope model, or none/],
  ['counting', { sparsity: 0.5, counting: 'fingers' }, /counting: needs one of exact, torch/],
  ['floor', { sparsity: 0.5, floor: 2 }, /option floor: needs a fraction/],
  ['LAMP of negative scores', { sparsity: 0.5, allocation: 'lamp', criterion: 'small' }, /LAMP: needs scores of zero or more/],
];
for (const [name, options, message] of refused) {
  test(`refuses allocation: ${name}`, () => {
    assert.throws(() => prune(zooGraph('lenet-300-100'), options), (error: { kind: string; message: string }) =>
      error.kind === 'argument' && message.test(error.message));
  });
}

test('what rescale gives is checked', () => {
  const graph = zooGraph('lenet-300-100');
  const wrong = [() => new Float32Array(3), () => undefined, (scores: Float32Array) => scores.map(() => NaN)];
  for (const rescale of wrong) {
    assert.throws(() => prune(graph, { allocation: { about: 'x', rescale: rescale as never }, sparsity: 0.5 }), /rescaled? /);
  }
  assert.throws(() => prune(graph, { allocation: { about: 'x', rescale: 's' as never }, sparsity: 0.5 }), /option allocation/);
  const same = { about: 'x', rescale: (scores: ArrayLike<number>) => Array.from(scores) as never };
  assert.equal(prune(graph, { allocation: same, sparsity: 0.5 }).masks, prune(graph, { scope: 'model', sparsity: 0.5 }).masks);
});

test.run();
