import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../src/expect.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { prunableLayers, readWeight } from '../../src/graph/layers.ts';
import { budgetOn } from '../../src/measure/budget/budget.ts';
import type { CostTable, Point } from '../../src/measure/budget/costs.ts';
import { pruneToBudget, type BudgetOptions, type Budgeted } from '../../src/measure/budget/index.ts';
import { settingsOf } from '../../src/measure/budget/options.ts';
import { scoresOf } from '../../src/measure/budget/shares.ts';
import { criteria, isKept, statistics, type Mask } from '../../src/prune/index.ts';
import { budgetText } from '../../src/report/budget.ts';
import { SparseSession } from '../../src/runtime/session.ts';
import { Tensor } from '../../src/tensor.ts';
import { chain, fakeMeter, type FakeDevice } from './budget-fake.ts';

const usual: FakeDevice['rates'] = { dense: 1, csr: 1.6, 'bsr 4x1': 1.2, 'bsr 4x4': 1.1, 'nm 2:4': 1.3 };
const widths = [64, 96, 128, 64, 96, 32];
const graph = chain(widths, { scale: (l) => 1 / (l + 1) });

const on = (of: Graph, device: FakeDevice, options: BudgetOptions): Promise<Budgeted> =>
  budgetOn(of, settingsOf(options), async () => fakeMeter(of, device));

async function failure(work: () => Promise<unknown>): Promise<BurinError> {
  try {
    await work();
  } catch (error) {
    assert.instance(error, BurinError);
    return error as BurinError;
  }
  return assert.unreachable('nothing was thrown') as never;
}

/** Groups of a mask over [O, I] that are neither whole nor empty. */
function broken(mask: Mask, [rows, cols]: readonly [number, number]): number {
  const [outputs, inputs] = mask.dims;
  let count = 0;
  for (let r = 0; r < outputs; r += rows) {
    for (let c = 0; c < inputs; c += cols) {
      let kept = 0, size = 0;
      for (let y = r; y < Math.min(outputs, r + rows); y++) {
        for (let x = c; x < Math.min(inputs, c + cols); x++, size++) if (isKept(mask, y * inputs + x)) kept++;
      }
      if (kept !== 0 && kept !== size) count++;
    }
  }
  return count;
}

function checkStructure({ masks, report }: Budgeted): void {
  for (const { weight, granularity } of report.layers) {
    const mask = masks.get(weight);
    assert.is(mask === undefined, granularity === null);
    if (granularity === 'block_rows(4)') assert.is(broken(mask!, [4, 1]), 0);
    if (granularity === 'block(4,4)') assert.is(broken(mask!, [4, 4]), 0);
    if (granularity === 'filter') assert.is(broken(mask!, [1, Infinity]), 0);
    if (granularity === '2:4') assert.is(statistics(mask!).sparsity, 0.5);
  }
}

test('a budget is met, in ms and as a speedup, whatever the model was off', async () => {
  for (const surprise of [1, 1.12, 0.9]) {
    for (const [budget, ms] of [[{ speedup: 2 }, 5], [{ budgetMs: 4 }, 4], [{ speedup: 1.3 }, 10 / 1.3]] as const) {
      const result = await on(graph, { rates: usual, fixed: 2000, surprise }, budget), { report } = result;
      assert.is(report.outcome, 'met');
      assert.ok(Math.abs(report.budgetMs - ms) < 1e-9);
      assert.ok(report.measuredMs! <= ms && report.measuredMs! >= ms * 0.97, `${report.measuredMs} of ${ms}`);
      assert.ok(Math.abs(report.deviation - (report.measuredMs! / ms - 1)) < 1e-9);
      assert.ok(report.rounds.length >= 1 && report.rounds.length <= 6);
      checkStructure(result);
      // The network that is returned is the one that was measured: the fake counts its zeros again.
      const again = await fakeMeter(graph, { rates: usual, fixed: 2000, surprise }).time(result.graph);
      assert.ok(Math.abs(again.time * 10 - report.measuredMs!) < 1e-9);
    }
  }
});

test('whole filters are a granularity as others', async () => {
  const result = await on(graph, { rates: usual, fixed: 1000 }, { speedup: 1.5, granularities: ['filter'] });
  assert.is(result.report.outcome, 'met');
  assert.ok(result.report.layers.some(({ granularity }) => granularity === 'filter'));
  checkStructure(result);
});

test('the report adds up: rows, kept scores, sparsity', async () => {
  const { report, graph: pruned, masks } = await on(graph, { rates: usual, fixed: 1000 }, { speedup: 2.5 });
  const scored = scoresOf(graph, { criterion: criteria.squared });
  let logs = 0, zeros = 0, all = 0;
  for (const row of report.layers) {
    const one = scored.get(row.weight)!, before = readWeight(graph, one.layer), after = readWeight(pruned, one.layer);
    const energy = (values: Float32Array): number => values.reduce((sum, value) => sum + value * value, 0);
    assert.ok(Math.abs(row.scoreKept - energy(after) / energy(before)) < 1e-5);
    logs += Math.log(row.scoreKept);
    zeros += after.filter((value) => value === 0).length;
    all += after.length;
    after.forEach((value, i) => assert.ok(value === before[i] || (value === 0 && !isKept(masks.get(row.weight)!, i))));
  }
  assert.ok(Math.abs(report.scoreKept - Math.exp(logs / report.layers.length)) < 1e-9);
  assert.ok(Math.abs(report.sparsity - zeros / all) < 1e-9);
  assert.is(report.scoreKept, report.kept.geometric);
  assert.match(budgetText(report), /Asked for 4\.00 ms \(2\.50×\), dense 10\.0 ms: met\.[\s\S]*fc0 .*\n/);
});

test('more time keeps more', async () => {
  const { costs } = await on(graph, { rates: usual, fixed: 1000 }, { speedup: 2 });
  let before = 0;
  for (const speedup of [4, 3, 2.5, 2, 1.7, 1.4, 1.2, 1.1]) {
    const { report } = await pruneToBudget(graph, { speedup, costs });
    assert.ok(report.scoreKept >= before - 2e-3, `${report.scoreKept} after ${before} at ${speedup}`);
    assert.ok(report.predictedMs <= report.budgetMs * (1 + 1e-9) && report.predictedMs >= report.budgetMs * 0.97);
    before = report.scoreKept;
  }
});

const layerCosts = fc.record({
  givenMs: fc.double({ min: 0.1, max: 5, noNaN: true }), slope: fc.double({ min: 0.2, max: 1.8, noNaN: true }),
  scale: fc.double({ min: 0.1, max: 10, noNaN: true }), spread: fc.double({ min: 0.3, max: 3, noNaN: true }),
});

/** A table of made-up layers: time proportional to density times `slope`, and never more than before. */
function tableFor(of: Graph, layers: readonly { givenMs: number; slope: number }[]): CostTable {
  const densities = [0.02, 0.1, 0.3, 0.5, 0.7], total = layers.reduce((sum, { givenMs }) => sum + givenMs, 0.5);
  return {
    model: 'made up', environment: { runtime: 't', engine: 't', cpu: 't', threads: 1, simd: 'none' },
    denseMs: total, givenMs: total, correction: 1,
    layers: layers.map(({ givenMs, slope }, l) => ({
      name: `fc${l}`, weight: prunableLayers(of)[l].weight, givenMs,
      points: { weight: densities.map((density): Point => [density, givenMs * Math.min(1, 0.05 + density * slope)]) },
    })),
  };
}

test('keeps at least what uniform sparsity keeps at the same modelled time', async () => {
  const several = fc.array(layerCosts, { minLength: 2, maxLength: 6 });
  await fc.assert(fc.asyncProperty(several, fc.integer({ min: 1, max: 5 }), async (layers, seed) => {
    const of = chain([...layers.map(() => 48), 48], { seed, scale: (l) => layers[l].scale });
    for (const one of prunableLayers(of)) {
      const weights = readWeight(of, one), { spread } = layers[Number(one.name.slice(2))];
      weights.forEach((value, i) => { weights[i] = Math.sign(value) * Math.abs(value) ** spread; });
    }
    const costs = tableFor(of, layers), settings = { costs, granularities: ['weight'], floor: 0.02 };
    for (const average of ['geometric', 'arithmetic', 'total'] as const) {
      for (const speedup of [1.2, 2]) {
        const { report } = await pruneToBudget(of, { ...settings, average, speedup, strict: false, compareUniform: true });
        if (report.outcome !== 'met') continue;
        const [uniform] = report.uniform!;
        // Ours rounds costs up to an 8192nd and densities to 128 steps, uniform does not.
        assert.ok(report.scoreKept >= uniform.scoreKept - 0.004, `${average} ${speedup}: ${report.scoreKept} < ${uniform.scoreKept}`);
      }
    }
  }), { seed: 4, numRuns: 25 });
});

test('keeps clearly more than uniform where layers differ', async () => {
  const device = { rates: usual, fixed: 1000, weight: (name: string) => (name === 'fc1' ? 20 : 1) };
  const { report } = await on(graph, device, { speedup: 2, compareUniform: true });
  assert.equal(report.uniform!.map(({ granularity }) => granularity), ['weight', 'block_rows(4)', 'block(4,4)']);
  for (const { scoreKept, measuredMs, met } of report.uniform!) {
    assert.ok(met && Math.abs(measuredMs! / report.measuredMs! - 1) < 0.02, `${measuredMs}, ${report.measuredMs}`);
    assert.ok(report.scoreKept > scoreKept + 0.02, `${report.scoreKept}, ${scoreKept}`);
  }
});

test('what cannot be is refused, with the fastest there is', async () => {
  const device = { rates: usual, fixed: 30_000 }, work = (options: object) => () => on(graph, device, { speedup: 4, ...options });
  const error = await failure(work({}));
  assert.is(error.kind, 'limit');
  assert.match(error.message, /needs a network of 2\.50 ms, got [\d.]+ ms at its fastest \(dense 10\.0 ms, floor 0\.05\)/);
  const { report, graph: pruned } = await work({ strict: false })();
  assert.is(report.outcome, 'fastest');
  assert.ok(report.measuredMs! > 2.5 && report.measuredMs! / report.fastestMs < 1.015);
  assert.match(error.message, new RegExp(`${report.measuredMs!.toFixed(2)} ms`));
  // Nothing keeps less than the floor says.
  for (const layer of prunableLayers(pruned)) assert.ok(readWeight(pruned, layer).filter((value) => value !== 0).length > 0);
  assert.ok(report.sparsity < 0.951);
});

test('a network that is fast enough stays as it is', async () => {
  const { report, graph: same, masks } = await on(graph, { rates: usual }, { budgetMs: 11 });
  assert.is(report.outcome, 'given');
  assert.is(same, graph);
  assert.is(masks.size, 0);
  assert.is(report.scoreKept, 1);
  assert.match(budgetText(report), /met without pruning/);
});

test('a device that is fast at one thing gets it', async () => {
  const granularitiesOf = async (rates: FakeDevice['rates'], speedup = 1.6): Promise<Set<string | null>> =>
    new Set((await on(graph, { rates, fixed: 100 }, { speedup })).report.layers.map(({ granularity }) => granularity));
  assert.equal([...await granularitiesOf({ dense: 1, 'nm 2:4': 1.1 }, 1.7)], ['2:4']);
  assert.ok((await granularitiesOf({ dense: 1, 'bsr 4x4': 1, csr: 20 }, 3)).has('block(4,4)'));
  assert.equal([...await granularitiesOf({ dense: 1, csr: 1 })], ['weight']);
});

test('layers with one kernel, and layers nobody chose, keep their weights', async () => {
  const device = { rates: usual, stubborn: ['fc1'] };
  const { graph: pruned, report } = await on(graph, device, { speedup: 1.5, exclude: ['fc3'] });
  assert.is(report.outcome, 'met');
  for (const weight of ['w1', 'w3', 'b0']) assert.is(pruned.constants.get(weight), graph.constants.get(weight));
  assert.equal(report.layers.map(({ name }) => name), ['fc0', 'fc1', 'fc2', 'fc4']);
  assert.is(report.layers[1].granularity, null);
});

test('a cost table goes as JSON to where nothing is measured', async () => {
  const first = await on(graph, { rates: usual, fixed: 1000 }, { speedup: 2 });
  const costs = JSON.parse(JSON.stringify(first.costs)) as CostTable;
  const { report, graph: pruned } = await pruneToBudget(graph, { speedup: 3, costs });
  assert.is(report.measuredMs, null);
  assert.is(report.outcome, 'met');
  assert.ok(report.predictedMs <= report.budgetMs * (1 + 1e-9));
  // On the device it is from, it takes what the table promised.
  const { time } = await fakeMeter(graph, { rates: usual, fixed: 1000 }).time(pruned);
  assert.ok(Math.abs((time * 10) / report.budgetMs - 1) < 0.05, `${time * 10}, ${report.budgetMs}`);
  // And may be checked by measuring there, without measuring the table again.
  const meter = fakeMeter(graph, { rates: usual, fixed: 1000 });
  const checked = await budgetOn(graph, settingsOf({ speedup: 3, costs, verify: true }), async () => meter);
  assert.is(checked.report.outcome, 'met');
  assert.ok(meter.measured.length <= 8 && meter.released);
  const strange = await failure(() => pruneToBudget(chain([8, 8]), { speedup: 2, costs: { ...costs, layers: costs.layers.slice(2) } }));
  assert.match(strange.message, /needs costs of layers such as fc0, got costs of 'chain'/);
  const odd = { ...costs, layers: [{ weight: 'w0', givenMs: 1, points: { weight: [[1]] } }] };
  for (const wrong of [{}, null, { ...costs, denseMs: 'fast' }, odd]) {
    const { message } = await failure(() => pruneToBudget(graph, { speedup: 2, costs: wrong as CostTable }));
    assert.match(message, /option costs: needs a table/);
  }
});

test('measuring stops when its time is up, after one point of each granularity', async () => {
  const meter = fakeMeter(graph, { rates: usual, fixed: 1000 }), stages: string[] = [];
  await budgetOn(graph, settingsOf({ speedup: 2, limitMs: 5500, onProgress: ({ stage }) => stages.push(stage) }), async () => meter);
  assert.equal(stages.slice(0, 4).map((stage) => stage.split(' ')[0]), ['weight', 'block_rows(4)', 'block(4,4)', '2:4']);
  assert.is(stages.indexOf('cost table'), 5);
  const short = fakeMeter(graph, { rates: usual, fixed: 1000 });
  const { report } = await budgetOn(graph, settingsOf({ speedup: 1.5, limitMs: 0 }), async () => short);
  assert.is(report.outcome, 'met');
});

test('options that do not fit are told', async () => {
  const cases: [object | null, RegExp][] = [
    [{}, /needs one of budgetMs and speedup, got none/], [{ speedup: 2, budgetMs: 3 }, /got both/], [null, /needs an object/],
    [{ speedup: 0 }, /option speedup: needs a number above 0/], [{ budgetMs: -1 }, /milliseconds above 0/],
    [{ speedup: 2, floor: 0 }, /option floor/], [{ speedup: 2, tolerance: 1 }, /option tolerance/],
    [{ speedup: 2, granularities: [] }, /names of granularities/],
    [{ speedup: 2, granularities: ['wieght'] }, /granularity: needs one of weight/],
    [{ speedup: 2, sparsity: 0.5 }, /needs no sparsity, got one; the budget decides it/],
    [{ speedup: 2, average: 'median' }, /option average: needs one of geometric, arithmetic, total/],
    [{ speedup: 2, criterion: 'magic' }, /criterion: needs one of magnitude/], [{ speedup: 2, spedup: 2 }, /got 'spedup'/],
    [{ speedup: 2, strict: 'no' }, /option strict: needs true or false/], [{ speedup: 2, layers: ['fc9'] }, /got 'fc9'/],
  ];
  for (const [wrong, message] of cases) assert.match((await failure(() => pruneToBudget(graph, wrong as BudgetOptions))).message, message);
  assert.match((await failure(() => pruneToBudget(graph, { speedup: 2, layers: () => false }))).message, /needs layers to prune/);
});

test('on this device: a network that runs, masks of their structure, a table to go on with', async () => {
  const small = chain([64, 256, 256, 64]);
  const options = { speedup: 1.2, strict: false, limitMs: 0, tune: 'predict', compareUniform: true } as const;
  const result = await pruneToBudget(small, options), { report, graph: pruned, costs } = result;
  checkStructure(result);
  assert.is(report.layers.length, 3);
  assert.ok(report.denseMs > 0 && report.measuredMs! > 0 && report.fastestMs > 0 && costs.layers.length === 3);
  assert.ok(report.scoreKept > 0 && report.scoreKept <= 1);
  assert.ok(report.layers.every(({ format, kernel }) => format !== null && kernel !== null));
  const session = await SparseSession.create(pruned), x = new Tensor('float32', new Float32Array(64).fill(0.5), [1, 64]);
  const { y } = await session.run({ x });
  session.release();
  assert.ok((y.data as Float32Array).every(Number.isFinite));
  const table = JSON.parse(JSON.stringify(costs)) as CostTable;
  const there = await pruneToBudget(small, { speedup: 1.1, costs: table, strict: false });
  assert.is(there.report.measuredMs, null);
  const here = await pruneToBudget(small, { budgetMs: 0.9 * report.denseMs, costs: table, verify: true, strict: false });
  assert.ok(here.report.measuredMs! > 0);
});

test.run();
