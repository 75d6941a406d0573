import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { median, quantile, settled, summarize, timeTogether } from '../../src/measure/time.ts';

/** A clock that tasks move. */
function handClock() {
  let now = 0;
  return { clock: () => now, takes: (ms: number) => () => { now += ms; } };
}

test('quantiles are those of NumPy and R', () => {
  assert.is(quantile([4, 1, 3, 2], 0.25), 1.75);
  assert.is(median([5, 1, 3]), 3);
  assert.is(median([4, 1]), 2.5);
  assert.throws(() => median([]), /at least one value/);
});

test('a quantile lies within the values and grows with q', () => {
  const upTo = (max: number) => fc.double({ min: 0, max, noNaN: true });
  fc.assert(fc.property(fc.array(upTo(1e6), { minLength: 1 }), upTo(1), (values, q) => {
    const value = quantile(values, q);
    assert.ok(value >= Math.min(...values) && value <= Math.max(...values) && value <= quantile(values, 1));
  }));
});

test('a summary says how wide the middle half is', () => {
  assert.equal(summarize([1, 2, 3, 4, 100]), { medianMs: 3, spreadMs: 1, minMs: 1, samples: 5 });
});

test('times have settled when they no longer fall', () => {
  assert.not(settled([9, 8, 7]));
  assert.not(settled([10, 10, 10, 10, 10, 5, 5, 5, 5, 5]));
  assert.ok(settled([10, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]));
});

test('tasks take turns in an order that turns round, and keep their own times', async () => {
  const { clock, takes } = handClock();
  const order: string[] = [];
  const task = (name: string, ms: number) => {
    const spend = takes(ms);
    return () => { order.push(name); spend(); };
  };
  const result = await timeTogether({ a: task('a', 4), b: task('b', 8) }, { samples: 4, minMs: 1, clock });
  assert.equal([result.a.medianMs, result.b.medianMs, result.a.samples], [4, 8, 4]);
  assert.is(order.slice(-8).join(''), 'abbaabba');
});

test('short calls are batched until the clock can see them', async () => {
  const { clock, takes } = handClock();
  let calls = 0;
  const spend = takes(0.01);
  const { x } = await timeTogether({ x: () => { calls++; spend(); } }, { samples: 3, minMs: 1, clock });
  assert.ok(Math.abs(x.medianMs - 0.01) < 1e-9, `${x.medianMs}`);
  assert.ok(calls >= 3 * 100, `${calls} calls`);
});

test('promises are waited for, and warming up ends when time is up', async () => {
  const { clock, takes } = handClock();
  let calls = 0;
  const slow = takes(600);
  const { x } = await timeTogether({ x: async () => { calls++; await Promise.resolve(); slow(); } }, { samples: 2, warmUpMs: 1000, clock });
  assert.is(x.medianMs, 600);
  assert.is(calls, 4);
});

test('no samples are refused', async () => {
  const error = await timeTogether({ x: () => {} }, { samples: 0 }).then(() => undefined, (e: Error) => e);
  assert.match(error?.message ?? '', /samples, a whole number above 0/);
});

test.run();
