import { hasGpu } from './adapter.ts';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openGpu, type Gpu } from '../../src/backends/webgpu/gpu.ts';
import { main } from '../../src/cli/main.ts';
import type { BenchCase, BenchLayer, MaskName } from '../../src/measure/cases.ts';
import { benchShaders, type KernelTiming } from '../../src/measure/kernels.ts';
import type { Report } from '../../src/measure/record.ts';

// The kernel bench on WebGPU: patterns of zeros against the best dense shader, and against themselves with every position stored.

const here = hasGpu('the kernel bench on WebGPU');

const layer: BenchLayer = {
  network: 'test', layer: 'conv', kind: 'conv', filters: 64, inputs: 32, kernel: 3, stride: 1, size: 6, quick: true,
};
const linear: BenchLayer = { ...layer, layer: 'linear', kind: 'linear', kernel: 1, size: 1 };
const caseOf = (of: BenchLayer, mask: MaskName, sparsity: number): BenchCase =>
  ({ name: `${of.layer} ${mask} ${sparsity}`, layer: of, mask, sparsity, quick: true });

async function burin(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const code = await main(argv, {
    out: (text) => { said.out += text; }, err: (text) => { said.err += text; }, width: 200, color: false, live: false,
  });
  return { code, ...said };
}

if (here) {
  // One for all tests: shaders are compiled once.
  const gpu = await openGpu();
  test.after(() => gpu.dispose());

  test('shaders are benched in every pattern against the best dense one and against themselves with every position', async () => {
    const seen: string[] = [], patterns: readonly [MaskName, number, string][] = [
      ['unstructured', 0.75, 'csr'], ['8:32v32', 0.75, 'bsr 32x1'], ['2:4', 0.5, 'nm 2:4'],
    ];
    const formats = ['csr', 'bsr 32x1', 'nm'];
    const list = [...patterns.map(([mask, zeros]) => caseOf(layer, mask, zeros)), caseOf(linear, 'unstructured', 0.75)];
    const { rows, environment, ceiling } = await benchShaders(list, {
      gpu, samples: 1, formats, onRows: (some) => seen.push(...some.map((row) => row.case)),
    });
    assert.is(gpu.memory().usedBytes, 0);
    assert.equal([environment.provider, ceiling], ['webgpu', undefined]);
    assert.equal(seen, rows.map((row) => row.case));
    const dense = rows.filter(({ format, case: name }) => format === 'dense' && name === 'test.conv dense');
    assert.ok(dense.length > 1 && dense.filter(({ best }) => best).length === 1, 'several dense shaders');
    for (const [mask, zeros, format] of patterns) {
      const row: KernelTiming | undefined = rows.find((one) => one.mask === mask && one.format === format && one.case.startsWith('conv'));
      assert.ok(row && row.sparsity === zeros, `${mask} as ${format}`);
      assert.ok(row.efficiency > 0 && row.gflops > 0 && row.maxError < 1e-3, mask);
      if (format !== 'nm 2:4') assert.ok(row.ofIdentity! > 0, `${mask}: identity`);
      assert.is(row.peakFraction, undefined);
    }
    assert.not(rows.some(({ format }) => !['dense', 'csr', 'bsr 32x1', 'nm 2:4'].includes(format)));
    assert.ok(rows.some((one) => one.case === 'test.linear dense' && one.kernel.includes('spmv')), 'one vector');
  });

  test('a wrong shader is refused before anything is timed', async () => {
    // Computes 32 rows where 64 were asked for.
    const spoilt: Gpu = { ...gpu, pipeline: (name) => gpu.pipeline(name.replace('matmul_conv_4_64x64', 'matmul_conv_4_32x64')) };
    const error = await benchShaders([caseOf(layer, 'unstructured', 0.75)], { gpu: spoilt, samples: 1 }).then(
      () => undefined, (reason: unknown) => reason as { kind: string; message: string },
    );
    assert.is(error?.kind, 'device');
    assert.match(error!.message, /f32_dense_matmul_conv_4_64x64.*reference.*a wrong kernel has no speed/);
  });

  test('burin bench --provider webgpu', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'burin-gpu-')), path = (name: string): string => join(folder, name);
    try {
      const bench = await burin('bench', '--provider', 'webgpu', '--case', 'transformer.project.one', '--mask', '2:4',
        '--format', 'nm,csr',
        '--samples', '1', '--html', path('b.html'), '--json', path('b.json'));
      assert.equal([bench.code, bench.err], [0, '']);
      assert.match(bench.out, /WebGPU on .*\n\ncase .* identity\n[^]*nm 2:4[^]*(Faster than|Dense kernels win)/);
      const [{ environment }] = JSON.parse(readFileSync(path('b.json'), 'utf8')) as (KernelTiming & Pick<Report, 'environment'>)[];
      assert.ok(bench.out.includes(`WebGPU on ${environment.adapter}`), environment.adapter);
      assert.match(readFileSync(path('b.html'), 'utf8'), /Pattern by pattern/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test.run();
