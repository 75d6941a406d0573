import { build } from 'esbuild';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as burin from '../../src/index.ts';
import { root } from '../root.ts';
import { hasChromium, launchChromium } from './chromium.ts';
import { serve } from './serve.ts';

/** What an app has of Burin: the compiled library, or its sources where the tests run from source too. */
const entry = join(root, import.meta.url.endsWith('.ts') ? 'src/index.ts' : 'dist/src/index.js');
/** Where the app puts the script of the threads. */
const WORKER = 'threads/burin-worker.js';
const site = join(root, '.cache', `bundle-${process.pid}`);

/** Bundles the library as an app's bundler would: for browsers, with nothing of Node left in it. */
async function bundleTo(folder: string): Promise<string> {
  const result = await build({
    stdin: { contents: `import * as burin from ${JSON.stringify(entry)}; globalThis.burin = burin;`, resolveDir: root },
    bundle: true, format: 'esm', platform: 'browser', target: 'es2022',
    outfile: join(folder, 'app.js'), metafile: true, write: true, logLevel: 'silent',
  });
  return Object.values(result.metafile.outputs).flatMap((output) => output.imports.map(({ path }) => path)).join(', ');
}

interface Outcome { readonly scores: readonly number[][]; readonly threads: readonly number[]; readonly whyFewer: string }

/**
 * LeNet-5 on the wasm backend over a made-up picture, on one thread, on two whose script is looked for beside the bundle, and on two that
 * are told where it is; the same lines run in Node and, sent there as text, in the page.
 */
async function runLenet({ SparseSession, Tensor, zooGraph }: typeof burin, worker?: string): Promise<Outcome> {
  const picture = Float32Array.from({ length: 28 * 28 }, (_, i) => Math.sin(0.37 * i));
  const scores: number[][] = [], threads: number[] = [];
  let whyFewer = '';
  for (const options of [{}, { threads: 2 }, { threads: 2, wasm: { worker } }]) {
    const session = await SparseSession.create(zooGraph('lenet-5-caffe'), { executionProviders: ['wasm'], tune: 'predict', ...options });
    for (let run = 0; run < 20; run++) {
      scores.push(Array.from((await session.run({ input: new Tensor('float32', picture, [1, 1, 28, 28]) })).scores.data as Float32Array));
    }
    threads.push(session.environment().threads);
    whyFewer = session.environment().whyFewer ?? whyFewer;
    session.release();
  }
  return { scores, threads, whyFewer };
}

/** Runs LeNet-5 in a page, isolated or not, and tells with how many threads. */
async function runInChromium(isolated: boolean): Promise<Outcome> {
  const [served, browser] = await Promise.all([serve(site, { isolated }), launchChromium()]);
  try {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    await page.goto(`${served.url}/index.html`);
    await page.waitForFunction(() => 'burin' in globalThis, undefined, { timeout: 20_000 }).catch(() =>
      assert.unreachable(`the bundle does not load: ${errors}`));
    return await page.evaluate<Outcome>(`(${runLenet})(globalThis.burin, ${JSON.stringify(WORKER)})`);
  } finally {
    await Promise.all([browser.close(), served.close()]);
  }
}

test.before(() => {
  mkdirSync(dirname(join(site, WORKER)), { recursive: true });
  copyFileSync(join(root, 'dist/src/backends/worker.js'), join(site, WORKER));
  writeFileSync(
    join(site, 'index.html'),
    '<!doctype html><meta charset="utf-8"><title>Burin</title><script type="module" src="app.js"></script>',
  );
});
test.after(() => rmSync(site, { recursive: true, force: true }));

test('a bundle for the browser needs nothing of Node and gives what Node gives', async () => {
  assert.is(await bundleTo(site), '', 'imports left in the bundle');
  if (!hasChromium('the bundle in a browser')) return;
  const here = await runLenet(burin), [alone, isolated] = [await runInChromium(false), await runInChromium(true)];
  assert.equal(alone.threads, [1, 1, 1]);
  assert.match(alone.whyFewer, /Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp/);
  // esbuild does not take the script along: the bundle finds none beside it and says so, the copy it is told of works.
  assert.equal(isolated.threads, [1, 1, 2], isolated.whyFewer);
  assert.match(isolated.whyFewer, /worker script/);
  assert.equal(here.threads, [1, 2, 2]);
  for (const scores of [...alone.scores, ...isolated.scores]) agree(here.scores[0], scores);
  for (const { scores } of [here, alone, isolated]) {
    for (const other of scores) assert.equal(other, scores[0], 'the same bits at any number of threads');
  }
});

function agree(here: readonly number[], there: readonly number[]): void {
  assert.is(there.length, 10);
  assert.ok(here.some((x) => Math.abs(x) > 1e-3), 'the scores are all zero');
  here.forEach((x, i) => assert.ok(Math.abs(x - there[i]) <= 1e-4, `score ${i}: ${x} in Node, ${there[i]} in Chromium`));
}

test.run();
