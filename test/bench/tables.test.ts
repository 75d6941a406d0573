import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { benchmarkTimer } from '../../bench/benchmark-timer.ts';
import { linesJson } from '../../bench/files.ts';
import { fillTables, markdownTable, tablesIn } from '../../bench/markers.ts';
import {
  browserTable, denseTable, layersTable, mnistTable, modelsTable, peersTable, sparseTable, targetsTable, windowsTable,
  type KernelResults, type ModelResults,
} from '../../bench/readme-tables.ts';
import type { TargetRow } from '../../bench/target-rows.ts';

const readme = '# A\n\n<!-- table: one -->\nold\n<!-- /table -->\nbetween\n<!-- table: two -->\n<!-- /table -->\nend\n';

test('tables are put between their markers, and putting them again changes nothing', () => {
  const tables = { one: () => 'first $& table', two: () => 'second' };
  const once = fillTables(readme, tables);
  assert.is(
    once,
    '# A\n\n<!-- table: one -->\nfirst $& table\n<!-- /table -->\nbetween\n<!-- table: two -->\nsecond\n<!-- /table -->\nend\n',
  );
  assert.is(fillTables(once, tables), once);
  assert.is.not(fillTables(once, { ...tables, two: () => 'third' }), once);
  assert.equal(tablesIn(readme), ['one', 'two']);
});

test('a marker without a table is an error that lists the tables', () => {
  assert.throws(() => fillTables(readme, { one: () => '' }), /table: two.*one of one/);
});

test('a Markdown table', () => {
  assert.is(markdownTable([{ head: 'a' }, { head: 'b', right: true }], [['x', '1']]), '| a | b |\n| --- | --: |\n| x | 1 |');
});

const environment = { runtime: 'node 24', engine: 'V8 13', cpu: 'a cpu', threads: 1, simd: 'relaxed' } as const;
const model = {
  network: 'N', mask: 'blocks', sparsity: 0.9, engine: 'burin', version: '',
  denseMs: 10, sparseMs: 2, denseSpreadMs: 0.1, sparseSpreadMs: 0.1,
  theoreticalSpeedup: 8, measuredSpeedup: 5, efficiency: 0.625, maxError: 0,
};
const models: ModelResults = { environment, rows: [model, { ...model, engine: 'other', version: '1.2', denseMs: 15, sparseMs: 16 }] };
const kernel = {
  case: 'a', kernel: 'k', format: 'csr', mask: '4x1', m: 8, n: 8, k: 8, sparsity: 0.7,
  medianMs: 1, spread: 0, gflops: 20, effectiveGflops: 40, efficiency: 0.5,
  peakFraction: 0.4, maxError: 0, best: false,
};
const kernels: KernelResults = {
  environment, ceiling: { gflops: 57, gigabytesPerSecond: 14 },
  rows: [kernel, { ...kernel, format: 'bsr 4x1', efficiency: 0.9, best: true }],
  peers: [{ layer: 'l', engine: 'other', version: '1.2', medianMs: 3, gflops: 30 }],
};

test('the tables of the README say what the results say', () => {
  assert.match(
    modelsTable(models),
    /\| N \| blocks \| 90 % \| 10\.0 \| 2\.00 \| 8\.00× \| 5\.00× \| 63 % \|\n\nnode 24, V8 13, relaxed SIMD, 1 thread, a cpu/,
  );
  assert.not.match(modelsTable(models), /other/);
  assert.match(peersTable(models), /\| other 1\.2 \| 15\.0 \| 1\.50× \| 16\.0 \| 8\.00× \|/);
  const dense = { ...kernel, case: 'l dense', mask: 'none', format: 'dense', gflops: 50, peakFraction: 0.877, best: true };
  const layers = layersTable({ ...kernels, rows: [...kernels.rows, dense, { ...dense, gflops: 1, best: false }] });
  assert.match(layers, /\| layer \| m×n×k \| GFLOP\/s \| of ceiling \| other 1\.2 ms \|\n.*\n\| l \| 8×8×8 \| 50\.0 \| 88 % \| 3\.00 \|\n/);
});

test('the whole dense list in two lines', () => {
  const row = { ...kernel, case: 'big dense', format: 'dense', mask: 'none', peakFraction: 0.9, best: true };
  const rows = [row, { ...row, case: 'low dense', peakFraction: 0.4 }, { ...row, case: 'vector dense', n: 1, peakFraction: 0.3 }];
  const table = denseTable({ environment, ceiling: kernels.ceiling, rows });
  assert.match(table, /\| matrix × matrix \| 2 \| 0\.60 \| 1 \| low 0\.40 \|\n\| matrix × vector \| 1 \| 0\.30 \| 0 \| vector 0\.30 \|/);
});

const target: TargetRow = {
  group: 'a group', unit: 'efficiency', simd: 'relaxed', cases: 3, target: 0.8, bound: 'least', mean: 0.85,
  worst: 0.7, worstCase: 'b dense', holds: true,
};

test('targets: bold where they hold, and the other binary beside them where it was measured', () => {
  const missed = { ...target, group: 'another', bound: 'most', cases: 1, mean: 0.9, holds: false } as const;
  const run = { part: 'kernels', simd: 'relaxed', environment, rows: [target, missed, { ...target, target: null, holds: null }] } as const;
  assert.match(
    targetsTable({ runs: [run] }),
    /.*mean \| worst \|\n.*\n.* 3 \| ≥ 0\.80 \| \*\*0\.85\*\* \| 0\.70 b \|\n.* 1 \| ≤ 0\.80 \| 0\.90 \|  \|\n.* 3 \|  \| 0\.85 \|/,
  );
  const plain = { ...run, simd: 'plain', rows: [{ ...target, simd: 'plain', mean: 0.5 }] } as const;
  assert.match(targetsTable({ runs: [run, plain] }), /mean \| plain SIMD \| worst.*\n.*\n.* \*\*0\.85\*\* \| 0\.50 \| 0\.70 b \|/);
});

test('the browser in two lines, and libraries in one a product', () => {
  const row = { network: 'N', version: '', minMs: 1, spreadMs: 0, maxError: 0 };
  const rows = [
    { ...row, engine: 'burin', edition: 'dense', medianMs: 8 }, { ...row, engine: 'burin', edition: 'pruned', medianMs: 5 },
    { ...row, engine: 'other', version: '1.2', edition: 'dense', medianMs: 12 },
    { ...row, engine: 'other', version: '1.2', edition: 'pruned', medianMs: 10 },
  ];
  assert.match(
    browserTable({ environment, theoreticalSpeedup: 2, rows }),
    /\| burin \| 8\.00 \| 5\.00 \| 2\.00× \| 1\.60× \| 80 % \|\n\| other 1\.2 \| 12\.0 \| 10\.0 \| 2\.00× \| 1\.20× \| 60 % \|\n/,
  );
  const product = { case: 'p', m: 8, n: 1, k: 10, nonzeros: 8, engine: 'burin', version: '', medianMs: 0.5, gflops: 1 };
  assert.match(
    sparseTable({ environment, rows: [product, { ...product, engine: 'lib', version: '3', medianMs: 50 }] }),
    /burin ms \| lib 3 ms \|\n.*\n\| p \| 8×1×10 \| 90 % \| 0\.50 \| 50\.0 \(100×\) \|/,
  );
});

test('results are written one row a line and read back the same', () => {
  const text = linesJson({ ...kernels });
  assert.equal(JSON.parse(text), kernels);
  assert.is(text.split('\n').filter((line) => line.includes('"case"')).length, 2);
});

test('the statistics of Benchmark.js in our units', async () => {
  let calls = 0;
  const times = await benchmarkTimer({ count: () => { for (let i = 0; i < 1e5; i++) calls++; } });
  assert.ok(calls > 0);
  assert.ok(times.count.medianMs > 1e-3 && times.count.medianMs < 50, `${times.count.medianMs} ms`);
  assert.ok(times.count.spreadMs >= 0);
});

test('layers without a product are summed up by operator, the lowest named where there are several', () => {
  const rates = { gflops: 10, gigabytesPerSecond: 4, bound: 'FLOPs' as const, boundFraction: 0.9 };
  const row = { layer: 'a', op: 'Conv', x: [1], kernel: 'k', error: 0, bestMs: 1, ...rates };
  const more = { ...row, layer: 'b', gflops: 40, gigabytesPerSecond: 1, boundFraction: 0.4 };
  const table = windowsTable({ environment, ceiling: kernels.ceiling, rows: [row, more, { ...row, op: 'Add', gflops: 0 }] });
  assert.match(table, /\| Conv \| 2 \| 20\.0 \| 2\.0 \| 0\.60 \| b 0\.40 \|\n\| Add \| 1 \|  \| 4\.0 \| 0\.90 \|  \|\n/);
});

test('trainings: what is left and what it is worth, controls where there are any', () => {
  const row = { run: 'lottery ticket', left: 0.8, accuracy: 0.97531, random: 0.96, reinitialised: 0.961, seconds: 12.34 };
  const table = mnistTable({ steps: 100, rows: [row, { run: 'gradual', left: 0.08, accuracy: 0.97, seconds: 1 }] });
  assert.match(table, /\| lottery ticket \| 80 % \| 97\.53 % \| 96\.00 % \| 96\.10 % \| 12\.3 \|\n/);
  assert.match(table, /\| gradual \| 8\.0 % \| 97\.00 % \|  \|  \| 1\.0 \|\n\n100 steps/);
});

test.run();
