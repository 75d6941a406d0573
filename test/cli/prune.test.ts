import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { allocations, countings, criteria, meanings, schedules, scopes } from '../../src/prune/index.ts';
import { burin, type Outcome } from './burin.ts';

const test = suite<{ folder: string }>('cli prune');
test.before((context) => { context.folder = mkdtempSync(join(tmpdir(), 'burin-cli-')); });
test.after((context) => rmSync(context.folder, { recursive: true }));

test('an impossible budget: exit code 3, which the help names, and the fastest network is written', async ({ folder }) => {
  const [costs, file] = [join(folder, 'slow.json'), join(folder, 'fastest.onnx')];
  writeFileSync(costs, JSON.stringify({
    model: 'lenet-300-100', environment: {}, denseMs: 1, givenMs: 1, correction: 1,
    layers: [{ name: 'fc1', weight: 'fc1.weight', givenMs: 0.8, points: { weight: [[0.1, 0.2], [0.5, 0.5]] } }],
  }));
  const argv = ['--costs', costs, '--granularity', 'weight', '-o', file], model = 'zoo:lenet-300-100';
  const possible = await burin('prune', model, '--speedup', '1.5', ...argv);
  assert.equal([possible.code, possible.err], [0, '']);
  const { code, out } = await burin('prune', model, '--speedup', '1000', ...argv);
  assert.is(code, 3);
  assert.match(out, /not possible: this is the fastest there is[^]*fastest\.onnx/);
  assert.ok(existsSync(file));
  assert.match((await burin('--help')).out, /exit 3 +a budget is impossible/);
});

test('masks are written in the format of the ending, and an unknown ending is refused before the work', async ({ folder }) => {
  const path = (name: string): string => join(folder, name), model = 'zoo:lenet-300-100';
  const save = async (name: string, ...argv: string[]): Promise<Outcome> =>
    burin('prune', model, '--sparsity', '0.8', ...argv, '--save-masks', path(name), '-o', path('s.onnx'));
  const unknown = await burin('prune', 'absent.onnx', '--sparsity', '0.8', '--save-masks', path('m.bin'), '-o', path('s.onnx'));
  assert.equal([unknown.code, /ends in .safetensors, .npz, .smtx, or a FOLDER\/, got '.*m\.bin'/.test(unknown.err)], [2, true]);
  const several = await save('one.smtx');
  assert.equal([several.code, /needs one mask, as the file holds one matrix, got 3/.test(several.err)], [2, true]);
  assert.not.ok(existsSync(path('one.smtx')) || existsSync(path('s.onnx')));
  assert.is((await save('one.smtx', '--layers', 'fc3')).code, 0);
  assert.match(readFileSync(path('one.smtx'), 'utf8'), /^10, 100, 200\n/);
  assert.is((await save('masks/')).code, 0);
  const again = await burin('prune', model, '--mask', path('masks'), '-o', path('t.onnx'));
  assert.equal([again.code, again.err], [0, `3 masks of ${path('masks')} (a folder of matrices)\n`]);
  assert.equal(readFileSync(path('t.onnx')), readFileSync(path('s.onnx')));
  const none = await burin('prune', model, '--mask', folder, '-o', path('u.onnx'));
  assert.equal([none.code, /one\.smtx: .*needs/.test(none.err)], [2, true]);
});

test('a report over sparsities says on the command line too where evidence comes from', async () => {
  const quick = ['--sweep', '0.5', '--samples', '1', '--tune', 'predict'];
  const { code, err } = await burin('report', 'zoo:lenet-300-100', '--criterion', 'wanda', ...quick);
  assert.equal([code, /give --calibration FILE with sample inputs, or --evidence FILE .* named fc1\.inputNorms/.test(err)], [2, true]);
});

test('help says what criteria, granularities, scopes, allocations and schedules are', async () => {
  const { out } = await burin('prune', '--help'), tables = { allocations, countings, scopes };
  const lines = out.replace(/\s+/g, ' ');
  for (const table of Object.values(tables)) {
    for (const [name, { about }] of Object.entries(table)) assert.ok(lines.includes(`${name} ${about}`), name);
  }
  for (const [name, { formula }] of Object.entries(criteria)) assert.ok(lines.includes(`${name} ${formula}`), name);
  for (const [name, { formula, source }] of Object.entries(schedules)) assert.ok(lines.includes(`${name} ${formula}; ${source}`), name);
  for (const [name, meaning] of Object.entries(meanings)) assert.ok(lines.includes(name) && lines.includes(meaning), name);
  for (const line of out.split('\n')) assert.ok(line.length <= 100, line);
});

test.run();
