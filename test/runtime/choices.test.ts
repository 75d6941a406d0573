import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasm } from '../../src/backends/wasm.ts';
import { countNonzero, type Matrix } from '../../src/formats/index.ts';
import { fillOf } from '../../src/formats/occupancy.ts';
import { randomFrom } from '../../src/random.ts';
import { choicesFor } from '../../src/runtime/choices.ts';
import { SparseSession, type LayerPlan } from '../../src/runtime/session.ts';
import { workOf } from '../../src/runtime/cost.ts';
import { TuneMemory } from '../../src/runtime/tune.ts';
import { Tensor } from '../../src/tensor.ts';
import { filled } from '../graph/call.ts';
import { fixed, near, oneNode, oracle, shapesOf, type Fed } from './nodes.ts';

/** Whether a weight of O × I × taps stays. */
type Stays = (random: () => number, at: { o: number; i: number; place: number }, memory: Map<string, boolean>) => boolean;
const masks: Readonly<Record<string, Stays>> = {
  everything: () => true,
  nothing: () => false,
  one: (_, { place }) => place === 0,
  unstructured: (random) => random() < 0.25,
  'blocks of rows': (random, { o, place, i }, memory) => once(memory, `${Math.floor(o / 4)} ${i} ${place % 1}`, random, 0.4),
  'blocks of 4x4': (random, { o, i }, memory) => once(memory, `${Math.floor(o / 4)} ${Math.floor(i / 4)}`, random, 0.4),
  '2 of 4': (_, { i, o }) => (i + o) % 4 < 2,
};

function once(memory: Map<string, boolean>, key: string, random: () => number, share: number): boolean {
  if (!memory.has(key)) memory.set(key, random() < share);
  return memory.get(key)!;
}

function masked(dims: readonly number[], mask: string, seed: number): Tensor<Float32Array> {
  const weight = filled(dims, seed);
  const random = randomFrom(seed, mask);
  const memory = new Map<string, boolean>();
  const [, inputs, ...window] = dims;
  const taps = window.reduce((n, d) => n * d, 1);
  weight.data.forEach((_, place) => {
    const at = { o: Math.floor(place / (inputs * taps)), i: Math.floor(place / taps) % inputs, place };
    if (!masks[mask](random.next, at, memory)) weight.data[place] = 0;
  });
  return weight;
}

const allowed = [['dense'], ['csr'], ['bsr'], ['nm'], undefined] as const;
const tunes = ['predict', 'measure'] as const;

/** No sparse format that was timed slower than dense may have been taken. */
function chosenWell({ format, kernel, candidates }: LayerPlan): void {
  const taken = candidates.find((candidate) => candidate.kernel === kernel && format.startsWith(candidate.format));
  // Times are compared with times, predictions with predictions.
  const dense = candidates.filter((candidate) => candidate.format === 'dense' && candidate.predicted === taken?.predicted);
  if (candidates.length === 0 || dense.length === 0) return;
  assert.ok(taken && taken.ms <= Math.min(...dense.map(({ ms }) => ms)), `${format} ${kernel} among ${JSON.stringify(candidates)}`);
}

async function everyWay(fed: Fed): Promise<void> {
  const expected = oracle(fed).y0;
  for (const tune of tunes) {
    for (const formats of allowed) {
      const session = await SparseSession.create(fed.graph, { tune, formats });
      const [first, second] = [await session.run(fed.feeds), await session.run(fed.feeds)];
      const [layer] = await session.prepare(shapesOf(fed.feeds));
      session.release();
      near(first.y0, expected, `${tune} ${formats} ${layer.format} ${layer.kernel}`, 1e-4);
      assert.equal(second, first, 'two runs');
      assert.ok(
        !formats || [...formats, 'dense'].some((format) => layer.format.startsWith(format)),
        `${layer.format} is not among ${formats}`,
      );
      chosenWell(layer);
    }
  }
}

const small = (min: number, max: number) => fc.integer({ min, max });

test('random convolutions with random masks are right in every format', async () => {
  const any = fc.record({
    mask: fc.constantFrom(...Object.keys(masks)), kernel: fc.tuple(small(1, 3), small(1, 3)),
    strides: fc.tuple(small(1, 3), small(1, 3)), dilations: fc.tuple(small(1, 2), small(1, 2)),
    pads: fc.tuple(small(0, 2), small(0, 2), small(0, 2), small(0, 2)),
    image: fc.tuple(small(5, 9), small(5, 20)), batch: small(1, 2), group: fc.constantFrom(1, 1, 2),
    inputs: small(1, 9), filters: small(1, 12), bias: fc.boolean(), seed: fc.nat(99),
  });
  await fc.assert(fc.asyncProperty(any, async (c) => {
    const weight = masked([c.filters * c.group, c.inputs, ...c.kernel], c.mask, c.seed);
    const x = filled([c.batch, c.inputs * c.group, ...c.image], c.seed);
    const args = [x, fixed(weight), c.bias ? fixed(filled([c.filters * c.group], 1)) : undefined].filter((arg) => arg !== undefined);
    await everyWay(oneNode('Conv', { strides: c.strides, dilations: c.dilations, pads: c.pads, group: c.group }, args));
  }), { numRuns: 25 });
});

for (const mask of Object.keys(masks)) {
  test(`convolutions and linear layers, ${mask}`, async () => {
    await everyWay(oneNode('Conv', { min: 0 }, [filled([1, 16, 6, 7], 1), fixed(masked([24, 16, 1, 1], mask, 2)), fixed(filled([24], 3))]));
    await everyWay(oneNode('Linear', {}, [filled([1, 64], 1), fixed(masked([20, 64], mask, 2)), fixed(filled([20], 3))]));
    await everyWay(oneNode('Linear', {}, [filled([19, 64], 1), fixed(masked([20, 64], mask, 2))]));
    const [bias, residual] = [fixed(filled([20], 3)), filled([3, 20], 4)];
    await everyWay(oneNode('Linear', { min: -0.2 }, [filled([3, 64], 1), fixed(masked([20, 64], mask, 2)), bias, residual]));
    await everyWay(oneNode('ConvTranspose', { strides: [2, 2] }, [filled([1, 16, 3, 4], 1), fixed(masked([16, 8, 2, 2], mask, 2))]));
  });
}

test('what is chosen for a grouped convolution fits every group', async () => {
  for (const [op, dims] of [['Conv', [8, 4, 1, 1]], ['ConvTranspose', [8, 4, 1, 1]]] as const) {
    const weight = filled(dims, 2);
    // The first group is 2:4 along either axis, the second is full.
    for (let i = 0; i < 16; i++) if ((i % 4 + Math.floor(i / 4)) % 4 < 2) weight.data[i] = 0;
    await everyWay(oneNode(op, { group: 2 }, [filled([1, 8, 5, 7], 1), fixed(weight)]));
  }
});

const { kernels } = await createWasm();
const matrixOf = (rows: number, cols: number, mask: string): Matrix => ({ rows, cols, values: masked([rows, cols], mask, 1).data });
const formatsOf = (matrix: Matrix, formats?: readonly string[]): string[] => {
  const choices = choicesFor(kernels, matrix, { cols: 100, vector: false }, { formats });
  return [...new Set(choices.map(({ format, block }) =>
    (block.of ? `${block.keep}:${block.of}` : `${format} ${block.rows}x${block.cols}`)))];
};

test('what is worth trying follows from the zeros', () => {
  assert.equal(formatsOf(matrixOf(16, 16, 'everything')), ['dense 1x1']);
  assert.equal(formatsOf(matrixOf(16, 16, 'nothing')), ['dense 1x1', 'csr 1x1']);
  assert.ok(formatsOf(matrixOf(16, 16, '2 of 4')).includes('2:4'));
  assert.ok(formatsOf(matrixOf(16, 16, 'blocks of 4x4')).includes('bsr 4x4'));
  assert.not.ok(formatsOf(matrixOf(16, 16, 'unstructured')).includes('2:4'));
  assert.equal(formatsOf(matrixOf(16, 16, 'everything'), ['csr']), ['dense 1x1'], 'nothing allowed fits');
});

test('no block reaches beyond the last column, where no panel is packed', () => {
  const matrix = matrixOf(16, 45, 'blocks of 4x4');
  assert.ok(fillOf(matrix, { rows: 4, cols: 4 }) > 0.65);
  assert.not.ok(formatsOf(matrix).includes('bsr 4x4'));
});

test('few vectors may be multiplied one by one, and weights that 16 bits hold be read as such', () => {
  const matrix = matrixOf(16, 64, 'unstructured'), names = (cols: number, vector: boolean, of = matrix): string[] =>
    choicesFor(kernels, of, { cols, vector }).map(({ kernel }) => kernel.name);
  assert.ok(names(1, true).every((name) => name.includes('spmv')));
  assert.ok(names(3, true).includes('f32_csr_spmv_1') && names(3, true).some((name) => name.includes('spmm')));
  assert.ok(names(3, false).every((name) => name.includes('spmm')));
  assert.not.ok(names(1, true).includes('f16_dense_spmv'));
  assert.ok(names(1, true, { ...matrix, values: matrix.values.map((w) => Math.round(w * 512) / 512) }).includes('f16_dense_spmv'));
});

test('predictions are positive and prefer sparse where little is left', () => {
  const ms = (mask: string, format: string): number => {
    // Large enough that packing and storing, which every format pays, weigh little against the products.
    const matrix = matrixOf(256, 256, mask);
    const choices = choicesFor(kernels, matrix, { cols: 100, vector: false }).filter((choice) => choice.format === format);
    const memory = new TuneMemory(), product = { matrix, nonzero: countNonzero(matrix.values), cols: 100 };
    return Math.min(...choices.map((choice) => memory.predict('here', choice.kernel, workOf(choice, product)).ms));
  };
  assert.ok(ms('one', 'csr') > 0 && ms('one', 'csr') < ms('one', 'dense') / 10);
  assert.ok(ms('2 of 4', 'csr') > 0.5 * ms('2 of 4', 'dense'));
});

test('what was measured goes through JSON', () => {
  const memory = new TuneMemory({ a: 1 });
  memory.set('b', 2);
  assert.equal(new TuneMemory(JSON.parse(JSON.stringify(memory))).toJSON(), { a: 1, b: 2 });
});

test.run();
