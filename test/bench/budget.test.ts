import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { BudgetRow } from '../../bench/budget-rows.ts';
import { budgetTable } from '../../bench/readme-tables.ts';

const environment = { runtime: 'node 24', engine: 'V8 13', cpu: 'a cpu', threads: 1, simd: 'relaxed' } as const;
const row: BudgetRow = {
  network: 'N', askedSpeedup: 2, askedMs: 5, denseMs: 10, measuredMs: 4.9, spreadMs: 0.1, deviation: -0.02, outcome: 'met',
  average: 'geometric', scoreKept: 0.912, kept: { geometric: 0.912, arithmetic: 0.92, total: 0.9 }, sparsity: 0.6,
  granularities: { weight: 3 }, uniform: { granularity: 'weight', sparsity: 0.7, measuredMs: 4.95, scoreKept: 0.874 }, seconds: 40,
};

test('the table of budgets says what was asked, what came of it, and what uniform pruning keeps', () => {
  const fastest = { ...row, askedSpeedup: 9, outcome: 'fastest', uniform: null } as const;
  const table = budgetTable({ environment, rows: [row, fastest], browser: { ...environment, runtime: 'Chromium 1' }, browserRows: [row] });
  assert.match(table, /\| N \| Node \| 2\.00× \| 5\.00 \| 4\.90 \| −2\.0 % \| 91\.2 % \| 4\.95 \| 87\.4 % \| weight \|/);
  assert.match(table, /\| 9\.00× \| 5\.00 \| 4\.90 at best \|  \| 91\.2 % \|/);
  assert.match(table, /\| N \| Chromium \| 2\.00× /);
  assert.match(table, /node 24, V8 13, relaxed SIMD, 1 thread, a cpu; Chromium 1, V8 13, [^;]*; medians/);
});

test.run();
