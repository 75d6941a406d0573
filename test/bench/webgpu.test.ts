import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { weights, ways, shapes } from '../../bench/webgpu-cases.ts';
import {
  compared, fastest, gainsOf, mergedResults, type RaceRow, type Setting, type ShaderRow, type WebgpuResults,
} from '../../bench/webgpu-rows.ts';
import { webgpuPeersTable, webgpuTable } from '../../bench/webgpu-tables.ts';

const here = { adapter: 'soft', where: 'Node' } as const, there = { adapter: 'fast gpu', where: 'Node' } as const;
const page = { adapter: 'soft', where: 'Chromium' } as const;
const setting: Setting = { ...here, runtime: 'node 24', clock: 'fences' };
const dense: ShaderRow = { ...here, case: 'a', way: 'dense', shader: 'f32_dense_x', density: 1, ms: 10, gflops: 4, maxError: 0 };
const blocks: ShaderRow = { ...dense, way: 'bsr', shader: 'f32_bsr_x', gflops: 3.2 };
const half: ShaderRow = { ...blocks, density: 0.5, ms: 8, gflops: 2.4 };
const race: RaceRow = {
  ...here, kind: 'layer', case: 'l', engine: 'burin', version: '', medianMs: 10, minMs: 9, spreadMs: 0.1, gflops: 5, maxError: 0,
};
const results = (part: Partial<WebgpuResults>): WebgpuResults => ({ settings: [], shaders: [], race: [], ...part });

test('rows of an adapter take the place of those of the same case, adapter and runtime, and of no others', () => {
  const old = results({
    settings: [setting, { ...setting, ...there }],
    shaders: [dense, half, { ...dense, case: 'b' }, { ...dense, ...there }, { ...dense, ...page }],
    race: [race, { ...race, engine: 'other' }, { ...race, kind: 'network' }, { ...race, ...there }],
  });
  const newer = { ...setting, runtime: 'node 25' };
  const fresh = results({ settings: [newer], shaders: [{ ...dense, ms: 9 }], race: [{ ...race, medianMs: 8 }] });
  const { settings, shaders, race: rows } = mergedResults(old, fresh);
  assert.equal(settings.map(({ adapter, runtime }) => `${adapter}, ${runtime}`), ['fast gpu, node 24', 'soft, node 25']);
  assert.equal(
    shaders.map((row) => `${row.adapter} ${row.where} ${row.case} ${row.density} ${row.ms}`),
    ['fast gpu Node a 1 10', 'soft Chromium a 1 10', 'soft Node b 1 10', 'soft Node a 1 9'],
  );
  assert.equal(
    rows.map((row) => `${row.adapter} ${row.kind} ${row.engine} ${row.medianMs}`),
    ['fast gpu layer burin 10', 'soft network burin 10', 'soft layer burin 8'],
  );
  assert.equal(mergedResults(undefined, fresh), fresh);
});

test('a shader is held against the best dense one and against itself with every position stored', () => {
  const slower: ShaderRow = { ...dense, shader: 'f32_dense_y', ms: 20, gflops: 2 };
  const rows = compared([dense, slower, blocks, half, { ...half, shader: 'f32_nm_x' }]);
  assert.equal(rows.map(({ ofDense }) => ofDense?.toFixed(2)), ['1.00', '0.50', '0.80', '0.60', '0.60']);
  assert.equal(rows.map(({ ofIdentity }) => ofIdentity?.toFixed(2)), [undefined, undefined, undefined, '0.75', undefined]);
  assert.equal(fastest(rows).map(({ shader, density }) => `${shader} ${density}`), ['f32_dense_x 1', 'f32_bsr_x 1', 'f32_bsr_x 0.5']);
});

test('a pattern is worth the geometric mean over the shapes', () => {
  const [first, second] = [compared([dense, blocks, half]), compared([dense, blocks, { ...half, gflops: 0.6 }])];
  const rows = [...first, ...second.map((row) => ({ ...row, case: 'b' }))];
  const [gain, ...rest] = gainsOf(rows);
  assert.is(rest.length, 0);
  assert.equal([gain.way, gain.density, gain.cases, gain.theoretical], ['bsr', 0.5, 2, 2]);
  for (const [value, expected] of [[gain.efficiency, 0.3], [gain.measured, 0.6], [gain.ofIdentity!, 0.375], [gain.gflops, 1.2]]) {
    assert.ok(Math.abs(value - expected) < 1e-9, `${value} is not ${expected}`);
  }
  assert.is(gainsOf(compared([dense, half]))[0].ofIdentity, null);
});

test('the tables say which adapter and runtime, one after the other', () => {
  const shaders = compared([dense, blocks, half]);
  const table = webgpuTable(results({
    settings: [setting, { ...setting, ...there, clock: 'timestamp queries' }],
    shaders: [...shaders, ...shaders.map((row) => ({ ...row, ...there }))],
  }));
  assert.match(table, /^soft, node 24 \(fences\):\n\n\| stored as .*\n.*\n\| dense \|  \| 4\.00 \|/);
  assert.match(table, /\n\| bsr \| 50 % \| 2\.40 \| 2\.00× \| 1\.20× \| 60 % \| 75 % \|\n\nGeometric means of 1 shape;/);
  assert.match(table, /\n\nfast gpu, node 24 \(timestamp queries\):\n\n/);
});

test('peers: networks by name, layers in the mean and the worst', () => {
  const other = { ...race, engine: 'other', version: '1.2', medianMs: 20 };
  const third = { ...race, engine: 'third', version: '3', medianMs: 40 };
  const m = { case: 'm', medianMs: 10 }, n = { kind: 'network', case: 'N' } as const;
  const table = webgpuPeersTable(results({
    settings: [{ ...setting, ...page, runtime: 'Chromium 1' }],
    race: [
      race, other, third, { ...race, case: 'm' }, { ...other, case: 'm', medianMs: 5 }, { ...third, ...m, medianMs: 10 },
      { ...race, ...n }, { ...other, ...n },
    ].map((row) => ({ ...row, ...page })),
  }));
  assert.match(table, /^soft, Chromium 1 \(fences\):\n\n\| network \| GFLOP\/s \| burin ms \| other 1\.2 ms \| third 3 ms \|\n/);
  assert.match(table, /\n\| N \| 5\.00 \| 10\.0 \| 20\.0 \(2\.00×\) \|  \|\n/);
  assert.match(table, /\n\| 2 dense layers, geometric mean \|  \|  \| 1\.00× \| 2\.00× \|\n/);
  assert.match(table, /\n\| the worst of them, m \| 5\.00 \| 10\.0 \| 5\.00 \(0\.50×\) \| 10\.0 \(1\.00×\) \|$/);
});

test('every row of blocks keeps what its density says, as far as blocks can be counted', () => {
  for (const shape of shapes.small) {
    for (const { name, block = { rows: 1, cols: 1 }, densities, ...way } of ways) {
      // Half a block of a window: the last one may be short.
      const of = block.of ?? 32 * block.cols, off = (0.5 * block.cols) / (shape.k % of || of) + 1e-9;
      for (const density of densities) {
        const values = weights(shape, { name, block, densities, ...way }, density);
        for (let first = 0; first < shape.m; first += block.rows) {
          const rows = Math.min(block.rows, shape.m - first);
          let kept = 0;
          for (let i = first * shape.k; i < (first + rows) * shape.k; i++) kept += values[i] === 0 ? 0 : 1;
          const share = kept / (rows * shape.k);
          assert.ok(Math.abs(share - density) <= off, `${shape.name}, ${name}: row ${first} keeps ${share} instead of ${density}`);
        }
      }
    }
  }
});

test.run();
