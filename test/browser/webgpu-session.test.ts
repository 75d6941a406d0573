import { build } from 'esbuild';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { root } from '../root.ts';
import { hasChromium, launchChromium } from './chromium.ts';
import { serve, type Served } from './serve.ts';
import type * as inPage from './webgpu-session-page.ts';

const test = suite<{ page?: Page; browser?: Browser; served?: Served }>('webgpu sessions');
const name = 'WebGPU sessions in a browser';
const site = join(root, '.cache', `webgpu-session-${process.pid}`);
const entry = join(root, `${import.meta.url.endsWith('.ts') ? '' : 'dist/'}test/browser/webgpu-session-page.${import.meta.url.slice(-2)}`);

test.before(async (context) => {
  if (!hasChromium(name)) return;
  mkdirSync(site, { recursive: true });
  await build({
    entryPoints: [entry], bundle: true, format: 'iife', globalName: 'inPage', platform: 'browser', target: 'es2022',
    outfile: join(site, 'page.js'), logLevel: 'silent',
  });
  writeFileSync(join(site, 'index.html'), '<!doctype html><meta charset="utf-8"><title>Burin</title><script src="page.js"></script>');
  [context.served, context.browser] = await Promise.all([serve(site), launchChromium()]);
  const page = await context.browser.newPage();
  await page.goto(`${context.served.url}/index.html`);
  if (await page.evaluate('navigator.gpu?.requestAdapter().then((found) => !!found)')) context.page = page;
  else console.warn(`SKIPPED: ${name} needs a WebGPU adapter, and this Chromium finds none`);
});

test.after(async ({ browser, served }) => {
  await Promise.all([browser?.close(), served?.close()]);
  rmSync(site, { recursive: true, force: true });
});

type Answer<K extends keyof typeof inPage> = Awaited<ReturnType<(typeof inPage)[K]>>;
const ask = <K extends keyof typeof inPage>(page: Page, key: K): Promise<Answer<K>> => page.evaluate<Answer<K>>(`inPage.${key}()`);

test('a network gives what it gives in WebAssembly', async ({ page }) => {
  if (!page) return;
  const { error, adapter, host, layers, positive } = await ask(page, 'networks');
  assert.ok(error <= 1e-3, `apart by ${error}`);
  assert.match(adapter, /\w/);
  assert.equal(host, []);
  assert.ok(layers > 20 && positive);
});

test('a lost device is an error, and recover goes on', async ({ page }) => {
  if (!page) return;
  const { during, later, error } = await ask(page, 'recovery');
  assert.equal([during, later], ['device', 'device']);
  assert.ok(error <= 1e-6, `apart by ${error}`);
});

test('outputs stay on the device, and auto times both', async ({ page }) => {
  if (!page) return;
  const { error, chosen, timed } = await ask(page, 'residence');
  assert.ok(error <= 1e-3, `apart by ${error}`);
  assert.ok(timed.includes(chosen));
  assert.equal(timed.sort(), ['wasm', 'webgpu']);
});

test.run();
