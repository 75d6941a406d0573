import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../../src/expect.ts';
import { schedules, sparsityAt, type ScheduleChoice, type ScheduleName, type ScheduleSpec } from '../../../src/prune/index.ts';
import { dueAt, lastUpdate, nextUpdate, timelineOf } from '../../../src/prune/training/timeline.ts';

const near = (got: unknown, wanted: number, name = '', tolerance = 1e-12): void => {
  assert.ok(Math.abs((got as number) - wanted) <= tolerance, `${name}: ${got} instead of ${wanted}`);
};

const values = (schedule: ScheduleChoice, until: number): number[] =>
  Array.from({ length: until + 1 }, (_, t) => sparsityAt(schedule, t) as number);

/** Values of the papers and of the libraries, at t = 0, 1, … */
const known: [name: string, ScheduleSpec, number[]][] = [
  ['AGP 0 → .9 in 10', { name: 'agp', final: 0.9, rounds: 10 },
    [0, 0.2439, 0.4392, 0.5913, 0.7056, 0.7875, 0.8424, 0.8757, 0.8928, 0.8991, 0.9]],
  ['AGP .05 → .8 in 4', { name: 'agp', initial: 0.05, final: 0.8, end: 4 }, [0.05, 0.48359375, 0.70625, 0.78828125, 0.8]],
  ['one-shot', { name: 'one-shot', final: 0.5, begin: 2 }, [0, 0, 0.5, 0.5]],
  ['iterative in 3', { name: 'iterative', final: 0.9, rounds: 3 }, [0, 0.3, 0.6, 0.9, 0.9]],
  ['iterative from .1, two steps of time a round', { name: 'iterative', initial: 0.1, final: 0.9, rounds: 2, every: 2 },
    [0.1, 0.1, 0.5, 0.5, 0.9]],
  ['cosine', { name: 'cosine', final: 0.8, end: 4 }, [0, 0.4 * (1 - Math.SQRT1_2), 0.4, 0.4 * (1 + Math.SQRT1_2), 0.8]],
  ['linear', { name: 'linear', initial: 0.2, final: 0.6, end: 4 }, [0.2, 0.3, 0.4, 0.5, 0.6]],
  ['dense, sparse, dense', { name: 'dsd', peak: 0.6, end: 4 }, [0, 0.3, 0.6, 0.3, 0]],
  ['dense, sparse, a little sparse', { name: 'dsd', peak: 0.6, final: 0.2, end: 4 }, [0, 0.3, 0.6, 0.4, 0.2]],
  ['lottery ticket', { name: 'lottery-ticket', rate: 0.2, rounds: 3 }, [0, 0.2, 0.36, 0.488, 0.488]],
  ['lottery ticket to a target: as many rounds as that takes', { name: 'lottery-ticket', rate: 0.5, final: 0.9 },
    [0, 0.5, 0.75, 0.875, 0.9]],
];
for (const [name, spec, wanted] of known) {
  test(`known values: ${name}`, () => {
    values(spec, wanted.length - 1).forEach((value, t) => near(value, wanted[t], `t = ${t}`));
  });
}

test('one-cycle begins at 0.002473 of its end and not at 0', () => {
  near(sparsityAt({ name: 'one-cycle', final: 1, end: 100 }, 0), 0.002473, 'p = 0', 5e-7);
  near(sparsityAt({ name: 'one-cycle', final: 0.9, end: 100 }, 0), 0.9 * 0.002473, 'of .9', 5e-7);
  assert.is(sparsityAt({ name: 'one-cycle', final: 0.9, end: 100 }, 100), 0.9);
  near(sparsityAt({ name: 'one-cycle', initial: 0.5, final: 1, end: 7 }, 3), 0.5 + 0.5 * ((1 + Math.exp(-8)) / 2), 'p = 3/7');
});

test('TF-MOT stops at .8667 when the end is off its grid; ours lands', () => {
  const spec: ScheduleSpec = { name: 'agp', final: 0.9, end: 150, every: 100 };
  near(sparsityAt({ ...spec, grid: 'tfmot' }, 150), 0.8667, '', 5e-5);
  near(sparsityAt({ ...spec, grid: 'tfmot' }, 10_000), 0.9 * (1 - 1 / 27));
  assert.equal([100, 149, 150, 10_000].map((t) => sparsityAt(spec, t)), [sparsityAt(spec, 100), sparsityAt(spec, 100), 0.9, 0.9]);
  assert.is(sparsityAt({ ...spec, end: 200, grid: 'tfmot' }, 200), 0.9);
});

test('masks change at begin + k · every and at the end only', () => {
  const timeline = timelineOf({ name: 'agp', final: 0.9, begin: 10, end: 75, every: 20 });
  const times = [];
  for (let t = nextUpdate(timeline, -Infinity); t !== undefined; t = nextUpdate(timeline, t)) times.push(t);
  assert.equal(times, [10, 30, 50, 70, 75]);
  assert.equal([9.9, 10, 29, 30, 74, 75, 1e9].map((t) => dueAt(timeline, t)), [undefined, 10, 10, 30, 70, 75, 75]);
});

test('end and rounds give Δt, rounds and Δt the end', () => {
  const byEnd = timelineOf({ name: 'iterative', final: 0.9, begin: 1000, end: 2000, rounds: 3 });
  assert.is(byEnd.every, 1000 / 3);
  assert.is(timelineOf({ name: 'agp', final: 0.9, begin: 5, rounds: 4, every: 100 }).end, 405);
  assert.is(timelineOf({ name: 'agp', final: 0.9, begin: 5, end: 105, every: 30 }).rounds, 4);
  assert.equal([1333, 1334, 1667, 2000].map((t) => sparsityAt(byEnd.spec, t)), [0, 0.3, 0.6, 0.9].map((s) => (s === 0.3 ? 0.9 / 3 : s)));
});

test('rounds are not skipped by rounding: round k of n is reached at k / n', () => {
  for (let n = 1; n <= 200; n++) {
    const timeline = timelineOf({ name: 'lottery-ticket', rate: 0.1, rounds: n });
    for (let k = 0; k <= n; k++) near(sparsityAt(timeline.spec, k), 1 - 0.9 ** k, `round ${k} of ${n}`);
  }
});

test('numbers by layer, and * for the others', () => {
  const spec: ScheduleSpec = { name: 'lottery-ticket', rate: { '*': 0.2, fc3: 0.1 }, rounds: 9 };
  const at = sparsityAt(spec, 2, ['fc1', 'fc2', 'fc3']) as Record<string, number>;
  assert.equal(Object.keys(at).sort(), ['fc1', 'fc2', 'fc3']);
  near(at.fc1, 0.36);
  near(at.fc3, 0.19);
  assert.equal(sparsityAt({ name: 'linear', final: { a: 0.5, b: 1 }, end: 2 }, 1, ['a', 'b', 'c']), { a: 0.25, b: 0.5 });
  assert.equal(sparsityAt({ name: 'linear', initial: { a: 0.5 }, final: { '*': 0.9 }, end: 2 }, 0, ['a', 'b']), { a: 0.5, b: 0 });
});

test('a function of your own, alone or with times', () => {
  assert.is(sparsityAt({ sparsity: (p) => 0.9 * p ** 2, end: 10 }, 5), 0.225);
  assert.is(sparsityAt({ sparsity: (p) => 0.9 * p ** 2, end: 10 }, 10), 0.9);
  assert.is(sparsityAt({ sparsity: (p, { final }) => final * p, final: 0.6, end: 3 }, 1), 0.6 * (1 / 3));
  assert.throws(() => sparsityAt({ sparsity: (p) => 2 * p * (1 - p) + 0.6, end: 2 }, 1),
    /schedule of your own, p = 0.5: needs a sparsity 0 … 1, got 1.1/);
  assert.throws(() => sparsityAt({ sparsity: () => 'much' as never, end: 2 }, 1), /needs a final sparsity 0 … 1, got 'much'/);
});

const monotone = (Object.keys(schedules) as ScheduleName[]).filter((name) => name !== 'dsd');
const anySpec = fc.record({
  name: fc.constantFrom(...monotone),
  initial: fc.integer({ min: 0, max: 40 }).map((n) => n / 100),
  final: fc.integer({ min: 40, max: 99 }).map((n) => n / 100),
  begin: fc.integer({ min: 0, max: 50 }),
  end: fc.integer({ min: 50, max: 500 }),
  every: fc.integer({ min: 1, max: 120 }),
  rounds: fc.integer({ min: 1, max: 30 }),
  rate: fc.constant(0.2),
});

test('every schedule rises, is at initial before it and exactly at final from its end on', () => {
  fc.assert(fc.property(anySpec, (spec) => {
    const { initial, final, begin, end } = spec;
    assert.is(sparsityAt(spec, begin - 1), initial);
    assert.is(sparsityAt(spec, end), final);
    assert.is(sparsityAt(spec, end + 1000), final);
    const list = values(spec, end + 1);
    for (let t = 1; t < list.length; t++) assert.ok(list[t] >= list[t - 1] - 1e-12, `${spec.name} at ${t}`);
  }), { seed: 1 });
});

test('dsd rises, falls, and stays within its bounds', () => {
  const list = values({ name: 'dsd', initial: 0.1, peak: 0.7, final: 0.2, end: 100 }, 100);
  for (let t = 1; t <= 50; t++) assert.ok(list[t] >= list[t - 1]);
  for (let t = 51; t <= 100; t++) assert.ok(list[t] <= list[t - 1]);
  near(Math.max(...list), 0.7);
  assert.is(list[100], 0.2);
});

test('updates walk the grid, whatever its width', () => {
  const width = fc.double({ min: 0.01, max: 3, noNaN: true });
  fc.assert(fc.property(width, fc.integer({ min: 1, max: 60 }), fc.boolean(), (every, end, tfmot) => {
    const timeline = timelineOf({ name: 'agp', final: 0.9, end, every, grid: tfmot ? 'tfmot' : 'landing' });
    let count = 0, last = -Infinity;
    for (let t = nextUpdate(timeline, -Infinity); t !== undefined; t = nextUpdate(timeline, t)) {
      assert.ok(t > last && t <= end);
      near(dueAt(timeline, t), t, 'due at its own time', 1e-9);
      [last, count] = [t, count + 1];
    }
    near(last, lastUpdate(timeline), 'the last', 1e-9);
    if (!tfmot) assert.is(last, end);
    assert.ok(Math.abs(count - (end / every + 1)) <= 1.001);
  }), { seed: 1 });
});

const refused: [string, unknown, RegExp][] = [
  ['a name that is none', 'agb', /schedule agb, name: needs one of one-shot, iterative, agp, .*lottery-ticket, got 'agb'/],
  ['a misspelt field', { name: 'agp', final: 0.9, ends: 3 }, /schedule agp: needs one of name, sparsity, .*got 'ends'/],
  ['no end', { name: 'agp', final: 0.9 }, /schedule agp: needs end, or rounds, got neither/],
  ['no final', { name: 'agp', end: 3 }, /schedule agp: needs final, got nothing; its formula is s_f/],
  ['no rounds', { name: 'iterative', final: 0.9, end: 3 }, /needs rounds, got nothing/],
  ['no rate', { name: 'lottery-ticket', rounds: 3 }, /needs rate, got nothing/],
  ['no peak', { name: 'dsd', end: 3 }, /needs peak, got nothing/],
  ['rates by layer and a target', { name: 'lottery-ticket', rate: { a: 0.2 }, final: 0.9 }, /needs rounds, got nothing/],
  ['an end before the beginning', { name: 'agp', final: 0.9, begin: 5, end: 3 }, /needs an end at 5, its beginning, or later, got 3/],
  ['percent', { name: 'agp', final: 90, end: 3 }, /schedule agp, final: needs a fraction 0 … 1.*got 90/],
  ['percent of a layer', { name: 'agp', final: { fc1: 90 }, end: 3 }, /schedule agp, final: needs a fraction/],
  ['every 0', { name: 'agp', final: 0.9, end: 3, every: 0 }, /every: needs a number above 0, got 0/],
  ['half a round', { name: 'agp', final: 0.9, rounds: 2.5 }, /rounds: needs a whole number/],
  ['endless', { name: 'agp', final: 0.9, end: Infinity }, /end: needs a finite number/],
  ['a grid that is none', { name: 'agp', final: 0.9, end: 3, grid: 'keras' }, /grid: needs one of landing, tfmot, got 'keras'/],
  ['two curves', { name: 'agp', sparsity: () => 0, end: 3 }, /needs either name or sparsity, .*got both/],
  ['no curve', { end: 3 }, /needs either name or sparsity, .*got none/],
  ['null', null, /option schedule: needs the name of a schedule, .*got null/],
  ['a list', [1], /option schedule: needs the name/],
];
for (const [name, spec, message] of refused) {
  test(`refuses: ${name}`, () => {
    assert.throws(() => sparsityAt(spec as ScheduleSpec, 0), (error: unknown) => {
      assert.ok(error instanceof BurinError, String(error));
      assert.is(error.kind, 'argument');
      assert.match(error.message, message);
      return true;
    });
  });
}

test.run();
