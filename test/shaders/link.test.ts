import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { link, unroll } from '../../src/backends/webgpu/link.ts';
import { variants } from '../../src/backends/webgpu/shaders.ts';
import { root } from '../root.ts';

/** What a build finds in a shader. */
interface Checks { reflect(name: string, code: string): { entry: string } }

test('loops over registers are written out, from the outside in', () => {
  const code = 'for (var r = 0u; r < ROWS; r++) { for (var s = 0u; s < SPANS; s++) { sums[r * SPANS + s] = x[s]; } } done();';
  const text = unroll(code, { ROWS: 2, SPANS: 1 }).replace(/\s+/g, ' ');
  assert.is(text, '{ { sums[0u * SPANS + 0u] = x[0u]; } } { { sums[1u * SPANS + 0u] = x[0u]; } } done();');
});

test('other loops stay, and what is in them is written out', () => {
  const rest = ' for (var i = 0u; i < job.rows; i++) { b(i); }', head = 'for (var j = 0u; j < DEPTH; j++) {';
  const text = unroll(`${head} for (var r = 0u; r < ROWS; r++) { a[r] = j; } }${rest}`, { ROWS: 2, DEPTH: 8 }).replace(/\s+/g, ' ');
  assert.is(text, `${head} { a[0u] = j; } { a[1u] = j; } }${rest}`);
});

test('every variant still parses, and none of its loops over registers is left', async () => {
  const { reflect } = await import(pathToFileURL(join(root, 'scripts', 'shaders.mjs')).href) as Checks;
  for (const [name, { kernel, sizes }] of Object.entries(variants)) {
    const code = link(name);
    assert.is(reflect(name, code).entry, kernel, name);
    const left = [...code.matchAll(/for \(var \w+ = 0u; \w+ < ([A-Z_]+);/g)].map(([, size]) => size);
    assert.equal(left.filter((size) => size !== 'DEPTH' && size in sizes), [], name);
  }
});

test.run();
