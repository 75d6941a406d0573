// Writes the README's tables from bench/results: what lies between `<!-- table: NAME -->` and `<!-- /table -->`.
// --check writes nothing and fails where the README says something else.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { expect } from '../src/expect.ts';
import { put, root, say } from './files.ts';
import { fillTables, tablesIn } from './markers.ts';
import type { DenseResults } from './dense.ts';
import type { BudgetResults } from './budget.ts';
import type { BrowserResults } from './browser-race.ts';
import {
  browserTable, budgetTable, denseTable, layersTable, mnistTable,
  modelsTable, peersTable, sparseTable, targetsTable, threadsTable, windowsTable,
  type KernelResults, type ModelResults, type SparseResults,
} from './readme-tables.ts';
import type { MnistResults } from './mnist/index.ts';
import type { TargetResults } from './target-rows.ts';
import type { ThreadsResults } from './threads.ts';
import type { WebgpuResults } from './webgpu-rows.ts';
import { webgpuPeersTable, webgpuTable } from './webgpu-tables.ts';
import type { WindowResults } from './windows.ts';

function results<T>(name: string): T {
  const path = join(root, 'bench', 'results', `${name}.json`);
  expect(existsSync(path), { kind: 'file', where: path, needs: 'results', got: 'none', remedy: `npm run bench -- ${name} --write` });
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

/** Results are read only for tables that are asked for. */
const tables = {
  models: () => modelsTable(results<ModelResults>('models')),
  peers: () => peersTable(results<ModelResults>('models')),
  layers: () => layersTable(results<KernelResults>('kernels')),
  dense: () => denseTable(results<DenseResults>('dense')),
  targets: () => targetsTable(results<TargetResults>('targets')),
  browser: () => browserTable(results<BrowserResults>('browser')),
  sparse: () => sparseTable(results<SparseResults>('sparse')),
  windows: () => windowsTable(results<WindowResults>('windows')),
  mnist: () => mnistTable(results<MnistResults>('mnist')),
  threads: () => threadsTable(results<ThreadsResults>('threads')),
  webgpu: () => webgpuTable(results<WebgpuResults>('webgpu')),
  'webgpu-peers': () => webgpuPeersTable(results<WebgpuResults>('webgpu')),
  budget: () => budgetTable(results<BudgetResults>('budget')),
};

const { check } = parseArgs({ options: { check: { type: 'boolean' } } }).values;
const text = readFileSync(join(root, 'README.md'), 'utf8'), filled = fillTables(text, tables), names = tablesIn(text).join(', ') || 'none';
if (filled === text) say(`README.md: tables are up to date (${names})`);
else if (check) {
  say(`README.md: tables differ from bench/results (${names}); run npm run bench -- tables`);
  process.exitCode = 1;
} else {
  put('README.md', filled);
  say(`README.md: tables written (${names})`);
}
