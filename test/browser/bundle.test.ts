import { build } from 'esbuild';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as burin from '../../src/index.ts';
import { root } from '../root.ts';
import { hasChromium, launchChromium } from './chromium.ts';
import { serve } from './serve.ts';

/** What an app has of Burin: the compiled library, or its sources where the tests run from source too. */
const entry = join(root, import.meta.url.endsWith('.ts') ? 'src/index.ts' : 'dist/src/index.js');
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

/** LeNet-5 on the wasm backend over a made-up picture; the same lines run in Node and, sent there as text, in the page. */
async function runLenet({ SparseSession, Tensor, zooGraph }: typeof burin): Promise<number[]> {
  const session = await SparseSession.create(zooGraph('lenet-5-caffe'), { executionProviders: ['wasm'] });
  const picture = Float32Array.from({ length: 28 * 28 }, (_, i) => Math.sin(0.37 * i));
  const { scores } = await session.run({ input: new Tensor('float32', picture, [1, 1, 28, 28]) });
  return Array.from(scores.data as Float32Array);
}

async function runInChromium(): Promise<number[]> {
  const [served, browser] = await Promise.all([serve(site), launchChromium()]);
  try {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    await page.goto(`${served.url}/index.html`);
    await page.waitForFunction(() => 'burin' in globalThis, undefined, { timeout: 20_000 }).catch(() =>
      assert.unreachable(`the bundle does not load: ${errors}`));
    return await page.evaluate<number[]>(`(${runLenet})(globalThis.burin)`);
  } finally {
    await Promise.all([browser.close(), served.close()]);
  }
}

test.before(() => {
  mkdirSync(site, { recursive: true });
  writeFileSync(
    join(site, 'index.html'),
    '<!doctype html><meta charset="utf-8"><title>Burin</title><script type="module" src="app.js"></script>',
  );
});
test.after(() => rmSync(site, { recursive: true, force: true }));

test('a bundle for the browser needs nothing of Node and gives what Node gives', async () => {
  assert.is(await bundleTo(site), '', 'imports left in the bundle');
  if (!hasChromium('the bundle in a browser')) return;
  const [here, there] = [await runLenet(burin), await runInChromium()];
  assert.is(there.length, 10);
  assert.ok(here.some((x) => Math.abs(x) > 1e-3), 'the scores are all zero');
  here.forEach((x, i) => assert.ok(Math.abs(x - there[i]) <= 1e-4, `score ${i}: ${x} in Node, ${there[i]} in Chromium`));
});

test.run();
