import type { Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSite, type Site } from './webgpu-site.ts';
import type * as inPage from './webgpu-session-page.ts';

const test = suite<{ page?: Page; site?: Site }>('webgpu sessions');
const name = 'WebGPU sessions in a browser';

test.before(async (context) => {
  context.site = await openSite(name, 'webgpu-session-page');
  context.page = context.site.page;
});

test.after(({ site }) => site?.close());

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
