import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasm, probe } from '../../src/backends/wasm.ts';
import type { Matrix } from '../../src/formats/index.ts';
import type { Kernel } from '../../src/kernels.ts';
import { randomFrom } from '../../src/random.ts';
import type { Choice } from '../../src/runtime/lower/weight.ts';
import { Bench, checkProduct, choicesOf, layouts, wave, type Trial } from './bench.ts';

// Every kernel with weights of both binaries, through the product that the planner makes of it, against f64 sums.

/** M, N, K: tails of every tile, primes, single rows and columns, K in several blocks. */
const sizes: readonly (readonly [number, number, number])[] = [
  [1, 1, 1], [1, 8, 3], [2, 7, 5], [3, 13, 8], [5, 16, 31], [7, 31, 2], [8, 33, 16], [13, 47, 7],
  [6, 32, 33], [16, 5, 64], [33, 100, 13], [31, 64, 47], [4, 40, 700], [9, 11, 1500],
];
const fillings: Readonly<Record<string, (random: () => number, at: number) => boolean>> = {
  everything: () => true, third: (random) => random() < 0.33, one: (_, at) => at === 0, nothing: () => false,
};
const epilogues: readonly Partial<Trial>[] = [
  {},
  { bias: true },
  { bias: true, residual: true, min: -0.3, max: 0.4 },
  { residual: true, transposed: true },
  { bias: true, transposed: true, max: 0.2 },
  { min: 0 },
];

/** A weight whose zeros are what the block can use, K rounded up to whole blocks, in numbers that the kernel can hold. */
function weightFor({ block, kernel }: Choice, rows: number, depth: number, filling: string): Matrix {
  const step = block.of ?? block.cols;
  const cols = Math.ceil(depth / step) * step;
  const random = randomFrom(rows * 1000 + depth, filling);
  const values = wave(rows * cols, 3);
  if (kernel.dtype === 'f16') values.forEach((w, i) => { values[i] = Math.round(w * 1024) / 1024; });
  const kept = new Map<string, boolean>();
  for (let at = 0; at < values.length; at++) {
    const [r, c] = [Math.floor(at / cols), at % cols], key = `${Math.floor(r / block.rows)} ${Math.floor(c / block.cols)}`;
    if (!kept.has(key)) kept.set(key, fillings[filling](random.next, at));
    if (!kept.get(key)) values[at] = 0;
  }
  const { keep = 0, of } = block;
  for (let at = 0; of && at < values.length; at += of) {
    for (let i = at, n = 0; i < at + of; i++) if (values[i] !== 0 && ++n > keep) values[i] = 0;
  }
  return { rows, cols, values };
}

const packs = Object.keys(layouts) as (keyof typeof layouts)[];

/** A vector, and what is read in place, have rows that lie one after the other. */
const packsOf = (kernel: Kernel): typeof packs => (kernel.op === 'spmm' ? packs : ['pack_rows']);

/** Every way to store × size; epilogues, fillings and packings take turns, so that each meets each over the sizes. */
function everySize(bench: Bench, kernel: Kernel): void {
  let turn = 0;
  for (const choice of choicesOf(kernel)) {
    for (const [m, n, k] of sizes) {
      if (kernel.op === 'direct' && n < kernel.width) continue;
      for (const pack of packsOf(kernel)) {
        const names = Object.keys(fillings);
        const filling = names[[0, 1, 1, 2, 1, 0, 3][turn % 7]];
        const { transposed, ...rest } = epilogues[turn++ % epilogues.length];
        const vector = kernel.op === 'spmv';
        checkProduct(bench, {
          choice, matrix: weightFor(choice, m, k, filling), cols: vector ? 1 : n,
          pack, ...rest, transposed: transposed && !vector,
        });
      }
    }
  }
}

for (const simd of probe()) {
  const backend = await createWasm({ simd });
  // Kernels for windows are tried in convolutions.test.ts, the sampled and the transposed product in sampled.test.ts.
  const weighted = [...backend.kernels.values()].filter(({ op }) => ['spmm', 'spmv', 'direct'].includes(op));
  for (const kernel of weighted) {
    test(`${kernel.name} (${simd})`, () => {
      assert.ok(choicesOf(kernel).length > 0, 'no format runs on it');
      everySize(new Bench(backend), kernel);
    });
  }

  test(`any kernel, shape, format and epilogue, whole or cut for 2, 3, 7 threads (${simd})`, () => {
    const bench = new Bench(backend), shared = [2, 3, 7].map((threads) => new Bench(backend, threads));
    const size = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 110 }));
    const any = fc.record({
      kernel: fc.constantFrom(...weighted), at: fc.nat(100), m: size, n: size, k: size,
      pack: fc.constantFrom(...packs), filling: fc.constantFrom(...Object.keys(fillings)),
      bias: fc.boolean(), residual: fc.boolean(), transposed: fc.boolean(),
      clamp: fc.constantFrom([-Infinity, Infinity], [0, Infinity], [-0.5, 0.5]),
    });
    fc.assert(fc.property(any, ({ kernel, at, m, n, k, pack, filling, bias, residual, transposed, clamp: [min, max] }) => {
      const choices = choicesOf(kernel), choice = choices[at % choices.length], vector = kernel.op === 'spmv';
      const cols = vector ? 1 : kernel.op === 'direct' ? kernel.width + n : n;
      const trial: Trial = {
        choice, matrix: weightFor(choice, m, k, filling), cols,
        pack: kernel.op === 'spmm' ? pack : 'pack_rows', bias, residual, transposed: transposed && !vector, min, max,
      };
      const alone = checkProduct(bench, trial);
      for (const cut of shared) {
        assert.equal(new Uint32Array(checkProduct(cut, trial).buffer), new Uint32Array(alone.buffer), 'cut for threads');
      }
    }), { numRuns: 300 });
  });

  test(`a vector longer than an index reaches (${simd})`, () => {
    for (const kernel of weighted.filter(({ op }) => op === 'spmv')) {
      for (const choice of choicesOf(kernel)) {
        checkProduct(new Bench(backend), {
          choice, matrix: weightFor(choice, 5, 40000, 'third'), cols: 1,
          pack: 'pack_rows', bias: true, residual: true, min: -1, max: 1,
        });
      }
    }
  });
}

test.run();
