import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Backend, Call } from '../../src/backends/index.ts';
import { countNonzero, type Matrix } from '../../src/formats/index.ts';
import { parseKernel } from '../../src/kernels.ts';
import { randomFrom } from '../../src/random.ts';
import { choose, type Chosen, type Choosing } from '../../src/runtime/choose.ts';
import { Fit, msOf, usualRates, workOf, type Rates, type Effort } from '../../src/runtime/cost.ts';
import type { Choice } from '../../src/runtime/lower/weight.ts';
import { lead, race, tickOf } from '../../src/runtime/race.ts';
import { choiceKey, deviceOf, TuneMemory, tuneKey, type TuneMode } from '../../src/runtime/tune.ts';
import { filled } from '../graph/call.ts';

// The chooser on a device whose kernels take the time they are told, by a clock that only they move.

const choice = (format: string, kernel: string, rows = 1): Choice => ({ format, block: { rows, cols: 1 }, kernel: parseKernel(kernel) });
const choices: readonly Choice[] = [
  choice('dense', 'f32_dense_spmm_6x8'), choice('dense', 'f32_dense_spmm_4x8'), choice('dense', 'f32_dense_spmm_2x16'),
  choice('csr', 'f32_csr_spmm_1x32'), choice('csr', 'f32_csr_spmm_1x40'), choice('csr', 'f32_csr_spmm_1x48'),
  choice('bsr', 'f32_csr_spmm_2x16', 2), choice('bsr', 'f32_csr_spmm_4x8', 4),
];

function matrixOf(rows: number, cols: number, density: number): Matrix {
  const values = filled([rows, cols], 1).data as Float32Array, random = randomFrom(1, 'mask');
  values.forEach((_, i) => { if (random.next() >= density) values[i] = 0; });
  return { rows, cols, values };
}

interface Fake extends Choosing {
  /** Milliseconds the kernels ran. */
  readonly spent: () => number;
  /** Kernels that ran. */
  readonly ran: ReadonlySet<string>;
}

interface Wish {
  readonly msOf: (kernel: string, now: number) => number;
  readonly matrix?: Matrix;
  readonly tune?: TuneMode;
  readonly memory?: TuneMemory;
  readonly leftMs?: number;
  readonly choices?: readonly Choice[];
}

function fake({ msOf, matrix = matrixOf(64, 128, 0.2), choices: some = choices, ...wish }: Wish): Fake {
  const { tune = 'measure', memory = new TuneMemory(), leftMs = Infinity } = wish;
  let now = 0;
  const ran = new Set<string>();
  const program = ([{ kernel }]: readonly Call[]) => ({
    length: 1, dispose: () => {},
    run: () => { now += msOf(kernel, now); ran.add(kernel); },
  });
  return {
    backend: { name: 'fake', simd: 'relaxed', program } as unknown as Backend,
    of: { device: 'here', signature: 'Conv', matrix, nonzero: countNonzero(matrix.values) }, choices: some, cols: 400,
    works: ({ kernel }) => [{ kernel: kernel.name, job: {} }], tune, memory, clock: () => now, leftMs, spent: () => now, ran,
  };
}

const take = (wish: Wish): Chosen => choose(fake(wish));
const timed = ({ candidates }: Chosen): string[] => candidates.filter(({ predicted }) => !predicted).map(({ kernel }) => kernel);
const times = (table: Readonly<Record<string, number>>, otherwise: number) => (kernel: string): number => table[kernel] ?? otherwise;

test('the fastest is taken, by timing, however wrong the model is about it', () => {
  for (const { kernel: { name } } of choices) {
    const chosen = take({ msOf: times({ [name]: 0.1 }, 0.12) });
    assert.equal([chosen.decided, chosen.candidates[0].ms <= 0.12], ['timed', true]);
    assert.ok(timed(chosen).some((kernel) => kernel.includes('dense')), 'dense is always timed');
    if (timed(chosen).includes(name)) assert.is(chosen.choice.kernel.name, name);
  }
});

test('never slower than dense, whatever the kernels and the noise', () => {
  const eight = fc.array(fc.double({ min: 0.05, max: 3, noNaN: true }), { minLength: 8, maxLength: 8 });
  fc.assert(fc.property(eight, fc.nat(1e6), (ms, seed) => {
    const random = randomFrom(seed, 'noise'), own = new Map(choices.map(({ kernel }, i) => [kernel.name, ms[i]]));
    // Disturbances only lengthen runs: a few percent often, much more now and then.
    const noise = (): number => 1 + 0.03 * random.next() + (random.next() < 0.1 ? random.next() : 0);
    const chosen = take({ msOf: (kernel) => own.get(kernel)! * noise() });
    const dense = Math.min(...chosen.candidates.filter((c) => c.format === 'dense' && !c.predicted).map(({ kernel }) => own.get(kernel)!));
    assert.ok(own.get(chosen.choice.kernel.name)! <= dense * 1.03, `${chosen.choice.kernel.name} of ${JSON.stringify([...own])}`);
  }), { numRuns: 200 });
});

test('a lead within the noise is none: dense stays', () => {
  const dense = take({ msOf: times({ f32_dense_spmm_6x8: 1, f32_csr_spmm_1x40: 0.995 }, 2) });
  assert.is(dense.choice.format, 'dense');
  const random = randomFrom(3, 'noise'), wild = (ms: number): number => ms * (1 + random.next());
  const noisy = take({ msOf: (kernel) => wild(kernel === 'f32_dense_spmm_6x8' ? 1 : kernel === 'f32_csr_spmm_1x40' ? 0.97 : 4) });
  assert.is(noisy.choice.format, 'dense');
  assert.is(take({ msOf: times({ f32_dense_spmm_6x8: 1, f32_csr_spmm_1x40: 0.9 }, 2) }).choice.format, 'csr');
});

test('a machine that becomes slower between two races picks no loser', () => {
  for (const turn of [3, 10, 30, 60, 90, 130]) {
    const chosen = take({ msOf: (kernel, now) => (kernel === 'f32_csr_spmm_1x48' ? 0.5 : 0.6) * (now > turn ? 1.7 : 1) });
    const own = chosen.candidates.find(({ kernel }) => kernel === 'f32_csr_spmm_1x48')!;
    if (!own.predicted) assert.is(chosen.choice.kernel.name, 'f32_csr_spmm_1x48', `turn at ${turn} ms`);
  }
});

/** Times of a device whose kernels have rates of their own, other than the usual ones. */
function device(matrix: Matrix, factors: Readonly<Record<string, number>>): (kernel: string) => number {
  const table = choices.map((one): [string, number] => {
    const work = workOf(one, { matrix, nonzero: countNonzero(matrix.values), cols: 400 }), factor = factors[one.kernel.name] ?? 1.5;
    return [one.kernel.name, factor * msOf(usualRates(one.kernel), work)];
  });
  return (kernel) => Object.fromEntries(table)[kernel];
}

test('what was learnt makes later layers cost less time, and finds the same', () => {
  const memory = new TuneMemory(), factors = { f32_csr_spmm_1x40: 0.7, f32_csr_spmm_1x48: 1.9, f32_dense_spmm_2x16: 0.8 };
  const counts = [0.2, 0.3, 0.25, 0.22, 0.35, 0.24, 0.26, 0.28].map((density) => {
    const matrix = matrixOf(64, 128, density), chosen = take({ msOf: device(matrix, factors), memory, matrix });
    assert.is(chosen.choice.kernel.name, 'f32_csr_spmm_1x40');
    return timed(chosen).length;
  });
  assert.ok(counts.at(-1)! < counts[0] && counts.at(-1)! <= 3, counts.join());
});

test('a choice is remembered with its times, through JSON, and nothing runs again', () => {
  const memory = new TuneMemory(), msOf = times({ f32_csr_spmm_1x48: 0.3, f32_csr_spmm_2x16: 0.4 }, 0.9), first = take({ msOf, memory });
  const table = JSON.parse(JSON.stringify(memory)) as Record<string, number>;
  assert.ok(Object.values(table).every((value) => value > 0));
  const again = fake({ msOf: () => { throw new Error('nothing is timed twice'); }, memory: new TuneMemory(table) }), second = choose(again);
  assert.equal([second.choice, second.decided, again.ran.size], [first.choice, 'remembered', 0]);
  assert.equal(timed(second).sort(), timed(first).sort());
  const other = fake({ msOf, memory: new TuneMemory(table), choices: choices.slice(0, 5) });
  assert.is(choose(other).decided, 'timed', 'other candidates are another choice');
});

test('dense that won by a lead within the noise is remembered as the winner', () => {
  const memory = new TuneMemory(), msOf = times({ f32_dense_spmm_6x8: 1, f32_csr_spmm_1x40: 0.995 }, 2), first = take({ msOf, memory });
  assert.is(first.choice.format, 'dense');
  assert.equal(take({ msOf, memory }).choice, first.choice);
});

test('rates go through JSON: another process predicts as this one does', () => {
  const memory = new TuneMemory(), kernel = parseKernel('f32_csr_spmm_1x40'), work: Effort = { positions: 1e5, rows: 1000, packed: 1e5 };
  for (let i = 0; i < 5; i++) memory.learn('here', kernel, work, 0.06);
  const copy = new TuneMemory(JSON.parse(JSON.stringify(memory)) as Record<string, number>);
  assert.is(copy.predict('here', kernel, work).ms, memory.predict('here', kernel, work).ms);
  assert.ok(copy.predict('here', kernel, work).scatter < new TuneMemory().predict('here', kernel, work).scatter);
  assert.ok(Math.abs(copy.predict('here', kernel, work).ms / 0.06 - 1) < 0.1);
  assert.is(copy.predict('there', kernel, work).ms, new TuneMemory().predict('there', kernel, work).ms, 'another device is another matter');
});

test('without timing, and without time left, the model decides and says so', () => {
  for (const [wish, decided] of [[{ tune: 'predict' }, 'predicted'], [{ leftMs: 0 }, 'out of time']] as const) {
    const without = fake({ msOf: () => 1, ...wish }), chosen = choose(without);
    assert.equal([chosen.decided, without.ran.size, timed(chosen)], [decided, 0, []]);
    assert.is(choose(fake({ msOf: () => 1, matrix: matrixOf(64, 128, 1), ...wish })).choice.format, 'dense', 'nothing to gain');
    assert.is.not(choose(fake({ msOf: () => 1, matrix: matrixOf(64, 128, 0.05), ...wish })).choice.format, 'dense', 'much to gain');
  }
});

test('a small budget bounds the time, and dense is compared all the same', () => {
  const memory = new TuneMemory();
  for (const { kernel } of choices) memory.warm(`relaxed|${kernel.name}`);
  for (const leftMs of [1, 10, 100]) {
    const short = fake({ msOf: times({ f32_csr_spmm_1x40: 2 }, 3), leftMs, memory: new TuneMemory() });
    for (const { kernel } of choices) short.memory.warm(`relaxed|${kernel.name}`);
    const chosen = choose(short);
    assert.is(chosen.decided, 'timed');
    // The first wave is timed once whatever the budget: four candidates, a sample to size the batch and one that counts.
    assert.ok(short.spent() <= leftMs + 8 * 3, `${short.spent()} ms of ${leftMs}`);
    assert.ok(timed(chosen).some((kernel) => kernel.includes('dense')));
  }
});

test('one candidate is no choice', () => {
  const only = take({ msOf: () => 1, choices: choices.slice(0, 1) });
  assert.equal([only.decided, only.candidates], [undefined, [{ format: 'dense', kernel: 'f32_dense_spmm_6x8', ms: 0 }]]);
});

test('keys tell device, case and candidate apart', () => {
  const { of } = fake({ msOf: () => 1 }), other = { ...of, matrix: matrixOf(64, 128, 0.3) };
  const cases = [of, { ...of, device: 'there' }, { ...of, signature: 'Linear' }, { ...other, nonzero: countNonzero(other.matrix.values) }];
  const keys = cases.flatMap((one) =>
    [...choices.map((candidate) => tuneKey(one, candidate)), choiceKey(one, choices), choiceKey(one, choices.slice(1))]);
  assert.is(new Set(keys).size, keys.length);
  const device = deviceOf({ name: 'wasm', simd: 'plain', threads: 1 } as Backend);
  assert.match(device, /^wasm plain, 1 thread, V8 \d+\.\d+/);
  assert.is.not(device, deviceOf({ name: 'wasm', simd: 'relaxed', threads: 1 } as Backend));
});

test('work: positions × vectors, blocks of rows, bytes of panels', () => {
  const matrix = matrixOf(8, 100, 0.25), nonzero = countNonzero(matrix.values), product = { matrix, nonzero, cols: 90 };
  assert.equal(workOf(choices[0], product), { positions: (800 / 6) * 2 * 12, rows: 2 * 12, packed: 100 * 8 * 4 * 12 });
  assert.equal(workOf(choices[3], product), { positions: nonzero * 8 * 3, rows: 8 * 3, packed: 100 * 32 * 4 * 3 });
  const window: Choice = { format: 'nm', block: { rows: 1, cols: 1, keep: 2, of: 4 }, kernel: parseKernel('f32_bsr_spmm_4x8') };
  assert.is(workOf(window, product).positions, 400 * 2 * 12);
  const pair = workOf(choice('csr', 'f32_pair_spmm_2x16'), product);
  assert.equal(pair, { positions: nonzero * 4 * 6, rows: 4 * 6, packed: 100 * 16 * 4 * 6 });
  assert.is(workOf(choice('csr', 'f32_pair_direct_2x16'), product).packed, 0);
  assert.equal(workOf(choice('csr', 'f32_csr_spmv_1'), { ...product, cols: 1 }), { positions: nonzero, rows: 8, packed: 0 });
});

test('rates are found from times, and stay near where they began as long as little is known', () => {
  const kernel = parseKernel('f32_csr_spmm_1x32'), first = usualRates(kernel), real: Rates = [first[0] * 1.7, first[1] * 0.6, first[2] * 2];
  const random = randomFrom(1, 'works'), fit = new Fit(first);
  const draw = (): Effort => ({ positions: 1e5 * (random.next() + 0.01), rows: 3000 * random.next(), packed: 3e5 * random.next() });
  const works = Array.from({ length: 50 }, draw);
  const off = (): number => works.reduce((sum, work) => sum + Math.abs(msOf(fit.rates, work) / msOf(real, work) - 1), 0) / works.length;
  const before = off();
  for (let i = 0; i < 60; i++) {
    const work = draw();
    fit.learn(work, msOf(real, work) * (0.98 + 0.04 * random.next()));
  }
  assert.ok(before > 0.3 && off() < 0.03, `${before} → ${off()}`);
  assert.ok(fit.scatter < 0.2 && fit.count === 60);
  const wild = new Fit(first);
  wild.learn({ positions: 1e5, rows: 0, packed: 0 }, 1e6);
  assert.ok(wild.rates[0] <= first[0] * 8 && wild.rates[1] === first[1]);
  wild.learn({ positions: 0, rows: 0, packed: 0 }, 0);
  assert.ok(wild.rates.every(Number.isFinite));
});

test('a race takes turns, drops the hopeless, ends when its times come again, and sizes samples to the clock', () => {
  let now = 0;
  const log: string[] = [], runner = (name: string, ms: number, stays = false) => ({ stays, run: () => { now += ms; log.push(name); } });
  const options = { clock: () => now, hasTime: () => true, repeats: 3, rounds: 10 };
  const [a, b, c] = race([runner('a', 1), runner('b', 1.05), runner('c', 4)], options);
  assert.equal([a.ms, b.ms.toFixed(2), c.ms].join(), '1,1.05,4');
  assert.equal([a.times.length, b.times.length, c.times.length], [3, 3, 2], 'the sample that sized the batch, and rounds');
  assert.is(log.join(''), 'abcabcba');
  log.length = 0;
  race([runner('short', 0.001)], { ...options, rounds: 1 });
  assert.is(log.length, 201, 'many short runs a sample');
  assert.is(tickOf(() => 5), 0);
  let looks = 0;
  assert.is(tickOf(() => Math.floor(looks++ / 100) * 0.1), 0.1);
});

test('a lead is what best runs and most rounds agree on, less their noise', () => {
  const course = (...list: number[]) => ({ times: list, ms: Math.min(...list) });
  assert.ok(Math.abs(lead(course(0.9, 0.9, 0.9), course(1, 1, 1)) - 0.1) < 1e-12);
  assert.ok(lead(course(0.9, 1.2, 1.2), course(1, 1, 1)) < 0, 'one lucky run');
  assert.ok(lead(course(0.9, 0.7, 1.1), course(1, 1, 1)) < 0.05, 'scatter');
  assert.ok(lead(course(2), course(1)) <= -1);
});

test.run();
