import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sparseRows } from '../../bench/sparse-race.ts';
import { peerTargets } from '../../bench/target-networks.ts';
import { bothCases, peerLayers, targetCases } from '../../bench/target-cases.ts';
import { kernelTargets, merged, ratioTargets, targetRow, type Entry, type TargetRun } from '../../bench/target-rows.ts';
import { layers, productOf } from '../../src/measure/cases.ts';
import type { KernelRow } from '../../src/measure/kernels.ts';
import { randomFrom } from '../../src/random.ts';

const layer = layers.find(({ kernel, layer: name }) => kernel === 3 && name === 'layer2.1.conv2')!;
const pointwise = layers.find(({ kind, layer: name }) => kind === 'pointwise' && name === 'layer2.1.conv1')!;

function entry(part: Partial<KernelRow>, of = layer): Entry {
  const mask = part.mask ?? 'unstructured', sparsity = part.sparsity ?? 0.9;
  return {
    layer: of, sparsity,
    row: {
      case: `${of.layer} ${mask} ${sparsity}`, kernel: 'k', format: 'csr', mask, ...productOf(of), sparsity, medianMs: 1, spread: 0,
      gflops: 1, effectiveGflops: 1, efficiency: 0.5, peakFraction: 0.1, maxError: 0, best: true, ...part,
    },
  };
}
const dense = (peakFraction: number, of = layer): Entry =>
  entry({ case: `${of.layer} dense`, format: 'dense', mask: 'none', sparsity: 0, peakFraction, efficiency: 1 }, of);
const near = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test('a row has the geometric mean, the worst case by name, and whether it holds', () => {
  const values = [{ name: 'a', value: 0.5 }, { name: 'b', value: 2 }];
  const [row] = targetRow({ group: 'g', unit: 'efficiency', target: 0.9 }, 'relaxed', values);
  near(row.mean, 1);
  assert.equal([row.worst, row.worstCase, row.cases, row.holds], [0.5, 'a', 2, true]);
  const [each] = targetRow({ group: 'g', unit: 'efficiency', target: 0.9, each: true }, 'relaxed', values);
  assert.is(each.holds, false);
  const [most] = targetRow({ group: 'g', unit: 'time', target: 0.9, most: true }, 'relaxed', values);
  assert.equal([most.worst, most.worstCase, most.holds, most.bound], [2, 'b', false, 'most']);
  assert.is(targetRow({ group: 'g', unit: 'time', target: null }, 'plain', values)[0].holds, null);
  assert.equal(targetRow({ group: 'g', unit: 'time', target: 1 }, 'plain', []), []);
});

test('kernels fall into their groups by mask, sparsity, size and window, the fastest of each case only', () => {
  const rows = kernelTargets([
    dense(0.9), dense(0.8, pointwise), entry({ efficiency: 0.6 }), entry({ efficiency: 0.9, best: false }),
    entry({ sparsity: 0.5, efficiency: 0.7 }), entry({ mask: '4x1', efficiency: 0.8 }),
    entry({ mask: '16x16', efficiency: 0.9 }, pointwise),
    entry({ n: 1, efficiency: 0.2 }, pointwise), entry({ mask: 'own', n: 1, sparsity: 0.987, efficiency: 0.1 }),
    entry({ mask: '2x1', sparsity: 1, efficiency: 0 }),
  ], 'relaxed');
  const means = Object.fromEntries(rows.map(({ group, mean, cases }) => [group, [Number(mean.toFixed(4)), cases]]));
  assert.equal(means, {
    'dense, K ≥ 256 and N ≥ 192': [0.8485, 2],
    'unstructured, 50–80 %': [0.7, 1],
    'unstructured, 90 %': [0.6, 1],
    '4x1 blocks, 50–90 %': [0.8, 1],
    '4x4 to 32x32 blocks, 50–95 %': [0.9, 1],
    '3x3 convolutions, any mask, 80–95 %': [Number(Math.sqrt(0.48).toFixed(4)), 2],
    'matrix × vector, unstructured, 50–98 %': [0.2, 1],
    'real matrices × vector': [0.1, 1],
  });
});

test('the break-even is where the speedup of a layer crosses 1', () => {
  const at = (sparsity: number, speedup: number, of = layer): Entry => entry({ sparsity, efficiency: speedup * (1 - sparsity) }, of);
  const breakEven = (entries: Entry[]): number =>
    kernelTargets(entries, 'relaxed').find(({ group }) => group.startsWith('break-even'))!.mean;
  near(breakEven([at(0.1, 0.9), at(0.3, 1.1)]), 0.2);
  near(breakEven([at(0.1, 1.2), at(0.3, 1.4)]), 0.1);
  near(breakEven([at(0.1, 0.5), at(0.3, 0.9)]), 1);
  // A layer that was not measured this low has no say.
  near(breakEven([at(0.1, 0.9), at(0.3, 1.1), at(0.7, 3, pointwise)]), 0.2);
});

test('one binary against the other, case by case', () => {
  const plain = [dense(1), entry({ efficiency: 0.6 }), entry({ sparsity: 0.7, efficiency: 0.9 })];
  const [row] = ratioTargets(plain, [entry({ efficiency: 0.5 })]);
  assert.equal([row.cases, row.simd, row.holds], [1, 'plain', true]);
  near(row.mean, 1.2);
});

test('dense layers are held against the faster of the others, and every one of them counts', () => {
  const times = { burin: 2, one: 3, two: 5 }, slow = { burin: 2, one: 1.5, two: 5 };
  const rows = Object.entries({ a: times, b: slow }).flatMap(([name, of]) =>
    Object.entries(of).map(([engine, medianMs]) => ({ layer: name, engine, version: '', medianMs, gflops: 1 })));
  const [row] = peerTargets(rows);
  assert.equal([row.worst, row.worstCase, row.holds], [0.75, 'b', false]);
});

test('a later run takes the place of the same part, and leaves the others', () => {
  const environment = { runtime: 'node', engine: 'V8', cpu: 'c', threads: 1, simd: 'relaxed' } as const;
  const run = (part: TargetRun['part'], simd: TargetRun['simd'], runtime: string): TargetRun =>
    ({ part, simd, environment: { ...environment, runtime }, rows: [] });
  const runs = merged([run('kernels', 'relaxed', 'old'), run('kernels', 'plain', 'old')], [run('kernels', 'relaxed', 'new')]);
  assert.equal(runs.map(({ simd, environment: { runtime } }) => `${simd} ${runtime}`), ['plain old', 'relaxed new']);
});

test('the fixed list has every case once, small layers too, and what both binaries run', () => {
  const names = new Set(targetCases.map(({ name }) => name));
  assert.is(names.size, targetCases.length);
  assert.ok(bothCases.every(({ name }) => names.has(name)));
  assert.ok(peerLayers.some((one) => productOf(one).m * productOf(one).k < 5000));
});

test('libraries give our product, or nothing is timed', async () => {
  const values = randomFrom(1, 'a').normals(new Float32Array(60 * 50), 1).map((value, i) => (i % 5 ? 0 : value));
  const product = { name: 'small', matrix: { rows: 60, cols: 50, values }, n: 3 };
  const rows = await sparseRows(product, 1);
  assert.equal(rows.map(({ engine }) => engine), ['burin', 'mathjs', 'ml-sparse-matrix']);
  assert.ok(rows.every(({ medianMs, nonzeros }) => medianMs > 0 && nonzeros === 600));
  assert.ok(rows.slice(1).every(({ version }) => /^\d+\.\d+/.test(version)));
  const ones = { run: () => assert.unreachable(), result: () => new Float64Array(180).fill(1) };
  const wrong = { name: 'wrong', version: async () => '0', load: async () => ones };
  const error = await sparseRows(product, 1, [wrong]).then(() => undefined, (reason: Error) => reason);
  assert.match(error?.message ?? '', /wrong, small: needs products within .* nothing was timed/);
});

test.run();
