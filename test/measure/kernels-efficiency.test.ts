import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { efficiencyCurves, geometricMean } from '../../src/measure/efficiency.ts';
import type { KernelRow, KernelTiming } from '../../src/measure/kernels.ts';
import { benchPlace, efficiencyTable, kernelHead, kernelLine, kernelLines, winners } from '../../src/report/kernels.ts';
import { kernelsPage } from '../../src/report/patterns.ts';

const row = (part: Partial<KernelRow>): KernelRow => ({
  case: 'a', kernel: 'f32_csr_spmm_1x32', format: 'csr', mask: 'unstructured', m: 8, n: 8,
  k: 8, sparsity: 0.5, medianMs: 1, spread: 0.01, gflops: 20,
  effectiveGflops: 40, efficiency: 0.5, peakFraction: 0.4, maxError: 1e-6, best: true, ...part,
});

test('geometric means are taken over the fastest kernel of each case', () => {
  const rows = [
    row({ efficiency: 0.4 }), row({ efficiency: 0.2, medianMs: 2 }), row({ case: 'b', efficiency: 0.9 }),
    row({ case: 'c', sparsity: 0.904, efficiency: 0.5 }),
    row({ format: 'dense', efficiency: 1 }),
    row({ case: 'd', sparsity: 1, efficiency: 0 }),
  ];
  const [curve, ...others] = efficiencyCurves(rows);
  assert.is(others.length, 0);
  assert.equal(curve.points.map(({ sparsity, cases }) => [sparsity, cases]), [[0.5, 2], [0.9, 1]]);
  assert.ok(Math.abs(curve.points[0].efficiency - 0.6) < 1e-12);
  assert.ok(Math.abs(curve.points[0].speedup - 1.2) < 1e-12);
  assert.is(curve.breakEven, null);
  assert.ok(Math.abs(geometricMean([1, 4]) - 2) < 1e-12);
});

test('the break-even lies where the mean speedup crosses 1', () => {
  const [curve] = efficiencyCurves([row({ efficiency: 0.4 }), row({ sparsity: 0.75, efficiency: 0.3 })]);
  // 0.8 at 0.5, 1.2 at 0.75.
  assert.ok(Math.abs(curve.breakEven! - 0.625) < 1e-12);
});

test('lines stand in columns, and the table says from where a format pays', () => {
  const line = kernelLine(row({}));
  assert.is(line.indexOf('csr_spmm'), kernelHead.indexOf('kernel'));
  assert.match(line, /8×8×8 .* 1\.0e-6 .* 20\.0 +40\.0 +40 % +0\.500 \*$/);
  const table = efficiencyTable(
    [row({ efficiency: 0.4 }), row({ sparsity: 0.75, efficiency: 0.3 }), row({ format: 'nm 2:4', mask: '2:4', efficiency: 0.8 })],
    120,
  );
  assert.match(table, /0\.40 \(0\.80×\) +0\.30 \(1\.20×\) +6[23] %/);
  assert.match(table, /2:4 +nm 2:4 +0\.80 \(1\.60×\) +below 50 %/);
  const environment = { runtime: 'node 24', engine: 'V8', cpu: 'a cpu', threads: 1, simd: 'relaxed' } as const;
  assert.match(benchPlace({ environment, ceiling: { gflops: 57, gigabytesPerSecond: 14 } }), /relaxed SIMD.*57\.0 GFLOP\/s, 14\.0 GB\/s/);
});

const gpu = {
  runtime: 'node 24', engine: 'V8', cpu: 'a cpu', threads: 1, simd: 'none', provider: 'webgpu', adapter: 'maker model', timestamps: true,
} as const;

function shader(part: Partial<KernelTiming>): KernelTiming {
  const { peakFraction: _, ...rest } = row({ kernel: 'f32_csr_matmul_conv_4_64x64' });
  return { ...rest, ofIdentity: 0.9, ...part };
}

const shaders: readonly KernelTiming[] = [
  shader({ efficiency: 0.3 }), shader({ sparsity: 0.75, efficiency: 0.2, ofIdentity: 0.7 }),
  shader({ mask: '16:32v32', format: 'bsr 32x1', efficiency: 0.9 }),
  shader({ mask: '8:32v32', format: 'bsr 32x1', sparsity: 0.75, efficiency: 0.8 }),
];

test('on a GPU there is no ceiling but the same shader with every position stored', () => {
  const { head, row: line } = kernelLines({ environment: gpu });
  assert.not.match(head, /of peak/);
  assert.is(line(shaders[0]).indexOf('csr_matmul_conv_4_64x64'), head.indexOf('kernel'));
  assert.match(line(shaders[0]), /40\.0 +0\.300 +0\.900 \*$/);
  assert.match(line(shader({ ofIdentity: undefined })), /0\.500 +– \*$/);
  assert.match(benchPlace({ environment: gpu }), /WebGPU on maker model .*timestamp queries$/);
  const table = efficiencyTable(shaders, 140);
  assert.match(table, /unstructured +csr .*0\.70 to 0\.90 .*\nN:32v32 +bsr 32x1 +0\.90 \(1\.80×\) +0\.80 \(3\.20×\)/);
});

test('sentences say which patterns pay and where dense kernels win', () => {
  assert.equal(winners(efficiencyCurves(shaders)), [
    'Faster than the best dense kernel here: N:32v32 from 50 % zeros on (bsr 32x1, 1.80×).',
    'Dense kernels win to the end of what was measured: unstructured.',
  ]);
  assert.equal(winners([]), []);
});

test('the page plots every pattern against its promise, and names the device', () => {
  const page = kernelsPage({ environment: gpu, rows: [shader({ format: 'dense', mask: 'none', sparsity: 0, efficiency: 1 }), ...shaders] });
  assert.not.match(page, /\bNaN\b|undefined|Infinity|of peak/);
  assert.is([...page.matchAll(/<circle class="dot/g)].length, 4);
  assert.match(page, /WebGPU on maker model[^]*1 of 2 patterns of zeros beats[^]*N:32v32, 75 % zeros as bsr 32x1: measured 3\.20×/);
  assert.match(page, /N:32v32, 75 % zeros as bsr 32x1: measured 3\.20×, 80 % of the promise/);
  assert.match(page, /Dense kernels win to the end of what was measured: unstructured\./);
  assert.match(kernelsPage({ environment: gpu, rows: [] }), /No sparse kernel was measured/);
  const here = kernelsPage({ environment: { ...gpu, adapter: undefined, simd: 'relaxed' }, rows: [row({})] });
  assert.match(here, /relaxed SIMD[^]*of peak/);
});

test.run();
