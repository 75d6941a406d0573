import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { placeValues, type Lifetime } from '../../src/runtime/arena.ts';

test('values that live at the same time never overlap, slack included, and all fit', () => {
  const value = fc.record({ bytes: fc.integer({ min: 0, max: 2000 }), first: fc.integer({ min: -1, max: 20 }), length: fc.nat(8) });
  fc.assert(fc.property(fc.array(value, { maxLength: 40 }), (list) => {
    const values = list.map(({ bytes, first, length }, i): Lifetime => ({ name: `v${i}`, bytes, first, last: first + length }));
    const { offsets, bytes } = placeValues(values);
    values.forEach((a, i) => {
      const from = offsets.get(a.name)!, to = from + a.bytes + 64;
      assert.ok(from >= 0 && from % 64 === 0 && to <= bytes);
      for (const b of values.slice(0, i)) {
        const other = offsets.get(b.name)!, together = a.first <= b.last && b.first <= a.last;
        assert.ok(!together || to <= other || other + b.bytes + 64 <= from, `${a.name} and ${b.name}`);
      }
    });
  }), { numRuns: 300 });
});

test('a chain needs room for two neighbours only', () => {
  const chain = Array.from({ length: 10 }, (_, i): Lifetime => ({ name: `${i}`, bytes: 960, first: i, last: i + 1 }));
  assert.is(placeValues(chain).bytes, 2 * 1024);
  assert.is(placeValues([]).bytes, 0);
});

test.run();
