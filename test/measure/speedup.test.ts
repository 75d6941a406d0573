import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../src/expect.ts';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { measure, sweep } from '../../src/measure/speedup.ts';
import { prune } from '../../src/prune/index.ts';

const quick = { samples: 2, tune: 'predict' } as const;
const graph = zooGraph('lenet-300-100');

test('a pruned network is counted, compared and timed on the device', async () => {
  const stages = new Set<string>();
  const pruned = prune(graph, { sparsity: 0.75 }).graph;
  const report = await measure(pruned, {
    ...quick, onProgress: ({ stage, done, total }) => { stages.add(stage); assert.ok(done <= total); },
  });
  const { totals, layers } = report;
  assert.is(report.model, graph.name);
  assert.equal([totals.params, totals.macs.dense, totals.macs.masked], [266_610, 266_200, 66_550]);
  assert.is(totals.theoreticalSpeedup.masked, 4);
  assert.ok(totals.denseMs > 0 && totals.sparseMs > 0 && totals.maxAbsError < 1e-3);
  assert.is(layers.filter((layer) => layer.macs).length, 3);
  for (const layer of layers.filter((l) => l.macs)) assert.is(Math.round(100 * layer.sparsity), 75, layer.name);
  assert.ok(stages.has('timing'));
  assert.not('pruning' in report);
  assert.equal([report.profile!.work.total, report.profile!.work.kept, report.profile!.layers.length], [266_200, 66_550, 3]);
  assert.equal([report.bytes!.totals.dense, report.bytes!.totals.nonzero], [4 * 266_200, 66_550]);
  assert.is(JSON.stringify(report).includes('null,null'), false);
});

test('dead channels are taken out of the sparse edition only; layers are counted as they were given', async () => {
  const pruned = prune(zooGraph('lenet-5-caffe'), { sparsity: 0.5, granularity: 'filter', exclude: ['fc2'] }).graph;
  const { layers, totals } = await measure(pruned, { ...quick, samples: 5 });
  const fc1 = layers.find(({ name }) => name === 'fc1')!;
  assert.equal([fc1.macs, fc1.nnz, fc1.theoreticalSpeedup], [400_000, 200_000, 2]);
  assert.equal(fc1.narrowed, { shape: [1, 250], size: 100_000, nnz: 100_000, macs: 100_000 });
  assert.ok(fc1.denseMs > 2 * fc1.sparseMs, `${fc1.denseMs} ms on the network as given, ${fc1.sparseMs} on a quarter of it`);
  assert.is(totals.macs.dense, 2_293_000);
});

test('whole sweeps come back in order, with the promise of each', async () => {
  const { curve, breakEven } = await sweep(graph, [0.9, 0.5], { ...quick, refinements: 0 });
  assert.equal(curve.map((point) => [point.sparsity, Math.round(point.theoretical!)]), [[0.5, 2], [0.9, 10]]);
  assert.ok(breakEven === null || (breakEven > 0.5 && breakEven < 0.9));
});

test('senseless options are refused before anything runs', async () => {
  const problem = (promise: Promise<unknown>): Promise<BurinError | undefined> =>
    promise.then(() => undefined, (error: BurinError) => error);
  assert.match((await problem(sweep(graph, [90])))!.message, /sparsities from 0 to 1, got 90/);
  for (const samples of [0, -1, 1.5, NaN]) {
    const error = await problem(measure(graph, { ...quick, samples }));
    assert.equal([error?.kind, error?.where], ['argument', 'option samples']);
    assert.is((await problem(sweep(graph, [0.5], { ...quick, samples })))?.where, 'option samples');
  }
  const misspelt = { ...quick, sample: 3 };
  assert.match((await problem(measure(graph, misspelt)))!.message, /measure options: needs one of .*samples.*got 'sample'/);
  assert.match((await problem(sweep(graph, [0.5], misspelt)))!.message, /sweep options: needs one of .*refinements, got 'sample'/);
  assert.is((await problem(measure(graph, { ...quick, formats: ['zip'] })))?.kind, 'argument');
  assert.is((await problem(measure(graph, { ...quick, shapes: { input: [1, 2] } })))?.kind, 'shape');
});

test.run();
