import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lint, schedules, type LintSpec } from '../../../src/prune/index.ts';

const codes = (spec: LintSpec): string[] => lint(spec).map(({ code }) => code);

test('what prune refuses of options is a warning, each mistake once', () => {
  const unusable = (spec: unknown): string[] => lint(spec as LintSpec).filter(({ code }) => code === 'unusable').map(({ where }) => where);
  const fine: LintSpec = { sparsity: 0.5, granularity: 'block(4,4)', criterion: 'squared', scope: 'layer', counting: 'torch', steps: 9 };
  assert.equal(unusable(fine), []);
  assert.equal(unusable({ ...fine, granularity: 'atom' }), ['granularity']);
  assert.equal(unusable({ ...fine, granularity: 'block' }), ['granularity block']);
  assert.equal(unusable({ ...fine, sparsty: 0.5 }), ['prune options']);
  assert.equal(unusable({ ...fine, granularity: 'atom', criterion: 'taste', scope: 'galaxy', counting: 'fingers', reduction: 'most' }),
    ['granularity', 'scope', 'criterion', 'counting', 'reduction']);
  assert.equal(unusable({ ...fine, allocation: 'fair', floor: 2 }), ['option floor', 'allocation']);
  assert.equal(unusable({ ...fine, scope: 2 }), ['option scope']);
  assert.match(lint({ ...fine, granularity: 'atom' }).map(({ what }) => what).join(), /needs one of weight, .*got 'atom'/);
});

const odd: [code: string, spec: LintSpec, what: RegExp][] = [
  ['end-off-grid', { schedule: { name: 'agp', final: 0.9, end: 150, every: 100, grid: 'tfmot' } },
    /last update is at 100 .* end, 150: it stops at 86.67 %/],
  ['end-before-begin', { schedule: { name: 'agp', final: 0.9, begin: 100, end: 50 } }, /50 lies before the beginning, 100/],
  ['run-too-short', { steps: 1000, schedule: { name: 'agp', final: 0.9, end: 2000, every: 100 } }, /1000 steps, it ends at 2000/],
  ['run-too-short', { steps: 1000, schedule: { name: 'agp', final: 0.9, begin: 1000, end: 2000 } }, /1000 steps, it begins at 1000/],
  ['run-too-short', { steps: 1000, schedule: { name: 'agp', final: 0.9, end: 1000 } }, /its last update, at 1000, is not trained after/],
  ['falls-without-regrowth', { schedule: { sparsity: (p) => 0.5 - 0.2 * p, end: 10 } }, /falls, but what is pruned stays pruned/],
  ['falls-without-regrowth', { schedule: { name: 'dsd', peak: 0.5, end: 10, regrow: false } }, /falls/],
  ['falls-without-regrowth', { schedule: { name: 'linear', initial: { a: 0.9, b: 0 }, final: 0.5, end: 10 } }, /falls/],
  ['regrowth-without-fall', { schedule: { name: 'agp', final: 0.9, end: 10, regrow: true } }, /never falls/],
  ['ambiguous-nm', { scope: '1:4' }, /keeps 1 of 4, as NVIDIA counts; TF-MOT and Wanda count the zeros, 3:4/],
  ['one-group-a-row', { scope: 'row', granularity: 'filter', sparsity: 0.5 }, /of which filter makes one: all go, or none/],
  ['sparsity-of-scope', { scope: '2:4', sparsity: 0.9 }, /scope 2:4 decides the sparsity, 0.5/],
  ['sparsity-of-scope', { scope: { keep: 1, of: 4 }, schedule: { name: 'agp', final: 0.9, end: 3 } }, /decides the sparsity, 0.75/],
  ['two-sparsities', { sparsity: 0.8, schedule: { name: 'agp', final: 0.9, end: 3 } }, /its own final/],
  ['percent', { sparsity: 50 }, /50 is more than all weights/],
  ['percent', { schedule: { name: 'agp', final: { fc1: 0.5, fc2: 90 }, end: 3 } }, /90 is more/],
  ['percent', { schedule: { name: 'lottery-ticket', rate: 20, rounds: 3 } }, /20 is more/],
  ['table-with-global', { scope: 'model', sparsity: { fc1: 0.5 } }, /scope model decides itself/],
  ['table-with-global', { schedule: { name: 'lottery-ticket', rate: { '*': 0.2 }, rounds: 3 }, scope: 'model' }, /scope model/],
  ['table-with-global', { sparsity: { fc1: 0.5 }, allocation: 'lamp' }, /allocation lamp/],
  ['final-jump', { schedule: { sparsity: (p) => 0.5 * p, final: 0.9, end: 10 } }, /curve ends at 50 %, the last update jumps to 90 %/],
  ['final-jump', { schedule: { name: 'lottery-ticket', rate: 0.2, rounds: 3, final: 0.9 } }, /curve ends at 48.8 %/],
  ['nothing-pruned', { sparsity: 0 }, /never above 0/],
  ['all-pruned', { sparsity: 1 }, /drops all weights/],
  ['one-jump', { schedule: { name: 'agp', final: 0.9, end: 10, every: 20 } }, /20 is longer than the schedule/],
  ['skipped-rounds', { schedule: { name: 'iterative', final: 0.9, rounds: 10, end: 100, every: 25 } }, /10 rounds, but 4 updates/],
  ['ignored', { schedule: { name: 'agp', final: 0.9, end: 10, rate: 0.2 } }, /does not read it/],
  ['unusable', { sparsity: 0.9, schedule: 'agb' }, /needs one of one-shot/],
  ['unusable', { sparsity: 0.9, schedule: { name: 'agp' } }, /needs end, or rounds, got neither/],
  ['unusable', null as never, /needs an object/],
];
for (const [code, spec, what] of odd) {
  test(`${code}: ${what.source}`, () => {
    const found = lint(spec).find((warning) => warning.code === code && what.test(warning.what));
    assert.ok(found, JSON.stringify(lint(spec)));
    assert.ok(found.where.length > 0 && (code === 'unusable' || found.remedy.length > 0));
  });
}

test('everything is said once', () => {
  assert.equal(codes({ sparsity: 50 }), ['percent']);
  assert.equal(codes({ sparsity: 0.9, scope: '1:4' }), ['ambiguous-nm', 'sparsity-of-scope']);
  assert.equal(codes({ sparsity: { fc1: 0.5 }, scope: 'model' }), ['table-with-global']);
  assert.equal(codes({ sparsity: 0.8, schedule: { name: 'agp', final: 0.9, end: 3 } }), ['two-sparsities']);
  assert.equal(codes({ schedule: { name: 'agp', final: 0.9, begin: 100, end: 50 } }), ['end-before-begin']);
});

const sound: LintSpec[] = [
  { sparsity: 0.9 },
  { scope: '2:4' }, { scope: { keep: 1, of: 4 } }, { scope: '2:4', sparsity: 0.5 },
  { scope: '2:4', schedule: { name: 'cosine', end: 10 } },
  { sparsity: { fc1: 0.9, fc2: 0.5 }, schedule: { name: 'agp', end: 10 } },
  { sparsity: 0.9, scope: 'model', schedule: { name: 'agp', end: 150, every: 100 }, steps: 200 },
  { schedule: { name: 'agp', final: 0.9, end: 200, every: 100, grid: 'tfmot' } },
  { sparsity: 0.5, schedule: { name: 'dsd', end: 100 } },
  { schedule: { name: 'lottery-ticket', rate: { '*': 0.2, fc3: 0.1 }, rounds: 9 } },
  { schedule: { name: 'lottery-ticket', rate: 0.2, final: 0.9 } },
  { schedule: { name: 'iterative', final: 0.9, rounds: 4, end: 1000 } },
  { schedule: { sparsity: (p) => 0.8 * p, end: 1e9 } },
];
for (const [i, spec] of sound.entries()) {
  test(`nothing to say of what is in order, ${i}`, () => assert.equal(lint(spec), []));
}

test('no schedule of the table is odd by itself', () => {
  for (const name of Object.keys(schedules)) {
    const { needs } = schedules[name as keyof typeof schedules] as { needs: readonly string[] };
    const rate = needs.includes('rate') ? { rate: 0.2 } : { };
    assert.equal(codes({ ...(needs.includes('rate') ? {} : { sparsity: 0.8 }), schedule: { name, rounds: 8, ...rate } }), [], name);
  }
});

test('a schedule of a million updates is looked at in a moment', () => {
  let calls = 0;
  assert.equal(codes({ schedule: { sparsity: (p) => { calls++; return 0.9 * p; }, end: 1e7 } }), []);
  assert.ok(calls < 20_000, `${calls} calls`);
});

test.run();
