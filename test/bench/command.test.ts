import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { main } from '../../src/cli/main.ts';

const test = suite<{ folder: string }>('burin bench');
test.before((context) => { context.folder = mkdtempSync(join(tmpdir(), 'burin-bench-')); });
test.after((context) => rmSync(context.folder, { recursive: true }));

async function burin(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const outcome = { code: -1, out: '', err: '' };
  outcome.code = await main(['bench', ...argv], {
    out: (text) => { outcome.out += text; },
    err: (text) => { outcome.err += text; },
    width: 100, color: false, live: false,
  });
  return outcome;
}

test('prints a line a kernel and writes the list of rows', async ({ folder }) => {
  const file = join(folder, 'bench.json');
  const { code, out, err } = await burin(
    '--case', 'facedetector.expand.6', '--mask', '4x1', '--sparsity', '0.9', '--samples', '2', '--json', file,
  );
  assert.equal([code, err], [0, '']);
  assert.match(out, /GFLOP\/s.*\n\ncase +m×n×k/);
  assert.match(out, /facedetector\.expand\.6 dense +384×36×96 +0 % dense/);
  assert.match(out, /\n4x1 +bsr 4x1 +\d\.\d\d \(\d+\.\d+×\)/);
  const rows = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>[];
  assert.ok(Array.isArray(rows) && rows.length > 3);
  for (const key of [
    'case', 'kernel', 'm', 'n', 'k', 'sparsity', 'medianMs', 'spread', 'gflops', 'effectiveGflops',
    'efficiency', 'peakFraction', 'maxError', 'environment', 'ceiling',
  ]) {
    assert.ok(key in rows[0], key);
  }
});

test('times the matrices of a folder with the zeros they have', async ({ folder }) => {
  writeFileSync(join(folder, 'tiny.mtx'), '%%MatrixMarket matrix coordinate real general\n4 4 3\n1 1 2\n3 2 -1\n4 4 0.5\n');
  const { code, out, err } = await burin('--data', folder, '--mask', 'own', '--samples', '1');
  assert.equal([code, err], [0, '']);
  assert.match(out, /\.tiny\.one dense +4×1×4 .*\n.*\.tiny\.one own +4×1×4 +81 % \w/);
  assert.match(out, /\.tiny own +4×128×4 +81 % \w/);
  assert.match((await burin('--data', join(folder, 'nowhere'))).err, /nowhere: needs a folder that can be read/);
});

for (const [argv, message] of [
  [['model.onnx'], /takes no operand, got 'model\.onnx'/],
  [['--case', 'nowhere'], /no case of \d+ fits/],
  [['--mask', 'stripes'], /--mask needs some of unstructured/],
  [['--quick', '--simd', 'wide'], /--simd needs one of plain, relaxed/],
] as const) {
  test(`refuses ${argv.join(' ')}`, async () => {
    const { code, err } = await burin(...argv);
    assert.is(code, 2);
    assert.match(err, message);
  });
}

test.run();
