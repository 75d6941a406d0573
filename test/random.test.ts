import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { randomFrom } from '../src/random.ts';

test('one by one or in an array, the normals are the same', () => {
  const [a, b] = [randomFrom(5, 'a'), randomFrom(5, 'a')];
  const many = a.normals(new Float32Array(5000), 1);
  for (const x of many) assert.is(Math.fround(b.normal()), x);
  assert.is(a.next(), b.next());
});

test('seeds and streams differ', () => {
  const draws = [randomFrom(0), randomFrom(1), randomFrom(0, 'x'), randomFrom(2 ** 40)].map((random) => random.next());
  assert.is(new Set(draws).size, 4);
});

test('uniform numbers fill [0, 1) evenly', () => {
  const random = randomFrom(1);
  const bins = new Array<number>(10).fill(0);
  for (let i = 0; i < 100_000; i++) bins[Math.floor(random.next() * 10)]++;
  for (const count of bins) assert.ok(Math.abs(count - 10_000) < 500, `${bins}`);
});

/** Shares of a normal below −2, −1, 0, 1, 2 and, for the tail of the ziggurat, beyond ±3.4426. */
test('normals have the shares of the normal distribution', () => {
  const values = randomFrom(2).normals(new Float32Array(2_000_000), 1);
  const share = (test: (x: number) => boolean): number => values.reduce((count, x) => count + (test(x) ? 1 : 0), 0) / values.length;
  const expected = [[-2, 0.02275], [-1, 0.158655], [0, 0.5], [1, 0.841345], [2, 0.97725]];
  for (const [edge, part] of expected) assert.ok(Math.abs(share((x) => x < edge) - part) < 0.0015, `below ${edge}`);
  assert.ok(Math.abs(share((x) => Math.abs(x) > 3.442619855899) - 0.000576) < 0.0001);
});

test.run();
