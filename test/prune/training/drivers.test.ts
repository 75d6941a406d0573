import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Graph } from '../../../src/graph/graph.ts';
import {
  drivers, fromZeros, isKept, maskWeights, snapshot, statistics, type Mask, type Round, type Run, type Trained, type TrainStep,
} from '../../../src/prune/index.ts';
import type { Masks } from '../../../src/prune/index.ts';
import type { Tensor } from '../../../src/tensor.ts';
import { accuracyOf, gradientsOf, held, network, parametersOf, trainer, training, type Metrics } from './trainer.ts';

const data = (graph: Graph, name: string): Float32Array => graph.constants.get(name)!.data as Float32Array;
const weights = ['fc1.weight', 'fc2.weight'];
const droppedOf = (mask: Mask | undefined): number => (mask ? statistics(mask).total - statistics(mask).kept : 0);
const droppedIn = (masks: Masks): number => [...masks.values()].reduce((sum, mask) => sum + droppedOf(mask), 0);
const all = 16 * 32 + 32 * 4;
const say = (name: string, { history }: Run<Metrics>): void => console.log(`${name}: ${history.map((row) => [
  `${(row.sparsity * 100).toFixed(0)} % → ${row.metrics.accuracy.toFixed(3)}`,
  row.baseline ? `random ${row.baseline.accuracy.toFixed(3)}` : '',
  row.reinitialised ? `anew ${row.reinitialised.accuracy.toFixed(3)}` : '',
].filter((part) => part !== '').join(', ')).join(' | ')}`);

/** That the model is pruned by the masks of its run, and measures what its last round did. */
function assertPruned({ model, masks, history }: Run<Metrics>): void {
  for (const [name, mask] of masks) {
    const zeros = fromZeros(model.constants.get(name) as Tensor<Float32Array>);
    assert.equal(zeros.bits, mask.bits, name);
  }
  assert.is(accuracyOf(parametersOf(model), held), history[history.length - 1].metrics.accuracy);
}

function assertNested(history: readonly Round<unknown>[]): void {
  for (let i = 1; i < history.length; i++) {
    for (const [name, mask] of history[i - 1].masks) {
      mask.bits.forEach((byte, b) => assert.is(history[i].masks.get(name)!.bits[b] & ~byte, 0));
    }
  }
}

/** Second moments of the inputs, the Hessian of a linear layer's squared error. */
function covariance(): Float64Array {
  const out = new Float64Array(16 * 16), { x } = training;
  for (let n = 0; n < x.length; n += 16) for (let i = 0; i < 256; i++) out[i] += x[n + (i >> 4)] * x[n + (i & 15)];
  return out;
}

const spans = ({ history }: Run<unknown>): number[][] => history.map(({ begin, end }) => [begin, end]);

test('one-shot: dense training, one pruning, training on; far better than random', async () => {
  const model = network(), calls: TrainStep[] = [];
  const run = await drivers.oneShot(model, { train: trainer(40, calls), sparsity: 0.8, schedule: { begin: 5 }, steps: 10, baseline: true });
  say('one-shot', run);
  assert.equal(spans(run), [[0, 5], [5, 10]]);
  assert.equal(run.history.map(({ sparsity }) => Math.round(sparsity * all)), [0, 512]);
  assert.equal(calls.map(({ variant, begin }) => [variant, begin]), [['pruned', 0], ['pruned', 5], ['random', 0], ['random', 5]]);
  assertPruned(run);
  const [dense, sparse] = run.history;
  assert.ok(sparse.metrics.accuracy > dense.metrics.accuracy - 0.06);
  assert.ok(sparse.baseline!.accuracy < sparse.metrics.accuracy - 0.05);
  assert.equal(run.warnings, []);
  const untouched = network();
  for (const name of untouched.constants.keys()) assert.equal(data(model, name), data(untouched, name), name);
});

test('iterative: rounds of equal loss, accuracy stays', async () => {
  const run = await drivers.iterative(network(), { train: trainer(40), sparsity: 0.8, schedule: { rounds: 4, every: 2 } });
  say('iterative', run);
  assert.equal(spans(run), [[0, 2], [2, 4], [4, 6], [6, 8], [8, 10]]);
  assert.equal(run.history.map(({ sparsity }) => Math.round(sparsity * all)), [0, 128, 256, 384, 512]);
  assertNested(run.history);
  assertPruned(run);
  assert.ok(run.history[4].metrics.accuracy > run.history[0].metrics.accuracy - 0.03);
  const uneven = await drivers.iterative(network(), { train: trainer(1), sparsity: 0.8, schedule: { rounds: 3, end: 10 }, steps: 12 });
  assert.equal(spans(uneven), [[0, 4], [4, 7], [7, 10], [10, 12]]);
});

test('agp: gradually, over the whole model', async () => {
  const schedule = { begin: 3, end: 8 };
  const run = await drivers.agp(network(), { train: trainer(40), sparsity: 0.85, scope: 'model', schedule, steps: 11 });
  say('agp', run);
  assert.equal(spans(run), [[0, 3], [3, 4], [4, 5], [5, 6], [6, 7], [7, 8], [8, 11]]);
  assert.equal(run.history.map(({ sparsity }) => Math.round(sparsity * all)), [0, 0, 265, 426, 509, 540, 544]);
  assertNested(run.history);
  assertPruned(run);
  assert.ok(run.history[6].metrics.accuracy > 0.95);
});

test('dsd: dense, sparse, dense again; what came back began at zero', async () => {
  const started: Graph[] = [];
  const train = trainer(40);
  const run = await drivers.dsd(network(), {
    sparsity: 0.5, schedule: { every: 4 }, train: (model, masks, step) => {
      started.push(model);
      return train(model, masks, step);
    },
  });
  say('dsd', run);
  assert.equal(spans(run), [[0, 4], [4, 8], [8, 12]]);
  assert.equal(run.history.map(({ sparsity }) => sparsity), [0, 0.5, 0]);
  for (const name of weights) {
    const mask = run.history[1].masks.get(name)!;
    assert.ok(data(started[2], name).every((value, i) => (value === 0) === !isKept(mask, i)), name);
    assert.ok(data(run.model, name).filter((value) => value === 0).length < 10);
  }
  assert.ok(run.history[2].metrics.accuracy >= run.history[0].metrics.accuracy - 0.005);
  assert.is(droppedIn(run.masks), 0);
});

test('lottery ticket: kept weights begin at their first values, in every round; masks nest; counts are exact', async () => {
  const model = network(), started: Graph[] = [], anew: Graph[] = [], train = trainer(40);
  const run = await drivers.lotteryTicket(model, {
    steps: 8, schedule: { rounds: 7, rate: { '*': 0.2, fc2: 0.1 } }, baseline: true, reinitialise: true,
    train: (given, masks, step) => {
      if (step.variant !== 'random') (step.variant === 'pruned' ? started : anew).push(given);
      return train(given, masks, step);
    },
  });
  say('lottery ticket', run);
  assert.is(started.length, 8);
  run.history.forEach(({ masks, round }) => {
    assert.equal(weights.map((name) => droppedOf(masks.get(name))), [
      Math.round(512 * (1 - 0.8 ** round)), Math.round(128 * (1 - 0.9 ** round)),
    ]);
    for (const name of weights) {
      const first = data(model, name), mask = masks.get(name);
      const wanted = first.map((value, i) => (!mask || isKept(mask, i) ? value : 0));
      assert.equal(data(started[round], name), wanted, `${name} in round ${round}`);
    }
  });
  for (const name of weights) assert.equal(data(run.ticket, name), data(started[7], name));
  assertNested(run.history);
  assertPruned(run);
  const last = run.history[7];
  assert.ok(last.metrics.accuracy > run.history[0].metrics.accuracy - 0.03);
  assert.ok(last.metrics.accuracy > last.reinitialised!.accuracy && last.metrics.accuracy > last.baseline!.accuracy);
  assert.is(run.history[0].baseline, undefined);
  const same = (a: Graph, b: Graph): number => data(a, 'fc1.weight').filter((w, i) => w !== 0 && w === data(b, 'fc1.weight')[i]).length;
  assert.ok(anew.every((graph, i) => same(graph, started[i]) < 10 && (i === 0 || same(graph, anew[i - 1]) < 10)));
  assert.ok(data(anew[7], 'fc1.weight').every((w, i) => (w !== 0) === isKept(run.masks.get('fc1.weight')!, i)));
});

test('lottery ticket rewound to step k: rounds begin with the weights after k steps', async () => {
  const train = trainer(40), started: Graph[] = [], calls: TrainStep[] = [];
  const run = await drivers.lotteryTicket(network(), {
    steps: 8, rewind: 2, schedule: { rounds: 2 }, train: async (given, masks, step) => {
      started.push(given);
      calls.push(step);
      return train(given, masks, step);
    },
  });
  assert.equal(calls.map(({ begin, end }) => [begin, end]), [[0, 2], [2, 8], [2, 8], [2, 8]]);
  const early = train(network(), new Map(), calls[0]).weights as Map<string, Float32Array>;
  for (const name of weights) {
    const mask = run.masks.get(name)!;
    assert.equal(data(started[1], name), early.get(name));
    assert.equal(data(started[3], name), early.get(name)!.map((value, i) => (isKept(mask, i) ? value : 0)));
  }
  assert.equal(data(run.ticket, 'fc1.bias'), early.get('fc1.bias'));
  assert.is(droppedIn(run.masks), Math.round(512 * 0.36) + Math.round(128 * 0.36));
});

test('lottery ticket from a snapshot, and without rewinding: fine-tuning', async () => {
  const model = network(), train = trainer(20);
  const late = network(5);
  const from = await drivers.lotteryTicket(model, { train, steps: 4, rewind: snapshot(late), schedule: { rounds: 1, rate: 0.5 } });
  const mask = from.masks.get('fc1.weight')!;
  assert.equal(data(from.ticket, 'fc1.weight'), data(late, 'fc1.weight').map((value, i) => (isKept(mask, i) ? value : 0)));
  const started: Graph[] = [], ended: Map<string, Float32Array>[] = [];
  const tuned = await drivers.lotteryTicket(model, {
    steps: 4, rewind: 'none', schedule: { rounds: 2, rate: 0.5 }, train: (given, masks, step) => {
      started.push(given);
      const result = train(given, masks, step);
      ended.push(result.weights as Map<string, Float32Array>);
      return result;
    },
  });
  assert.equal(spans(tuned), [[0, 4], [4, 8], [8, 12]]);
  for (const [round, { masks }] of tuned.history.entries()) {
    if (round === 0) continue;
    const kept = masks.get('fc1.weight')!;
    assert.equal(data(started[round], 'fc1.weight'), ended[round - 1].get('fc1.weight')!.map((value, i) => (isKept(kept, i) ? value : 0)));
  }
  assert.equal(data(tuned.ticket, 'fc1.weight'), data(started[2], 'fc1.weight'));
});

test('lottery ticket by other schedules: one-shot after the dense round, any curve with rounds', async () => {
  const train = trainer(5);
  const once = await drivers.lotteryTicket(network(), { train, sparsity: 0.75, schedule: 'one-shot' });
  assert.equal(once.history.map(({ sparsity }) => sparsity), [0, 0.75]);
  const agp = await drivers.lotteryTicket(network(), { train, sparsity: 0.75, schedule: { name: 'agp', rounds: 3 }, scope: 'model' });
  assert.equal(agp.history.map(({ sparsity }) => Math.round(sparsity * all)), [0, 338, 462, 480]);
  const schedule = { rounds: 2, rate: 0.25 };
  const filters = await drivers.lotteryTicket(network(), { train, schedule, granularity: 'filter', layers: ['fc1'] });
  assert.equal(filters.history.map(({ masks }) => droppedOf(masks.get('fc1.weight')) / 16), [0, 8, 14]);
});

test('what else train returns reaches the criterion of the next pruning', async () => {
  const train = trainer(10), model = network();
  let scores: number[] = [];
  const run = await drivers.oneShot(model, {
    sparsity: 0.5, scope: 'model', schedule: { begin: 1 }, criterion: 'gradient', layers: ['fc2'],
    train: (given, masks, step) => {
      const result = train(given, masks, step), p = result.weights as Map<string, Float32Array>;
      const gradient = gradientsOf(p, training, [...training.labels.keys()]);
      if (step.round === 0) scores = [...p.get('fc2.weight')!].map((w, i) => Math.abs(w * gradient.get('fc2.weight')![i]));
      return { ...result, gradient };
    },
  });
  const gradual = await drivers.lotteryTicket(model, {
    criterion: 'gradient', schedule: { rounds: 2 }, steps: 1, train: (given, masks, step) => {
      const result = train(given, masks, step);
      return { ...result, gradient: gradientsOf(result.weights as Map<string, Float32Array>, training, [0, 1, 2]) };
    },
  });
  assert.is(droppedIn(gradual.masks), Math.round(512 * 0.36) + Math.round(128 * 0.36));
  const middle = scores.slice().sort((a, b) => a - b)[64];
  assert.equal(scores.map((score) => score >= middle), scores.map((_, i) => isKept(run.masks.get('fc2.weight')!, i)));
});

test('a criterion that makes up for what goes: training goes on from its weights', async () => {
  const train = trainer(40), started: Graph[] = [], ended: Map<string, Float32Array>[] = [];
  const run = (criterion: 'obs' | 'magnitude'): Promise<Run<Metrics>> => drivers.oneShot(network(), {
    sparsity: 0.5, scope: 'row', layers: ['fc1'], criterion, schedule: { begin: 8 }, steps: 9, evidence: { fc1: { hessian: covariance() } },
    train: (model, masks, step) => {
      started.push(model);
      const result = step.begin === 8 ? { weights: parametersOf(model) } : train(model, masks, step);
      ended.push(result.weights as Map<string, Float32Array>);
      return { ...result, metrics: { accuracy: accuracyOf(result.weights as Map<string, Float32Array>, held) } };
    },
  });
  const surgeon = await run('obs');
  const mask = surgeon.masks.get('fc1.weight')!, before = ended[0].get('fc1.weight')!, after = data(started[1], 'fc1.weight');
  const changed = after.filter((w, i) => isKept(mask, i) && w !== before[i]).length;
  assert.ok(changed > 200, `${changed} of 256 weights that stay were changed`);
  const [obs, magnitude] = [surgeon, await run('magnitude')].map(({ history }) => history[1].metrics.accuracy);
  console.log(`half of fc1 without training after: obs ${obs}, magnitude ${magnitude}`);
  assert.ok(obs > magnitude);
});

test('a trainer that forgets the masks is told so; the result is masked all the same', async () => {
  const run = await drivers.oneShot(network(), {
    sparsity: 0.5,
    train: (model): Trained<Metrics> => ({ weights: new Map(weights.map((name) => [name, data(model, name).map((w) => w + 1)])) }),
  });
  assert.equal(run.warnings.map(({ code, where }) => [code, where]), weights.map((name) => ['unmasked-training', name]));
  assert.is(droppedIn(run.masks), all / 2);
  const ticket = await drivers.lotteryTicket(network(), {
    schedule: { rounds: 1, rate: 0.5 },
    train: (model): Trained<Metrics> => ({ weights: { 'fc1.weight': data(model, 'fc1.weight').map(() => 1) } }),
  });
  for (const { model, masks } of [run, ticket]) {
    for (const [name, mask] of masks) assert.ok(data(model, name).every((w, i) => (w !== 0) === isKept(mask, i)), name);
  }
});

test('a training that is shorter than its schedule is said to be', async () => {
  const said: string[] = [];
  const run = await drivers.agp(network(), {
    train: trainer(1), sparsity: 0.9, schedule: { end: 10 }, steps: 4, onWarning: ({ code }) => said.push(code),
  });
  assert.equal(said, ['run-too-short']);
  assert.equal(run.warnings.map(({ code }) => code), said);
  const ended = await drivers.agp(network(), { train: trainer(1), sparsity: 0.9, schedule: { end: 4 }, steps: 4 });
  assert.is(droppedIn(ended.masks), Math.round(0.9 * 512) + Math.round(0.9 * 128));
  assert.equal(ended.warnings.map(({ code }) => code), ['run-too-short']);
});

const refusedRuns: [string, () => Promise<unknown>, RegExp][] = [
  ['no train', () => drivers.oneShot(network(), { sparsity: 0.5 } as never), /option train: needs a function, got undefined/],
  ['a train without weights', () => drivers.oneShot(network(), { sparsity: 0.5, train: () => ({}) as never }),
    /train: needs to return \{ weights, metrics \}/],
  ['a train that returns nothing', () => drivers.lotteryTicket(network(), { schedule: { rounds: 1 }, train: () => undefined as never }),
    /train: needs to return/],
  ['steps of 0', () => drivers.oneShot(network(), { sparsity: 0.5, train: trainer(1), steps: 0 }),
    /option steps: needs a number above 0, got 0/],
  ['rewinding past the end', () => drivers.lotteryTicket(network(), { train: trainer(1), rewind: 3, steps: 3, schedule: { rounds: 1 } }),
    /option rewind: needs a step from 0 to below 3/],
  ['times in rounds', () => drivers.lotteryTicket(network(), { train: trainer(1), schedule: { rounds: 1, end: 3 } as never }),
    /option schedule, end: needs nothing, as time is the round/],
  ['a schedule without an end', () => drivers.agp(network(), { train: trainer(1), sparsity: 0.5 }), /schedule agp: needs end, or rounds/],
  ['what train throws', () => drivers.oneShot(network(), { sparsity: 0.5, train: () => { throw new Error('out of data'); } }),
    /out of data/],
];
for (const [name, run, message] of refusedRuns) {
  test(`refuses: ${name}`, async () => {
    const error = await run().then(() => undefined, (reason: Error) => reason);
    assert.match(error?.message ?? 'nothing was thrown', message);
  });
}

test('a trainer may change the arrays it is given, and return those that changed only', async () => {
  const model = network();
  const run = await drivers.iterative(model, {
    sparsity: 0.5, schedule: { rounds: 2 }, train: (given, masks) => {
      const values = data(given, 'fc1.weight');
      for (let i = 0; i < values.length; i++) values[i] *= 2;
      return { weights: maskWeights(masks, { 'fc1.weight': values }), metrics: { accuracy: 0 } };
    },
  });
  const untouched = network();
  const mask = run.masks.get('fc1.weight')!;
  assert.equal(data(model, 'fc1.weight'), data(untouched, 'fc1.weight'));
  assert.equal(data(run.model, 'fc1.weight'), data(model, 'fc1.weight').map((value, i) => (isKept(mask, i) ? 8 * value : 0)));
  assert.equal(data(run.model, 'fc1.bias'), data(model, 'fc1.bias'));
});

test.run();
