import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readMasks } from '../../src/io/masks/index.ts';
import { readNpy } from '../../src/io/npy.ts';
import { writeNpz } from '../../src/io/npz.ts';
import type { Report } from '../../src/measure/record.ts';
import { readOnnx } from '../../src/io/onnx/index.ts';
import { granularities } from '../../src/prune/index.ts';
import { randomFrom } from '../../src/random.ts';
import { sizeOf, Tensor } from '../../src/tensor.ts';
import { zoo } from '../../src/graph/zoo/index.ts';
import { burin, type Outcome } from './burin.ts';

/** The nearest package.json above: tests run from their source and from what was built. */
function findPackage(): URL {
  const above = ['../../package.json', '../../../package.json'].map((path) => new URL(path, import.meta.url));
  return above.find((url) => existsSync(url))!;
}

const test = suite<{ folder: string }>('cli');
test.before((context) => { context.folder = mkdtempSync(join(tmpdir(), 'burin-cli-')); });
test.after((context) => rmSync(context.folder, { recursive: true }));

test('general help lists the commands', async () => {
  const { code, out, err } = await burin('--help');
  assert.equal([code, err], [0, '']);
  for (const name of ['report', 'inspect', 'run', 'prune']) assert.match(out, new RegExp(`^  ${name} `, 'm'));
});

test('--version prints that of the package', async () => {
  const { version } = JSON.parse(readFileSync(findPackage(), 'utf8')) as { version: string };
  assert.equal(await burin('--version'), { code: 0, out: `${version}\n`, err: '' });
});

test('help of a command lists its options, the keys of its tables and examples', async () => {
  const { code, out } = await burin('report', '--help');
  assert.is(code, 0);
  for (const key of [...Object.keys(zoo), ...Object.keys(granularities), 'magnitude', 'csr', 'wasm', '--sweep', 'Examples', 'block(R,C)']) {
    assert.ok(out.includes(key), key);
  }
  for (const name of ['run', 'prune']) assert.match((await burin(name, '--help')).out, /Usage: burin \w+ MODEL[^]*Examples/);
  for (const line of out.split('\n')) assert.ok(line.length <= 100, line);
});

const usageErrors: readonly (readonly [argv: string[], message: RegExp])[] = [
  [[], /needs a command, one of report, inspect, run, prune/],
  [['cook'], /got 'cook'/],
  [['constructor'], /got 'constructor'/],
  [['report'], /needs one MODEL, got none/],
  [['report', 'a.onnx', 'b.onnx'], /needs one MODEL, got 2/],
  [['report', 'a.onnx', '--nonsense'], /--nonsense/],
  [['report', 'a.onnx', '--samples', 'many'], /--samples needs a whole number from 1 to 100000, got 'many'/],
  [['report', 'a.onnx', '--sparsity', '90'], /--sparsity needs a number from 0 to 1, got '90'/],
  [['report', 'a.onnx', '--sparsity', ''], /--sparsity needs/],
  [['report', 'a.onnx', '--criterion', 'taste', '--sparsity', '0.5'], /--criterion needs one of magnitude/],
  [['report', 'a.onnx', '--granularity', 'crumb', '--sparsity', '0.5'], /crumb/],
  [['report', 'a.onnx', '--granularity', 'filter'], /--granularity needs --sparsity/],
  [['report', 'a.onnx', '--scope', 'galaxy', '--sparsity', '0.5'], /--scope needs one of layer, row, model, or N:M/],
  [['report', 'a.onnx', '--floor', '0.1'], /--floor needs --sparsity/],
  [['prune', 'a.onnx', '--sparsity', 'fc1=2', '-o', 'b.onnx'], /--sparsity needs a number from 0 to 1, got '2'/],
  [['prune', 'a.onnx', '--sparsity', '0.5', '--allocation', 'fair', '-o', 'b.onnx'], /--allocation needs one of uniform, uniform\+, erk/],
  [['prune', 'a.onnx', '--sparsity', '0.5', '--counting', 'fingers', '-o', 'b.onnx'], /--counting needs one of exact, torch/],
  [['prune', 'zoo:lenet-300-100', '--sparsity', '0.5', '--layers', 'fc9', '-o', 'b.onnx'], /option layers: needs layers among fc1/],
  [['prune', 'a.onnx', '--mask', 'm.npz', '--sparsity', '0.5', '-o', 'b.onnx'], /--mask decides what goes; leave --sparsity out/],
  [['prune', 'a.onnx', '--mask-name', 'w', '--sparsity', '0.5', '-o', 'b.onnx'], /--mask-name needs --mask FILE/],
  [['prune', 'a.onnx', '--mask', 'm.npz', '--mask-layout', 'mirror', '-o', 'b.onnx'], /--mask-layout needs one of stored, torch/],
  [['prune', 'a.onnx', '--speedup', '2', '--budget-ms', '8', '-o', 'b.onnx'], /only one of --speedup and --budget-ms/],
  [['prune', 'a.onnx', '--speedup', '2', '--allocation', 'erk', '-o', 'b.onnx'], /--speedup decides what goes; leave --allocation out/],
  [['prune', 'a.onnx', '--sparsity', '0.5', '--save-costs', 'c.json', '-o', 'b.onnx'], /--save-costs needs --speedup or --budget-ms/],
  [['prune', 'a.onnx', '--budget-ms', '0', '-o', 'b.onnx'], /--budget-ms needs a number of 0.000001 or more/],
  [['prune', 'a.onnx', '--sparsity', '0.5', '--shape', 'x=1x2', '-o', 'b.onnx'], /--shape needs --remove, --speedup or --budget-ms/],
  [['prune', 'a.onnx', '--sparsity', '0.5', '--granularity', 'channels', '--floor', '0.1', '-o', 'b.onnx'], /channels .*leave --floor out/],
  [['prune', 'a.onnx', '--granularity', 'channels', '--scope', '2:4', '-o', 'b.onnx'], /channels needs --scope layer or model/],
  [['report', 'a.onnx', '--mask', 'm.npz', '--sweep', '0.5'], /--sweep prunes by itself; leave --mask out/],
  [['report', 'a.onnx', '--scope', '2:4', '--sparsity', '0.5'], /fixes the sparsity/],
  [['report', 'a.onnx', '--scope', '2:4', '--sweep', '0.5'], /--sweep needs --scope layer, row or model/],
  [['report', 'a.onnx', '--format', 'csr,zip'], /--format needs some of dense, csr.*got 'zip'/],
  [['report', 'a.onnx', '--provider', 'abacus'], /--provider needs some of wasm/],
  [['report', 'a.onnx', '--shape', 'x=1xtwo'], /--shape needs NAME=1x3x224x224/],
  [['report', 'a.onnx', '--shape', '1x2'], /--shape needs NAME/],
  [['prune', 'a.onnx', '-o', 'b.onnx'], /needs --sparsity/],
  [['prune', 'a.onnx', '--sparsity', '0.5'], /needs -o FILE/],
  [['prune', 'zoo:nothing', '--sparsity', '0.5', '-o', 'b.onnx'], /one of lenet-300-100/],
  [['prune', 'zoo:vgg16@big', '--sparsity', '0.5', '-o', 'b.onnx'], /zoo:NAME@PIXELS/],
  [['run', 'zoo:lenet-300-100', '--input', 'other=sin'], /--input needs one of/],
  [['run', 'zoo:lenet-300-100', '--shape', 'other=1x2'], /--shape needs one of \w+, got 'other'/],
  [['report', 'zoo:lenet-300-100', '--shape', 'other=1x2'], /--shape needs one of \w+, got 'other'/],
  [['inspect', 'zoo:lenet-300-100', '--shape', 'other=1x2'], /--shape needs one of \w+, got 'other'/],
  [['inspect', 'a.onnx', '-o', 'a.pdf'], /-o needs a file that ends in \.html, \.svg, \.md, got 'a\.pdf'/],
  [['inspect', 'a.onnx', '--op', 'Conv'], /--op needs --profile/],
  [['inspect', 'zoo:lenet-300-100', '--profile', '--op', 'Conv'], /profile ops: needs some of Gemm, got 'Conv'/],
  [['inspect', 'a.onnx', '--convention', 'abacus'], /--convention needs one of macs, .*shrinkbench, got 'abacus'/],
  [['report', 'a.onnx', '--sweep', ''], /--sweep needs numbers, got none/],
  [['report', 'a.onnx', '--json', '-', '--html', '-'], /only one of --json, --html, --markdown can be -/],
  [['prune', 'a.onnx', '--sparsity', '0.5', '--provider', 'webgpu', '-o', 'b.onnx'], /--provider needs --speedup or --budget-ms/],
  [['prune', 'a.onnx', '--speedup', '2', '--provider', 'auto', '-o', 'b.onnx'], /--provider needs some of wasm, webgpu, reference, got/],
  [['bench', '--provider', 'abacus'], /--provider needs one of wasm, webgpu, got 'abacus'/],
  [['bench', '--format', 'csr,zip'], /--format needs some of csr, bsr, .*got 'zip'/],
  [['bench', '--provider', 'webgpu', '--simd', 'plain'], /--simd is of WebAssembly/],
  [['report', 'a.onnx', '--format', 'csr', '--provider', 'reference'], /--format csr needs a provider with kernels/],
];

for (const [argv, message] of usageErrors) {
  test(`usage: ${argv.join(' ') || 'nothing'}`, async () => {
    const { code, out, err } = await burin(...argv);
    assert.match(err, message);
    assert.match(err, /\nTry: burin .*--help\n$/);
    assert.equal([code, out], [2, '']);
    assert.not.match(err, /^\s+at /m);
  });
}

test('a file that is not there, a folder, bytes that are no model: exit code 1, the message and no stack', async ({ folder }) => {
  const junk = join(folder, 'junk.onnx');
  writeFileSync(junk, 'this is no model');
  for (const path of [join(folder, 'absent.onnx'), folder, junk]) {
    const { code, err } = await burin('prune', path, '--sparsity', '0.5', '-o', join(folder, 'x.onnx'));
    assert.is(code, 1, err);
    assert.match(err, /^burin: /);
    assert.not.match(err, /^\s+at |--help/m);
  }
  assert.match((await burin('prune', junk, '--sparsity', '0.5', '-o', join(folder, 'x.onnx'), '--debug')).err, /^\s+at /m);
});

test('a result that could not be put down is refused before the work', async ({ folder }) => {
  const { code, err } = await burin('report', 'zoo:vgg16', '--json', join(folder, 'no', 'where.json'));
  assert.is(code, 1);
  assert.match(err, /a folder that exists/);
});

test('prune writes an ONNX file with the zeros asked for', async ({ folder }) => {
  const file = join(folder, 'pruned.onnx');
  const { code, out, err } = await burin('prune', 'zoo:lenet-300-100', '--sparsity', '0.9', '-o', file, '--sparse-initializers');
  assert.is(code, 0, err);
  assert.match(out, /26\.6 k of 266 k weights in 3 layers are left \(10 %\)/);
  const graph = readOnnx(new Uint8Array(readFileSync(file)));
  const zeros = [...graph.constants.values()].flatMap((tensor) => [...tensor.data as Float32Array]).filter((value) => value === 0).length;
  assert.ok(zeros >= 239_580, `${zeros}`);
});

test('prune takes a table, an allocation, layers, a floor, another way to count', async ({ folder }) => {
  const file = join(folder, 'table.onnx');
  const left = async (...argv: string[]): Promise<string> => {
    const { code, out, err } = await burin('prune', 'zoo:lenet-300-100', ...argv, '-o', file);
    assert.is(code, 0, err);
    return out.split(' weights')[0] + err;
  };
  assert.is(await left('--sparsity', 'fc1=0.92,fc3=0.74'), '49.1 k of 266 k');
  const twice = await burin('prune', 'zoo:lenet-300-100', '--sparsity', 'fc1=0.5,fc1=0.3', '-o', join(folder, 'twice.onnx'));
  assert.is(twice.code, 2);
  assert.match(twice.err, /two for 'fc1'/);
  assert.is(await left('--sparsity', '0.9', '--allocation', 'erk'), '26.6 k of 266 k');
  assert.is(await left('--sparsity', '1', '--layers', 'fc*', '--exclude', 'fc1,fc2'),
    '265 k of 266 knothing is left of fc3: its outputs no longer depend on its inputs\n');
  assert.is(await left('--sparsity', '0.5', '--counting', 'open_lth', '--layers', 'fc3'), '266 k of 266 k');
  const floored = await left('--sparsity', '1', '--floor', '0.5');
  assert.is(floored, '133 k of 266 kkept by --floor: fc1\nkept by --floor: fc2\nkept by --floor: fc3\n');
});

test('masks are saved with how they were made, and prune again to the same network', async ({ folder }) => {
  const path = (name: string): string => join(folder, name), model = 'zoo:lenet-300-100';
  const erk = ['--sparsity', '0.8', '--allocation', 'erk', '--save-masks', path('m.safetensors')];
  const first = await burin('prune', model, ...erk, '-o', path('a.onnx'));
  assert.is(first.code, 0, first.err);
  const { how, masks } = await readMasks(new Uint8Array(readFileSync(path('m.safetensors'))));
  assert.equal([(how as { allocation: string }).allocation, (how as { sparsity: number }).sparsity, masks.size], ['erk', 0.8, 3]);
  const again = await burin('prune', model, '--mask', path('m.safetensors'), '--save-masks', path('m.npz'), '-o', path('b.onnx'));
  assert.equal([again.code, again.err], [0, `3 masks of ${path('m.safetensors')} (burin)\n`]);
  assert.equal(readFileSync(path('b.onnx')), readFileSync(path('a.onnx')));
  const third = await burin('report', model, '--mask', path('m.npz'), '--samples', '1', '--tune', 'predict', '--json', '-');
  assert.is((JSON.parse(third.out) as Report).pruning?.criterion, 'the mask m.npz');
  const pruned = await burin('prune', model, '--mask', path('a.onnx'), '-o', path('c.onnx'));
  assert.match(pruned.err, /3 masks of .*a\.onnx \(network\)/);
  writeFileSync(path('junk.npz'), 'PK\x03\x04 this is no archive');
  const junk = await burin('prune', model, '--mask', path('junk.npz'), '-o', path('d.onnx'));
  assert.is(junk.code, 1);
  assert.match(junk.err, /junk\.npz: /);
});

test('prune to a budget: the cost table is saved, and allocates again without measuring', async ({ folder }) => {
  const [costs, file] = [join(folder, 'costs.json'), join(folder, 'fast.onnx')], layers = ['--layers', 'fc1,fc2'];
  const budget = ['--granularity', 'weight,block(4,4)', ...layers, '--save-costs', costs, '-o', file];
  const first = await burin('prune', 'zoo:lenet-300-100', '--speedup', '1.3', ...budget);
  // The clock decides whether the budget is possible, and the exit code says whether it was.
  const codeOf = ({ out }: Outcome): number => (out.includes('not possible: this is the fastest there is') ? 3 : 0);
  assert.equal([first.code, first.err], [codeOf(first), '']);
  assert.match(first.out, /Asked for .*dense .*ms[^]*Kept: .* of the score[^]*weights in 3 layers are left[^]*fast\.onnx/);
  const again = await burin('prune', 'zoo:lenet-300-100', '--speedup', '1.2', '--costs', costs, ...layers, '-o', file);
  assert.equal([again.code, again.err], [codeOf(again), '']);
  assert.match(again.out, /by the cost table/);
  writeFileSync(join(folder, 'null.json'), 'null');
  const none = await burin('prune', 'zoo:lenet-300-100', '--speedup', '1.2', '--costs', join(folder, 'null.json'), '-o', file);
  assert.is(none.code, 1);
  assert.match(none.err, /null\.json.*needs a cost table/s);
  const { code, err } = await burin('prune', 'zoo:lenet-300-100', '--speedup', '1.2', '--costs', file, '-o', join(folder, 'x.onnx'));
  assert.is(code, 1);
  assert.match(err, /fast\.onnx: needs a cost table/);
});

test('prune channels and remove them: a smaller network', async ({ folder }) => {
  const file = join(folder, 'small.onnx');
  const { code, out, err } = await burin('prune', 'zoo:resnet18', '--granularity', 'channels', '--sparsity', '0.5', '--remove', '-o', file);
  assert.equal([code, err.replace(/^left as it was: fc: .*\n/, '')], [0, '']);
  assert.match(out, /parameters 11\.7 M → 3\.06 M \(3\.83×\), multiply-adds 1\.81 G → 483 M \(3\.75×\)/);
  const { totals } = JSON.parse((await burin('inspect', file, '--json')).out);
  assert.is(totals.macs, 483_149_824);
  const again = await burin('prune', file, '--remove', '-o', join(folder, 'again.onnx'));
  assert.match(again.out, /parameters 3\.06 M → 3\.06 M/);
});

test('criteria take their evidence from a file, or gather it from sample inputs', async ({ folder }) => {
  const path = (name: string): string => join(folder, name), model = 'zoo:lenet-300-100';
  const tensor = (dims: number[], seed: number): Tensor => {
    return new Tensor('float32', randomFrom(seed).normals(new Float32Array(sizeOf(dims)), 1), dims);
  };
  const fc3 = ['--layers', 'fc3', '--sparsity', '0.5', '-o', path('e.onnx')];
  writeFileSync(path('g.npz'), writeNpz(new Map([['fc3.gradient', tensor([10, 100], 1)]])));
  const gradient = await burin('prune', model, '--criterion', 'gradient', '--evidence', path('g.npz'), ...fc3);
  assert.equal([gradient.code, gradient.err], [0, '']);
  writeFileSync(path('x.npz'), writeNpz(new Map([['input', tensor([3, 1, 28, 28], 2)]])));
  const wanda = await burin('prune', model, '--criterion', 'wanda', '--scope', 'row', '--calibration', path('x.npz'), ...fc3);
  assert.equal([wanda.code, wanda.err], [0, '']);
  const idle = await burin('prune', model, '--calibration', path('x.npz'), ...fc3);
  assert.match(idle.err, /--calibration is for criteria that need inputNorms or hessian, got 'magnitude'/);
  const nothing = await burin('prune', model, '--criterion', 'wanda', ...fc3);
  assert.match(nothing.err, /evidence of fc3 .*inputNorms: needs ‖x‖₂/);
  assert.match(nothing.err, /; give --calibration FILE with sample inputs, or --evidence FILE .* with an array named fc3\.inputNorms\n/);
  const trained = await burin('prune', model, '--criterion', 'gradient', ...fc3);
  assert.match(trained.err, /got nothing; give --evidence FILE \(.npz, .safetensors\) with an array named fc3\.gradient\n/);
  assert.is(trained.code, 2);
  writeFileSync(path('h.npz'), writeNpz(new Map([['fc3.taste', tensor([1], 1)]])));
  const wrong = await burin('prune', model, '--criterion', 'gradient', '--evidence', path('h.npz'), ...fc3);
  assert.match(wrong.err, /h\.npz: needs arrays named LAYER\.KIND, KIND one of gradient, .*got 'fc3\.taste'/);
});

test('inspect counts as the literature does, as a table and as JSON', async () => {
  const { code, out, err } = await burin('inspect', 'zoo:lenet-5-caffe');
  assert.is(code, 0, err);
  assert.match(out, /431 k parameters \(431080\)/);
  assert.match(out, /2\.29 M \(2293000\) by macs/);
  const record = JSON.parse((await burin('inspect', 'zoo:lenet-5-caffe', '--json', '--convention', 'ptflops')).out);
  assert.equal([record.model, record.convention, record.totals.params, record.totals.macs], ['lenet-5-caffe', 'ptflops', 431080, 2323450]);
  const wrong = await burin('inspect', 'zoo:lenet-5-caffe', '--convention', 'abacus');
  assert.is(wrong.code, 2);
  assert.match(wrong.err, /--convention needs one of macs, .*ptflops/);
});

test('inspect --profile draws where parameters and work are, --bytes what they take; JSON carries both', async () => {
  const { code, out, err } = await burin('inspect', 'zoo:vgg16-bn-cifar', '--profile', '--op', 'Conv');
  assert.is(code, 0, err);
  assert.match(out, /4 of 13 layers have 64 % of the parameters and 30 % of the MACs/);
  assert.match(out, /^features\.40 +█+ +16 % +█+ +3\.0 %$/m);
  assert.not.match(out, /classifier/);
  const record = JSON.parse((await burin('inspect', 'zoo:lenet-5-caffe', '--profile', '--bytes', '--json')).out);
  assert.equal([record.profile.model, record.profile.work.total, record.profile.layers.length], ['lenet-5-caffe', 2_293_000, 4]);
  assert.equal([record.bytes.totals.dense, record.bytes.totals.others], [4 * 430_500, 4 * 580]);
  const same = JSON.parse((await burin('inspect', 'zoo:lenet-5-caffe', '--profile', '--json', '--convention', 'shrinkbench')).out);
  assert.equal([same.totals.macs, same.profile.work.total], [4_397_000, 4_397_000]);
});

test('inspect -o writes a page, a picture or Markdown, by its ending', async ({ folder }) => {
  const model = join(folder, 'pruned.onnx');
  await burin('prune', 'zoo:lenet-5-caffe', '--sparsity', '0.9', '-o', model);
  const starts = { html: /^<!doctype html>/, svg: /^<svg xmlns/, md: /^## pruned\n/ };
  for (const [ending, start] of Object.entries(starts)) {
    const path = join(folder, `profile.${ending}`), { code, out, err } = await burin('inspect', model, '--profile', '--bytes', '-o', path);
    assert.is(code, 0, err);
    assert.ok(out.includes(`\n${path}\n`) && out.includes('░'));
    const text = readFileSync(path, 'utf8');
    assert.match(text, start);
    for (const word of ['conv1', 'fc2', 'csr']) assert.ok(text.includes(word), `${ending}: ${word}`);
  }
  const absent = await burin('inspect', model, '-o', join(folder, 'nowhere', 'a.html'));
  assert.is(absent.code, 1);
  assert.match(absent.err, /a folder that exists/);
});

test('layers that do not fit are named and left, or refused with --strict', async ({ folder }) => {
  const argv = ['prune', 'zoo:resnet20-cifar', '--scope', '2:4', '-o', join(folder, 'nm.onnx')];
  const lax = await burin(...argv);
  assert.is(lax.code, 0);
  assert.match(lax.err, /^left as it was: conv1: .*got 3/m);
  assert.is((await burin(...argv, '--strict')).code, 1);
});

test('run writes outputs that numpy can read', async ({ folder }) => {
  const { code, out, err } = await burin('run', 'zoo:lenet-300-100', '--input', 'random', '-o', join(folder, 'out'));
  assert.is(code, 0, err);
  assert.match(out, /^scores float32 \[1, 10\]: .* mean .*\n {2}largest: \[\d\]/);
  const scores = readNpy(new Uint8Array(readFileSync(join(folder, 'out', 'scores.npy'))));
  assert.equal(scores.dims, [1, 10]);
  const again = await burin('run', 'zoo:lenet-300-100', '--input', 'random');
  assert.is(again.out, out);
  const raw = join(folder, 'short.f32');
  writeFileSync(raw, new Uint8Array(12));
  const short = await burin('run', 'zoo:lenet-300-100', '--input', raw);
  assert.is(short.code, 1);
  assert.match(short.err, /short\.f32: .*784 elements, got 3/);
  const bad = join(folder, 'bad.npy');
  writeFileSync(bad, 'no array');
  const damaged = await burin('run', 'zoo:lenet-300-100', '--input', bad);
  assert.is(damaged.code, 1);
  assert.match(damaged.err, /bad\.npy: npy file: needs a NumPy file/);
  const blocked = await burin('run', 'zoo:lenet-300-100', '-o', join(bad, 'out'));
  assert.equal([blocked.code, blocked.out], [1, '']);
  assert.match(blocked.err, /a folder to write to/);
});

test('report writes the record, a page and a table', async ({ folder }) => {
  const [json, html] = [join(folder, 'report.json'), join(folder, 'report.html')];
  const { code, out, err } = await burin(
    'report', 'zoo:lenet-5-caffe', '--sparsity', '0.9', '--samples', '3', '--tune',
    'predict', '--sweep', '0.5', '--json', json, '--html', html,
  );
  assert.is(code, 0, err);
  assert.is(err, '');
  assert.match(out, /The mask promises 10\.0×\. This device gives [\d.]+×/);
  const report = JSON.parse(readFileSync(json, 'utf8')) as Report;
  assert.equal(report.pruning, { criterion: 'magnitude', granularity: 'weight', scope: 'layer', sparsity: 0.9 });
  assert.equal([report.totals.macs.dense, report.samples, report.curve?.[0].sparsity], [2_293_000, 3, 0.5]);
  assert.match(readFileSync(html, 'utf8'), /<svg[^]*y = x/);
});

test('JSON on standard output stands alone', async () => {
  const { out } = await burin('report', 'zoo:lenet-300-100', '--sparsity', '0.5', '--samples', '1', '--tune', 'predict', '--json', '-');
  assert.is(JSON.parse(out).model, 'lenet-300-100');
});

test.run();
