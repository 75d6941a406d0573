import { build } from 'esbuild';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as burin from '../../src/index.ts';
import { root } from '../root.ts';
import { hasChromium, launchChromium } from './chromium.ts';
import { serve } from './serve.ts';

const entry = join(root, import.meta.url.endsWith('.ts') ? 'src/index.ts' : 'dist/src/index.js');
const site = join(root, '.cache', `budget-test-${process.pid}`);

/** What a page tells of a network that it pruned to a budget; the zeros of the returned network, not of its report. */
async function budgetInPage({ pruneToBudget, zooGraph, SparseSession, Tensor }: typeof burin): Promise<{
  report: burin.BudgetReport; costs: burin.CostTable; zeros: Record<string, number>; scores: number[];
}> {
  const dense = zooGraph('lenet-300-100');
  const { graph, masks, report, costs } = await pruneToBudget(dense, { speedup: 1.2, limitMs: 0, strict: false });
  const zeros = Object.fromEntries([...masks.keys()].map((weight) => {
    const data = graph.constants.get(weight)!.data as Float32Array;
    return [weight, data.filter((value) => value === 0).length / data.length];
  }));
  const session = await SparseSession.create(graph), { name, dims } = session.inputMetadata[0], shape = dims.map(Number);
  const picture = new Tensor('float32', new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5), shape);
  const [scores] = Object.values(await session.run({ [name]: picture })).map(({ data }) => Array.from(data as Float32Array));
  session.release();
  return { report, costs, zeros, scores };
}

test.before(async () => {
  mkdirSync(site, { recursive: true });
  await build({
    stdin: { contents: `import * as burin from ${JSON.stringify(entry)}; globalThis.burin = burin;`, resolveDir: root },
    bundle: true, format: 'iife', platform: 'browser', target: 'es2022', outfile: join(site, 'app.js'), logLevel: 'silent',
  });
  writeFileSync(join(site, 'index.html'), '<!doctype html><meta charset="utf-8"><title>Burin</title><script src="app.js"></script>');
});
test.after(() => rmSync(site, { recursive: true, force: true }));

test('a page prunes a network to a time budget, and its cost table serves here', async () => {
  if (!hasChromium('a budget in a browser')) return;
  // Without isolation the clock has steps of 100 µs, as on most pages.
  const [served, browser] = await Promise.all([serve(site, { isolated: false }), launchChromium()]);
  try {
    const page = await browser.newPage();
    await page.goto(`${served.url}/index.html`);
    const { report, costs, zeros, scores } = await page.evaluate<Awaited<ReturnType<typeof budgetInPage>>>(
      `(${budgetInPage})(globalThis.burin)`);
    assert.is(report.layers.length, 3);
    assert.match(report.environment.runtime, /Chrom/);
    for (const { weight, sparsity, granularity } of report.layers) {
      assert.is(granularity === null, !(weight in zeros));
      if (weight in zeros) assert.ok(Math.abs(zeros[weight] - sparsity) < 1e-6);
    }
    assert.ok(scores.length === 10 && scores.every(Number.isFinite) && report.denseMs > 0 && report.measuredMs! > 0);
    const here = await burin.pruneToBudget(burin.zooGraph('lenet-300-100'), { speedup: 1.2, costs, strict: false });
    assert.equal(here.report.environment, costs.environment);
    assert.is(here.report.measuredMs, null);
  } finally {
    await Promise.all([browser.close(), served.close()]);
  }
});

test.run();
