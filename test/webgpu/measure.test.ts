import { hasGpu } from './adapter.ts';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { main } from '../../src/cli/main.ts';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import type { Report } from '../../src/measure/record.ts';
import { measure } from '../../src/measure/speedup.ts';
import { pruneToBudget } from '../../src/measure/budget/index.ts';
import { prune } from '../../src/prune/index.ts';
import { reportText } from '../../src/report/text.ts';
import { SparseSession } from '../../src/runtime/session.ts';
import { filled } from '../graph/call.ts';

// Reports and commands on WebGPU: the same as on WebAssembly, with the adapter named.

const here = hasGpu('measuring on WebGPU');

interface Outcome { code: number; out: string; err: string }

async function burin(...argv: string[]): Promise<Outcome> {
  const outcome: Outcome = { code: -1, out: '', err: '' };
  outcome.code = await main(argv, {
    out: (text) => { outcome.out += text; }, err: (text) => { outcome.err += text; }, width: 200, color: false, live: false,
  });
  return outcome;
}

if (here) {
  test('a report on WebGPU names provider, adapter and clock, and has what a report has', async () => {
    const { graph } = prune(zooGraph('lenet-5-caffe'), { sparsity: 0.9 });
    const report = await measure(graph, { executionProviders: ['webgpu'], samples: 2, tune: 'predict' });
    const { provider, adapter, adapterInfo, timestamps } = report.environment;
    assert.equal([provider, typeof adapter, typeof timestamps], ['webgpu', 'string', 'boolean']);
    assert.ok(adapterInfo!.vendor || adapterInfo!.description, 'vendor or description');
    assert.is(report.layers.filter(({ macs }) => macs > 0).length, 4);
    assert.ok(report.layers.every(({ denseMs, sparseMs }) => denseMs > 0 && sparseMs > 0), 'a time for every layer');
    assert.ok(report.layers.some(({ format, kernel }) => format === 'csr' && kernel.startsWith('f32_csr_')), 'sparse shaders');
    const sum = report.losses.reduce((total, { ms }) => total + ms, 0), gap = report.totals.sparseMs - report.totals.denseMs / 10;
    assert.ok(Math.abs(sum - gap) < 0.05 * report.totals.denseMs, `losses ${sum}, gap ${gap}`);
    assert.ok(reportText(report, { width: 1000 }).includes(`WebGPU on ${adapter}`));
  });

  test('profiles repeat layers and leave results as they are', async () => {
    const session = await SparseSession.create(zooGraph('lenet-5-caffe'), { executionProviders: ['webgpu'], tune: 'predict' });
    const [{ name, dims }] = session.inputMetadata, feeds = { [name]: filled(dims as number[], 1) };
    try {
      const before = await session.run(feeds), layers = await session.prepare(), { layerMs } = await session.profile(feeds, { samples: 3 });
      assert.equal(layerMs.map((times) => times.length), layers.map(() => 3));
      assert.ok(layerMs.flat().every((ms) => Number.isFinite(ms) && ms >= 0));
      assert.equal(await session.run(feeds), before);
    } finally {
      session.release();
    }
  });

  test('auto: both editions on one provider, which the report names with the reason', async () => {
    const { graph } = prune(zooGraph('lenet-300-100'), { sparsity: 0.9 });
    const report = await measure(graph, { executionProviders: ['auto'], samples: 1, tune: 'predict' });
    const { choice, provider } = report.environment;
    assert.is(choice!.chosen, provider);
    assert.equal(Object.keys(choice!.ms).sort(), ['wasm', 'webgpu']);
    assert.match(reportText(report, { width: 1000 }), new RegExp(`auto chose ${provider}: .* ms a run against .* ms`));
  });

  test('prune to a budget on WebGPU', async () => {
    const { report, costs } = await pruneToBudget(zooGraph('lenet-300-100'), {
      executionProviders: ['webgpu'], tune: 'predict', speedup: 1.2, granularities: ['block_rows(4)'], limitMs: 3000, strict: false,
      tolerance: 0.2,
    });
    assert.equal([report.environment.provider, costs.environment.adapter], ['webgpu', report.environment.adapter]);
    assert.ok(report.measuredMs! > 0 && report.denseMs > 0 && report.speedup > 0);
  });

  test('commands take --provider webgpu', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'burin-gpu-')), path = (name: string): string => join(folder, name);
    try {
      const run = await burin('run', 'zoo:lenet-300-100', '--provider', 'webgpu', '--tune', 'predict');
      assert.equal([run.code, run.err], [0, '']);
      const report = await burin('report', 'zoo:lenet-300-100', '--sparsity', '0.9', '--provider', 'webgpu', '--samples', '1', '--tune',
        'predict', '--html', path('r.html'), '--json', path('r.json'));
      assert.equal([report.code, report.err], [0, '']);
      const { environment } = JSON.parse(readFileSync(path('r.json'), 'utf8')) as Report;
      assert.match(report.out, /Measured on WebGPU, \w/);
      assert.ok(report.out.replaceAll('\n', ' ').includes(`WebGPU on ${environment.adapter}`));
      assert.ok(readFileSync(path('r.html'), 'utf8').includes(`WebGPU on ${environment.adapter}`));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test.run();
