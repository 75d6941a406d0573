import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../src/expect.ts';
import { compare, type Counted } from '../../src/measure/compare.ts';
import { breakEvenOf, search } from '../../src/measure/curve.ts';
import { promisedMs } from '../../src/measure/explain.ts';
import { fill, shapeOf } from '../../src/measure/feeds.ts';
import { ratio, type Told } from '../../src/measure/record.ts';
import { bytesMoved, rooflineMs, rooflineSpeedup } from '../../src/measure/roofline.ts';
import { counted, denseLayers, fakeEdition, sparseLayers, type FakeLayer } from './fake.ts';

const near = (a: number | null, b: number): void => assert.ok(a !== null && Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

const editions = (log: string[] = []) => ({
  dense: fakeEdition(denseLayers, [1, 2, 3], log, 'd'), sparse: fakeEdition(sparseLayers, [1, 2, 3.0001], log, 's'),
});

test('a report holds totals, layers and their ratios', async () => {
  const report = await compare({ model: 'm', ...editions(), counted, feeds: {}, samples: 12 });
  const { totals, layers } = report;
  near(totals.denseMs, 10);
  near(totals.sparseMs, 7.5);
  near(totals.measuredSpeedup, 10 / 7.5);
  near(totals.efficiency, 10 / 7.5 / 2.5);
  assert.ok(totals.maxAbsError > 0.00009 && totals.maxAbsError < 0.00011);
  const a = layers[1];
  near(a.theoreticalSpeedup, 4);
  near(a.measuredSpeedup, 4 / 1.5);
  near(a.sparsity, 0.75);
  assert.equal([a.name, a.format, a.nnz, a.macs], ['a', 'csr', 10, 400]);
  assert.is(layers[3].theoreticalSpeedup, 1);
  assert.is(JSON.stringify(JSON.parse(JSON.stringify(report))), JSON.stringify(report));
});

test('losses add up to the difference between promise and clock', async () => {
  const { totals, losses, explanation } = await compare({ model: 'm', ...editions(), counted, feeds: {} });
  near(losses.reduce((sum, loss) => sum + loss.ms, 0), totals.sparseMs - promisedMs(totals));
  const by = Object.fromEntries(losses.map((loss) => [loss.cause, loss.ms]));
  near(by.kernels, 1.5 - 4 / 4);
  near(by.leftDense, 4 - 4 / 2);
  near(by.otherOperations, 0.5 - 0.5 / 2.5);
  near(by.unpruned, 1 + 1 + 2 - 9 / 2.5);
  assert.match(explanation[0], /10\.0 ms would become 4\.00 ms \(2\.50×\)\. Measured: 7\.50 ms, which is 3\.50 ms more/);
  assert.match(explanation[1], /^1 pruned layer stays dense.*2\.00 ms/);
});

const leftDense = async (change: Partial<FakeLayer>, told: Told = {}): Promise<string> => {
  const layers = sparseLayers.map((layer) => (layer.name === 'b' ? { ...layer, ...change } : layer));
  const pair = { dense: fakeEdition(denseLayers), sparse: fakeEdition(layers) };
  const { explanation } = await compare({ model: 'm', ...pair, counted, feeds: {}, told });
  return explanation.find((sentence) => sentence.startsWith('1 pruned layer'))!;
};

test('a layer left dense has the reason that holds for it', async () => {
  const timed = { candidates: [{ format: 'dense', kernel: 'd', ms: 4 }, { format: 'csr', kernel: 'c', ms: 5 }] };
  assert.match(await leftDense(timed), /because no sparse kernel was faster there:/);
  assert.match(await leftDense(timed, { tune: 'predict' }), /predicted, not timed/);
  assert.match(await leftDense({ ...timed, decided: 'out of time' }), /no time was left for timing them/);
  assert.match(await leftDense({}), /no sparse kernel exists for it \(depthwise\)/);
  assert.match(await leftDense({ kernel: 'host' }), /this provider has no kernel for it/);
  assert.match(await leftDense({ candidates: timed.candidates.slice(0, 1) }, { formats: ['bsr'] }), /no sparse format allowed fits it/);
  assert.match(await leftDense({ candidates: timed.candidates.slice(0, 1) }, { formats: ['dense'] }), /no sparse format was allowed/);
});

test('a layer that lost dead channels is told as it was given, and uses its zeros without a sparse format', async () => {
  const narrowed = { shape: [1, 4, 4, 4], nnz: 10, size: 10, macs: 100 };
  const layers = sparseLayers.map((layer) => (layer.name === 'b' ? { ...layer, ms: 1, narrowed } : layer));
  const { layers: told, losses, explanation } = await compare({
    model: 'm', dense: fakeEdition(denseLayers), sparse: fakeEdition(layers), counted, feeds: {},
  });
  const b = told.find(({ name }) => name === 'b')!;
  assert.equal([b.format, b.nnz, b.macs, b.theoreticalSpeedup, b.efficiency, b.narrowed], ['dense', 20, 400, 2, 2, narrowed]);
  const by = Object.fromEntries(losses.map((loss) => [loss.cause, loss.ms]));
  near(by.leftDense, 0);
  near(by.kernels, (1.5 - 4 / 4) + (1 - 4 / 2));
  assert.match(explanation.join('\n'), /1 layer gives more than its promise, which counts a layer's own zeros: channels that died/);
  assert.match(explanation.join('\n'), /Sparse kernels and layers without their dead channels reach 120 % of the promise/);
});

test('different reasons are counted', async () => {
  const layers = sparseLayers.map((layer) => ({ ...layer, format: 'dense', ...(layer.name === 'a' && { kernel: 'host' }) }));
  const { explanation } = await compare({ model: 'm', dense: fakeEdition(denseLayers), sparse: fakeEdition(layers), counted, feeds: {} });
  assert.match(explanation.join('\n'), /2 pruned layers stay dense, 1 because this provider has no kernel for them, 1 because no sparse/);
});

test('nothing promised, everything promised, more than promised', async () => {
  const speedups = (masked: number | null) => ({ masked, effective: masked, inBounds: masked });
  const whole: Counted = { ...counted, macs: { ...counted.macs, masked: 1000 }, theoreticalSpeedup: speedups(1) };
  const unpromised = await compare({ model: 'm', ...editions(), counted: whole, feeds: {} });
  assert.is(unpromised.totals.efficiency, null);
  assert.equal(unpromised.explanation, ['All 1.00 k multiply-adds remain, so nothing is promised: 10.0 ms dense, 7.50 ms sparse.']);

  const gone: Counted = { ...counted, macs: { ...counted.macs, masked: 0 }, theoreticalSpeedup: speedups(null) };
  const empty = (ms: number, format: string) => fakeEdition([{ name: 'a', ms, format, macs: 1000, size: 40, nnz: 0 }]);
  const all = await compare({ model: 'm', dense: empty(4, 'dense'), sparse: empty(1, 'csr'), counted: gone, feeds: {} });
  assert.match(all.explanation[0], /^The mask keeps none of 1\.00 k multiply-adds\. 4\.50 ms became 1\.50 ms\.$/);
  assert.not.match(all.explanation.join(' '), /–|\b0 ms|\b0 %/);

  const rich = sparseLayers.map((layer) => (layer.name === 'a' ? { ...layer, ms: 0.5 } : layer));
  const more = await compare({ model: 'm', dense: fakeEdition(denseLayers), sparse: fakeEdition(rich), counted, feeds: {} });
  assert.match(more.explanation.at(-1)!, /^1 layer gives more than its promise.*fewer bytes/);
});

test('a layer without weights has no format', async () => {
  const { layers } = await compare({ model: 'm', ...editions(), counted, feeds: {} });
  assert.equal(layers.map((layer) => layer.format), ['dense', 'csr', 'dense', 'none']);
});

test('editions take turns, and the first run of a turn is not counted', async () => {
  const log: string[] = [];
  const pair = editions(log);
  const report = await compare({ model: 'm', ...pair, counted, feeds: {}, samples: 12 });
  assert.is(log.slice(-6).join(''), 'dssdds');
  assert.equal(pair.dense.asked.slice(-3), [6, 6, 3]);
  assert.is(report.samples, 12);
  near(report.spread.denseMs, 0);
});

test('a wrong kernel is not timed', async () => {
  const dense = fakeEdition(denseLayers, [1, 2, 3]);
  for (const [output, message] of [
    [[1, 2, 3.5], /agree within 0\.00400, got a difference of 0\.500/], [[1, 2, NaN], /agree/], [[1, 2], /the same shape/],
  ] as const) {
    const sparse = fakeEdition(sparseLayers, [...output]);
    const error = await compare({ model: 'm', dense, sparse, counted, feeds: {} }).then(() => undefined, (e: BurinError) => e);
    assert.is(error?.kind, 'device');
    assert.match(error!.message, message);
    assert.equal([...dense.asked, ...sparse.asked], []);
  }
  const nan = await compare({
    model: 'm', dense: fakeEdition(denseLayers, [NaN]), sparse: fakeEdition(sparseLayers, [NaN]), counted, feeds: {},
  }).then(() => undefined, (e: BurinError) => e);
  assert.match(nan?.message ?? '', /finite values to compare/);
});

test('steps that one plan splits and the other fuses stand in one row', async () => {
  const dense = fakeEdition([{ name: 'conv', ms: 2, macs: 10, size: 4, nnz: 2 }, { name: 'relu', ms: 1 }, { name: 'copy', ms: 1 }]);
  const sparse = fakeEdition([{ name: 'conv', ms: 1, macs: 10, size: 4, nnz: 2, parts: ['relu'] }]);
  const { layers } = await compare({ model: 'm', dense, sparse, counted, feeds: {} });
  assert.equal(layers.map((l) => [l.name, l.denseMs, l.sparseMs]), [['conv', 3, 1], ['copy', 1, 0]]);
  assert.is(layers[1].measuredSpeedup, null);
});

test('ratios without a finite value are null', () => {
  assert.equal([ratio(6, 3), ratio(0, 0), ratio(1, 0)], [2, 1, null]);
});

const curve = (...points: [number, number][]) =>
  points.map(([sparsity, measured]) => ({ sparsity, theoretical: 1 / (1 - sparsity), measured }));

test('the break-even is where the curve crosses 1 for good', () => {
  near(breakEvenOf(curve([0, 0.5], [0.5, 0.9], [0.7, 1.1], [0.9, 3])), 0.6);
  near(breakEvenOf(curve([0, 1.1], [0.5, 0.8], [0.7, 1.2])), 0.6);
  assert.is(breakEvenOf(curve([0.5, 1.5], [0.9, 3])), null);
  assert.is(breakEvenOf(curve([0.5, 0.5], [0.9, 0.9])), null);
});

test('the search halves the interval of the crossing', async () => {
  const asked: number[] = [];
  const point = async (sparsity: number) => {
    asked.push(sparsity);
    return { sparsity, theoretical: 1 / (1 - sparsity), measured: 1 / (0.2 + 1.3 * (1 - sparsity)) };
  };
  const { curve: found, breakEven } = await search(point, [0, 0.8], 2);
  assert.equal(asked, [0, 0.8, 0.4, 0.2]);
  assert.equal(found.map((p) => p.sparsity), [0, 0.2, 0.4, 0.8]);
  assert.ok(Math.abs(breakEven! - 5 / 13) < 0.01, `${breakEven}`);
});

test('roofline: arithmetic or memory, whichever takes longer', () => {
  const machine = { gflops: 50, gigabytesPerSecond: 10 };
  near(rooflineMs({ flops: 50e6, bytes: 1e6 }, machine), 1);
  near(rooflineMs({ flops: 50e6, bytes: 100e6 }, machine), 10);
  near(bytesMoved({ activations: 100, weights: 10, indexBytes: 2 }), 460);
  near(rooflineSpeedup([{ flops: 100e6, bytes: 0 }], [{ flops: 10e6, bytes: 5e6 }], machine), 4);
  assert.throws(() => rooflineMs({ flops: 1, bytes: 1 }, { gflops: 0, gigabytesPerSecond: 1 }), /above 0/);
});

test('inputs are made up in the shape asked for', () => {
  const x = { name: 'x', type: 'float32', dims: ['n', 2] } as const;
  assert.throws(() => shapeOf(x), /every dimension, got 'n'; give its shape, e\.g\. --shape x=1x2/);
  assert.throws(() => shapeOf(x, [3, 3]), /a shape that fits/);
  const sin = fill(x, shapeOf(x, [2, 2]));
  near(sin.data[1] as number, Math.fround(Math.sin(0.37)));
  const [a, b] = [fill(x, [1, 2], 'random', 1), fill(x, [1, 2], 'random', 2)];
  assert.not.equal(a.data, b.data);
  assert.throws(() => fill(x, [1, 2], 'noise'), /one of sin, random, zeros/);
  const huge = [100_000, 2, 3, 4_000];
  for (const make of [() => fill(x, huge), () => shapeOf({ ...x, dims: ['n', 2, 3, 'w'] }, huge)]) {
    assert.throws(make, (error: BurinError) => error.kind === 'limit' && /input 'x': needs at most 268435456/.test(error.message));
  }
  assert.equal([...fill({ name: 'i', type: 'int64', dims: [2] }, [2]).data], [0n, 0n]);
});

test.run();
