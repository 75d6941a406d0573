import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { msAt, type Point } from '../../src/measure/budget/costs.ts';
import { knapsack, type Option } from '../../src/measure/budget/knapsack.ts';
import { keptBy, scoresOf, shareTable } from '../../src/measure/budget/shares.ts';
import { pruneIn, structureOf, type Pruning } from '../../src/measure/budget/structures.ts';
import { criteria, statistics } from '../../src/prune/index.ts';
import { Tensor } from '../../src/tensor.ts';
import { chain } from './budget-fake.ts';

const double = (min: number, max: number): fc.Arbitrary<number> => fc.double({ min, max, noNaN: true });

const options = (most: number): fc.Arbitrary<Option[]> =>
  fc.array(fc.record({ cost: fc.integer({ min: 0, max: 12 }), value: double(-5, 5) }), { minLength: 1, maxLength: most });

/** The best of all combinations, or undefined. */
function bruteForce(layers: readonly (readonly Option[])[], budget: number): number | undefined {
  const [first, ...rest] = layers;
  if (!first) return budget >= 0 ? 0 : undefined;
  const values = first.map(({ cost, value }) => {
    const others = bruteForce(rest, budget - cost);
    return others === undefined ? -Infinity : value + others;
  });
  const best = Math.max(...values);
  return best === -Infinity ? undefined : best;
}

test('the knapsack finds what all combinations hold, and says where none fits', () => {
  fc.assert(fc.property(fc.array(options(4), { minLength: 1, maxLength: 4 }), fc.integer({ min: 0, max: 40 }), (layers, budget) => {
    const picks = knapsack(layers, budget, 1), best = bruteForce(layers, budget);
    assert.is(picks === undefined, best === undefined);
    if (!picks) return;
    const sum = (of: (option: Option) => number): number => picks.reduce((total, pick, l) => total + of(layers[l][pick]), 0);
    assert.ok(sum(({ cost }) => cost) <= budget);
    assert.ok(Math.abs(sum(({ value }) => value) - best!) < 1e-9);
  }), { seed: 1, numRuns: 300 });
});

test('the knapsack keeps to the budget where costs are no whole units, and more budget is never worse', () => {
  const own = fc.array(fc.record({ cost: double(0, 3), value: double(0, 1) }), { minLength: 1, maxLength: 12 });
  const costs = fc.array(own, { minLength: 1, maxLength: 8 });
  fc.assert(fc.property(costs, (layers) => {
    let before = -Infinity;
    for (let budget = 0; budget < 12; budget += 0.7) {
      const picks = knapsack(layers, budget, 0.01);
      if (!picks) continue;
      const [cost, value] = picks.reduce(([c, v], pick, l) => [c + layers[l][pick].cost, v + layers[l][pick].value], [0, 0]);
      assert.ok(cost <= budget * (1 + 1e-9) + 1e-9);
      assert.ok(value >= before - 1e-9);
      before = value;
    }
  }), { seed: 2, numRuns: 100 });
});

test('the time of a layer falls with its density, passes through its points and is never more than before', () => {
  const points: Point[] = [[0.1, 1], [0.3, 2], [0.5, 3]];
  assert.is(msAt(points, 4, 0.1), 1);
  assert.is(msAt(points, 4, 0.4), 2.5);
  // Along the line of the sparse kernel 4 is met at 0.7; straight to all weights it would be later.
  assert.is(msAt(points, 4, 0.9), 4);
  assert.is(msAt(points, 10, 0.75), 6.5);
  assert.is(msAt(points, 4, 1), 4);
  assert.is(msAt(points, 4, 0.09), Infinity);
  // A slow point between fast ones was the clock's fault.
  assert.is(msAt([[0.1, 3], [0.5, 2]], 4, 0.1), 2);
  const point = fc.tuple(double(0.01, 0.99), double(0, 5));
  const arbitrary = fc.uniqueArray(point, { minLength: 1, maxLength: 6, selector: ([density]) => density });
  fc.assert(fc.property(arbitrary, (given) => {
    const sorted = given.sort(([a], [b]) => a - b), from = sorted[0][0];
    const times = Array.from({ length: 50 }, (_, i) => msAt(sorted, 4, from + ((1 - from) * i) / 49));
    times.forEach((ms, i) => assert.ok(ms <= 4 + 1e-12 && ms >= (times[i - 1] ?? 0) - 1e-12, `${times}`));
  }), { seed: 3, numRuns: 200 });
});

const graph = chain([64, 96, 128, 64, 96, 32], { scale: (l) => 1 / (l + 1) });
const pruning: Pruning = { criterion: criteria.squared };

test('shares without masks are those of the masks', () => {
  const structures = ['weight', 'block_rows(4)', 'block(4,4)', 'filter', '2:4'].map(structureOf), scored = scoresOf(graph, pruning);
  const table = shareTable(graph, scored, structures, pruning);
  for (const structure of structures) {
    for (const [weight, one] of scored) {
      const shares = table.get(weight)!.get(structure.name)!;
      assert.ok(shares.length >= (structure.fixed ? 1 : 16), structure.name);
      for (const { density, share } of shares.filter((_, i) => i % 7 === 0)) {
        const mask = pruneIn(graph, structure, new Map([[weight, density]]), pruning).masks.get(weight)!;
        assert.ok(Math.abs(statistics(mask).sparsity + density - 1) < 1e-9);
        assert.ok(Math.abs(keptBy(one, mask) - share) < 2e-3, `${structure.name} ${density}: ${keptBy(one, mask)}, ${share}`);
      }
    }
  }
});

test('negative scores count from the lowest, and zeros are worth nothing', () => {
  const small = chain([2, 2]), weights = new Float32Array([3, 0, -1, 2]);
  const own = { ...small, constants: new Map([...small.constants, ['w0', new Tensor('float32', weights, [2, 2])]]) };
  const score = (values: Float32Array): Float32Array => values.map((value) => -value);
  const [one] = scoresOf(own, { criterion: { formula: '−w', score } }).values();
  assert.equal([...one.scores], [0, 0, 4, 1]);
  assert.is(one.total, 5);
});

test.run();
