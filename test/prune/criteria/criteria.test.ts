import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  criteria, isKept, prune, type Criterion, type CriterionName, type Evidence, type LayerEvidence, type PruneOptions,
} from '../../../src/prune/index.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import { prunableLayers } from '../../../src/graph/layers.ts';
import { ascending } from '../../../src/prune/criteria/order.ts';
import { randomFrom } from '../../../src/random.ts';
import { counting, evidenceOf, sketch, weightsOf } from '../networks.ts';

/** A linear layer [rows, columns]. */
const linear = (rows: readonly (readonly number[])[]): Graph =>
  sketch({ fc: { op: 'Linear', dims: [rows.length, rows[0].length], values: rows.flat() } });

function scoresOf(name: CriterionName, rows: readonly (readonly number[])[], evidence: LayerEvidence = {}): number[] {
  const [layer] = prunableLayers(linear(rows));
  return [...(criteria[name] as Criterion).score(Float32Array.from(rows.flat()), { layer, random: randomFrom(0), evidence })];
}

function near(got: readonly number[], want: readonly number[], within = 1e-6): void {
  assert.is(got.length, want.length);
  got.forEach((value, i) => assert.ok(Math.abs(value - want[i]) <= within, `${got} for ${want}`));
}

test('LAMP of 1, 2, 3, 4', () => {
  near(scoresOf('lamp', [[1, 2, 3, 4]]), [1 / 30, 4 / 29, 9 / 25, 1], 1e-12);
  near(scoresOf('lamp', [[4, -3, 0, 2]]), [1, 9 / 25, 0, 4 / 29], 1e-12);
});

test('Wanda: half of each row', () => {
  const graph = linear([[4, 0, 1, -1], [3, -2, -1, -3], [-3, 1, 0, 2]]);
  const options: PruneOptions = { criterion: 'wanda', scope: 'row', sparsity: 0.5, evidence: { fc: { inputNorms: [1, 2, 8, 3] } } };
  assert.equal(weightsOf(prune(graph, options).graph, 'fc'), [4, 0, 1, 0, 0, 0, -1, -3, -3, 0, 0, 2]);
});

test('OBD and OBS, and what the other weight makes up for', () => {
  const hessian = [2, 1, 1, 2];
  near(scoresOf('obd', [[1, 1.2]], { squaredGradient: [2, 2] }), [1, 1.44]);
  near(scoresOf('obs', [[1, 1.2]], { hessian }), [0.75, 1.08]);
  near(weightsOf(prune(linear([[1, 1.2]]), { criterion: 'obs', sparsity: 0.5, evidence: { fc: { hessian } } }).graph, 'fc'), [0, 1.7]);
});

test('RIA', () => {
  near(scoresOf('ria', [[1, 2], [3, 4]], { inputNorms: [1, 4] }), [0.583333, 2, 1.178571, 2.47619]);
});

const known: [CriterionName, LayerEvidence, number[]][] = [
  ['magnitude', {}, [3, 2]], ['squared', {}, [9, 4]], ['small', {}, [-3, -2]],
  ['gradient', { gradient: [0.5, -4] }, [1.5, 8]], ['taylor2', { squaredGradient: [4, 0.5] }, [36, 2]],
  ['movement', { movement: [-1, 2] }, [-1, 2]], ['distance', { initial: [1, 3] }, [4, 1]],
  ['movement_magnitude', { initial: [1, 3] }, [12, 2]], ['large_init', { initial: [-1, 3] }, [1, 3]],
  ['small_init', { initial: [-1, 3] }, [-1, -3]],
  ['large_init_large_final', { initial: [1, -5] }, [1, 2]], ['small_init_small_final', { initial: [1, -5] }, [-3, -5]],
  ['magnitude_increase', { initial: [1, -5] }, [2, -3]], ['wanda', { inputNorms: [2, 5] }, [6, 10]],
];
for (const [name, evidence, want] of known) test(`${name} of −3 and 2`, () => near(scoresOf(name, [[-3, 2]], evidence), want));

test('FPGM: distances between filters', () => {
  near(scoresOf('fpgm', [[0, 0], [3, 4], [0, 8]]), [13, 13, 10, 10, 13, 13]);
  const pruned = prune(linear([[1, 1], [3, 4], [1, 8]]), { criterion: 'fpgm', granularity: 'filter', sparsity: 1 / 3 });
  assert.equal(pruned.masks.get('fc.weight')!.bits, Uint8Array.of(0b110011));
});

test('FPGM: all pairs of many filters, those that are near each other too', () => {
  const plain = (rows: readonly number[][]): number[] => rows.map((a) =>
    rows.reduce((sum, b) => sum + Math.sqrt(a.reduce((all, x, k) => all + (Math.fround(x) - Math.fround(b[k])) ** 2, 0)), 0));
  for (const [filters, size] of [[1, 3], [2, 1], [67, 300], [130, 17], [5, 513]]) {
    const random = randomFrom(filters), row = (): number[] => Array.from({ length: size }, () => random.next() - 0.5);
    const rows = Array.from({ length: filters }, row);
    const wanted = plain(rows), got = scoresOf('fpgm', rows);
    wanted.forEach((sum, i) => assert.ok(Math.abs(got[i * size] - sum) <= 1e-12 * sum, `${filters} × ${size}, filter ${i}`));
  }
  // 1e-6 of their norm apart: as the difference of the products only two digits of the distances would be left.
  const random = randomFrom(5), base = Array.from({ length: 40 }, () => random.next());
  const close = Array.from({ length: 70 }, () => base.map((x) => x + 1e-6 * random.next()));
  const wanted = plain(close), got = scoresOf('fpgm', close);
  wanted.forEach((sum, i) => assert.ok(Math.abs(got[i * 40] - sum) <= 1e-12 * sum, `near filter ${i}`));
  assert.equal(scoresOf('fpgm', [base, base, base]).filter((sum) => sum !== 0), []);
});

test('Wanda in a convolution of groups: one norm a channel, or one a column', () => {
  const [layer] = prunableLayers(sketch({ conv: { dims: [2, 1, 1, 2], values: [1, 2, 3, 4], attrs: { group: 2 } } }));
  const score = (inputNorms: number[]): number[] =>
    [...criteria.wanda.score(Float32Array.of(1, 2, 3, 4), { layer, random: randomFrom(0), evidence: { inputNorms } })];
  assert.equal(score([10, 100]), [10, 20, 300, 400]);
  assert.equal(score([1, 10, 100, 1000]), [1, 20, 300, 4000]);
});

/** Solves A·x = b by elimination. */
function solved(matrix: readonly number[][], b: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, b[i]]), n = rows.length;
  for (let c = 0; c < n; c++) {
    for (let r = 0; r < n; r++) {
      const share = r === c ? 0 : rows[r][c] / rows[c][c];
      for (let k = c; k <= n; k++) rows[r][k] -= share * rows[c][k];
    }
  }
  return rows.map((row, i) => row[n] / row[i]);
}

test('OBS: scores and what is made up for, whatever the number of weights', () => {
  for (let n = 1; n <= 14; n++) {
    const random = randomFrom(n), x = Array.from({ length: n }, () => Array.from({ length: n + 2 }, () => random.next() - 0.5));
    const product = (a: number[], b: number[]): number => a.reduce((sum, value, k) => sum + value * b[k], 0);
    const h = x.map((a, i) => x.map((b, j) => product(a, b) + Number(i === j) / 2)), hessian = h.flat();
    const w = Array.from({ length: n }, () => Math.fround(random.next() + 0.1));
    near(scoresOf('obs', [w], { hessian }), w.map((value, i) => value ** 2 / (2 * solved(h, w.map((_, k) => Number(k === i)))[i])), 1e-9);
    const { graph, masks } = prune(linear([w]), { criterion: 'obs', sparsity: 0.4, evidence: { fc: { hessian } } });
    const mask = masks.get('fc.weight')!, every = w.map((_, i) => i), kept = every.filter((i) => isKept(mask, i));
    const owed = kept.map((r) => every.reduce((sum, q) => sum + (isKept(mask, q) ? 0 : h[r][q] * w[q]), 0));
    const change = solved(kept.map((r) => kept.map((c) => h[r][c])), owed), made = every.map(() => 0);
    kept.forEach((i, k) => { made[i] = w[i] + change[k]; });
    near(weightsOf(graph, 'fc'), made, 1e-6);
  }
});

/** ½·δᵀHδ summed over the filters. */
function loss(before: readonly number[], after: readonly number[], hessian: ArrayLike<number>, n: number): number {
  let sum = 0;
  for (let row = 0; row < before.length; row += n) {
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
      sum += ((after[row + i] - before[row + i]) * hessian[i * n + j] * (after[row + j] - before[row + j])) / 2;
    }
  }
  return sum;
}

test('OBS: no small change of a weight that stayed makes the loss smaller, and it is below that of zeros alone', () => {
  const dims = [4, 6], values = counting(dims).map((v) => Math.sin(v * 1.7)), graph = sketch({ fc: { op: 'Linear', dims, values } });
  const random = randomFrom(3), x = Float64Array.from({ length: 6 * 9 }, () => random.normal());
  const hessian = Float64Array.from({ length: 36 }, (_, at) => {
    let sum = 0;
    for (let s = 0; s < 9; s++) sum += 2 * x[Math.floor(at / 6) * 9 + s] * x[(at % 6) * 9 + s];
    return sum;
  });
  const { graph: pruned, masks } = prune(graph, { criterion: 'obs', sparsity: 0.5, evidence: { fc: { hessian } } });
  const before = weightsOf(graph, 'fc'), after = weightsOf(pruned, 'fc'), least = loss(before, after, hessian, 6);
  assert.ok(least < loss(before, before.map((w, i) => (after[i] === 0 ? 0 : w)), hessian, 6));
  for (const [i, w] of after.entries()) {
    if (w === 0) continue;
    for (const step of [-0.01, 0.01]) assert.ok(loss(before, after.with(i, w + step), hessian, 6) > least, `${i}`);
  }
  assert.is(masks.get('fc.weight')!.bits.length, 3);
});

test('OBS leaves what was zero before at zero, and takes a Hessian of rank one', () => {
  const graph = linear([[1, 0, 2, 3]]), hessian = Array.from({ length: 16 }, () => 1);
  const after = weightsOf(prune(graph, { criterion: 'obs', sparsity: 0.5, evidence: { fc: { hessian } } }).graph, 'fc');
  assert.is(after[1], 0);
  assert.is(after.filter((w) => w !== 0).length, 2);
  near([after.reduce((sum, w) => sum + w, 0)], [6], 1e-3);
});

const wrong: [string, PruneOptions, string, RegExp][] = [
  ['nothing', { criterion: 'wanda' }, 'argument', /fc \[1, 2, 1, 1\], inputNorms: needs ‖x‖₂ .*got nothing; give evidence: \{ 'fc'/],
  ['too little', { criterion: 'gradient', evidence: { fc: { gradient: [1] } } }, 'shape', /needs 2 numbers, got 1/],
  ['no numbers', { criterion: 'gradient', evidence: { fc: { gradient: [1, NaN] } } }, 'model', /needs finite numbers, got NaN at 1/],
  ['a list', { criterion: 'gradient', evidence: [] as never }, 'argument', /option evidence: needs an object/],
  ['a Hessian that is none', { criterion: 'obs', evidence: { fc: { hessian: [1, 5, 5, 1] } } }, 'model', /a Hessian that is symmetric/],
];
for (const [name, options, kind, message] of wrong) {
  test(`refuses evidence: ${name}`, () => {
    assert.throws(() => prune(linear([[1, 2]]), { sparsity: 0.5, ...options }), (error: { kind: string; message: string }) =>
      error.kind === kind && message.test(error.message));
  });
}

test('evidence by weight is in the order of the stored weight, a tensor or numbers', () => {
  const graph = sketch({ fc: { op: 'MatMul', dims: [2, 3], values: [1, 1, 1, 1, 1, 1] } });
  const gradient = Float32Array.of(1, 2, 3, 4, 5, 6);
  const given: Evidence[] = [{ fc: { gradient } }, { 'fc.weight': { gradient: [...gradient] } }];
  for (const evidence of given) {
    assert.equal(weightsOf(prune(graph, { criterion: 'gradient', sparsity: 0.5, evidence }).graph, 'fc'), [0, 0, 0, 1, 1, 1]);
  }
});

test('every criterion works on every kind of layer, and drops exactly as many as asked for', () => {
  const values = (dims: number[]) => counting(dims).map((v) => Math.sin(v));
  const graph = sketch({
    conv: { dims: [4, 2, 3, 3], values: values([4, 2, 3, 3]), attrs: { group: 2 } },
    gemm: { op: 'Gemm', dims: [6, 5], values: values([6, 5]) },
    up: { op: 'ConvTranspose', dims: [4, 2, 2, 2], values: values([4, 2, 2, 2]), attrs: { group: 2 } },
  });
  for (const criterion of Object.keys(criteria)) {
    for (const scope of ['layer', 'row', 'model'] as const) {
      const { report } = prune(graph, { criterion, scope, sparsity: 0.5, evidence: evidenceOf(graph) });
      assert.is(report.reduce((sum, { kept }) => sum + kept, 0), 72 / 2 + 30 / 2 + 32 / 2, `${criterion} ${scope}`);
    }
  }
});

test('a criterion of your own may be a function, may write to what it gets, and must give a number for each weight', () => {
  const graph = linear([[1, 0, 3, 4], [5, 6, 7, 8]]), before = weightsOf(graph, 'fc');
  const pruned = prune(graph, { sparsity: 0.5, criterion: (weights) => weights.fill(1) });
  assert.equal([weightsOf(graph, 'fc'), weightsOf(pruned.graph, 'fc')], [before, [0, 0, 0, 0, 5, 6, 7, 8]]);
  const list = prune(graph, { sparsity: 0.5, criterion: (weights) => [...weights].map((w) => -w) as never });
  assert.equal(weightsOf(list.graph, 'fc'), [1, 0, 3, 4, 5, 0, 0, 0]);
  const wrong = [() => new Float64Array(3), () => new Float64Array(9), () => undefined as never];
  for (const granularity of ['weight', 'filter']) {
    for (const criterion of wrong) {
      assert.throws(() => prune(graph, { sparsity: 0.5, granularity, criterion }), /criterion .* on fc \[2, 4, 1, 1\]: needs 8 scores/);
    }
  }
  const both = (weights: Float32Array): Float64Array => Float64Array.from(weights, (_, i) => (i % 2 ? Infinity : -Infinity));
  assert.throws(() => prune(graph, { sparsity: 0.5, granularity: 'filter', criterion: both }), /NaN at group 0/);
});

test('ascending order: stable, negative, infinite, both widths', () => {
  const number = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.float({ noNaN: true }), fc.constantFrom(-Infinity, Infinity));
  fc.assert(fc.property(fc.array(number, { maxLength: 80 }), fc.boolean(), (list, wide) => {
    // Both zeros are one number to a comparison.
    const values = (wide ? Float64Array : Float32Array).from(list.map((value) => value + 0));
    const want = [...values.keys()].sort((a, b) => (values[a] === values[b] ? a - b : values[a] - values[b]));
    assert.equal([...ascending(values)], want);
  }));
});

test.run();
