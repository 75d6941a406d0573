import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serve, type Served } from './serve.ts';

const test = suite<{ base: string; plain: Served; isolated: Served }>('serve');

test.before(async (context) => {
  context.base = mkdtempSync(join(tmpdir(), 'burin-serve-'));
  mkdirSync(join(context.base, 'site'));
  writeFileSync(join(context.base, 'secret.txt'), 'secret');
  writeFileSync(join(context.base, 'site', 'index.html'), '<p>hello');
  symlinkSync(join(context.base, 'secret.txt'), join(context.base, 'site', 'link.txt'));
  context.plain = await serve(join(context.base, 'site'));
  context.isolated = await serve(join(context.base, 'site'), { isolated: true });
});

test.after(async (context) => {
  await Promise.all([context.plain.close(), context.isolated.close()]);
  rmSync(context.base, { recursive: true });
});

/** fetch tidies `..` away before it asks, so this asks by hand. */
const status = (served: Served, path: string, method = 'GET'): Promise<number | undefined> => new Promise((done, failed) => {
  request(`${served.url}`, { path, method }, (response) => { response.resume(); done(response.statusCode); }).on('error', failed).end();
});

test('gives a file with its type, and isolation headers only when asked', async ({ plain, isolated }) => {
  const [one, two] = await Promise.all([fetch(`${plain.url}/`), fetch(`${isolated.url}/index.html?x=1`)]);
  assert.is(await one.text(), '<p>hello');
  assert.is(one.headers.get('content-type'), 'text/html; charset=utf-8');
  assert.is(one.headers.get('cross-origin-embedder-policy'), null);
  assert.is(two.headers.get('cross-origin-embedder-policy'), 'require-corp');
  assert.is(two.headers.get('cross-origin-opener-policy'), 'same-origin');
  await two.text();
});

test('gives nothing from outside of its folder', async ({ plain }) => {
  for (const path of ['/../secret.txt', '/..%2fsecret.txt', '/%2e%2e/secret.txt', '/link.txt', '/missing', '/%zz', '/index.html%00']) {
    assert.is(await status(plain, path), 404, path);
  }
  assert.is(await status(plain, '/index.html', 'POST'), 404);
  assert.is(await status(plain, '/index.html', 'HEAD'), 200);
});

test.run();
