import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bindings, texts, variants } from '../../src/backends/webgpu/shaders.ts';
import { parseKernel } from '../../src/kernels.ts';
import { root } from '../root.ts';

interface Listed { name: string; kernel: string; sizes: Record<string, number>; front: string; parts: string[] }
interface Reflected { layout: GPUBindGroupLayoutEntry[]; job: unknown[]; entry: string }

/** scripts/shaders.mjs, which checks the shaders in every build. */
interface Checks {
  readParts(): Record<string, string>;
  listVariants(): Listed[];
  link(variant: Listed, texts: Record<string, string>): string;
  reflect(name: string, code: string): Reflected;
  bindingsOf(reflected: (Listed & Reflected)[]): typeof bindings;
  checkRaces(variant: Listed, code: string, job: unknown[]): void;
}

const test = suite<{ checks: Checks }>('shaders');
test.before(async (context) => { context.checks = await import(pathToFileURL(join(root, 'scripts', 'shaders.mjs')).href) as Checks; });

const named = ({ listVariants }: Checks, name: string): Listed => listVariants().find((one) => one.name === name)!;
const codeOf = (checks: Checks, name: string): string => checks.link(named(checks, name), checks.readParts());

/** The code of a variant with one change, which must be there to be made. */
function changed(checks: Checks, name: string, from: string | RegExp, to: string): string {
  const code = codeOf(checks, name), other = code.replace(from, to);
  assert.is.not(other, code, `${from} is not in ${name}`);
  return other;
}

test('what was generated is what lies in shaders/', ({ checks }) => {
  assert.equal(texts, checks.readParts());
  assert.equal(Object.keys(variants), checks.listVariants().map(({ name }) => name));
  for (const listed of checks.listVariants()) {
    const { kernel, front, parts } = variants[listed.name];
    assert.equal({ kernel, front, parts }, { kernel: listed.kernel, front: listed.front, parts: listed.parts }, listed.name);
  }
});

test('every variant parses, holds its assertions, has its kernel as entry and the layout of all', ({ checks }) => {
  const parts = checks.readParts();
  const reflected = checks.listVariants().map((one) => ({ ...one, ...checks.reflect(one.name, checks.link(one, parts)) }));
  for (const { name, entry, kernel } of reflected) assert.is(entry, kernel, name);
  assert.equal(checks.bindingsOf(reflected), bindings);
});

test('layouts: a uniform job, operands read, the last one written, all for compute', () => {
  for (const [kernel, { layout, job }] of Object.entries(bindings)) {
    const types = layout.map(({ buffer }) => buffer?.type);
    assert.equal(types, ['uniform', ...Array<string>(types.length - 2).fill('read-only-storage'), 'storage'], kernel);
    assert.equal(layout.map(({ binding, visibility }) => [binding, visibility]), types.map((_, binding) => [binding, 4]), kernel);
    assert.is(layout[0].buffer?.minBindingSize, Math.max(...job.map(({ offset }) => offset + 4)), kernel);
  }
});

/** How B is read, by the operation in a name. */
const inputs: Readonly<Record<string, string>> = {
  spmv: 'matrix', spmv_conv: 'image', spmm: 'matrix', spmmt: 'matrix', conv: 'image',
  matmul: 'matrix', matmul_t: 'floats', matmul_conv: 'images', windows: 'matrix', windows_t: 'floats', windows_conv: 'images',
};

test('names of walking products are records: pattern, input, rows and columns an invocation', () => {
  for (const [name, { sizes: { SPAN: span }, front, parts }] of Object.entries(variants).filter(([, { kernel }]) => kernel === 'spmm')) {
    const { op, pattern, rows, width } = parseKernel(name);
    for (const part of [`pattern/${pattern}`, `input/${inputs[op]}`]) assert.ok(parts.includes(part), `${name} without ${part}`);
    assert.match(front, `const ROWS = ${rows}u;`);
    assert.match(front, `const SPAN = ${span}u;\nconst SPANS = ${width / span}u;`);
    assert.match(front, `alias Span = ${span === 1 ? 'f32' : 'vec4f'};`);
  }
});

test('names of products of few columns: pattern, input, rows of a packing, invocations along K', () => {
  const all = Object.entries(variants).filter(([, { kernel }]) => kernel === 'spmv');
  assert.ok(all.length > 0);
  const form = /^f\d\d_([a-z]+)_(spmv[_a-z]*)_(\d+)x(\d+)(_subgroups)?$/;
  for (const [name, { sizes: { ROWS, ALONG }, parts }] of all) {
    const [, pattern, op, lanes, along, joins = '_pairs'] = form.exec(name)!;
    for (const part of [`pattern/${pattern}`, `input/${inputs[op]}`, `across/rows${joins}`]) {
      assert.ok(parts.includes(part), `${name} without ${part}`);
    }
    assert.equal([Number(lanes), Number(along)], [ROWS, ALONG], name);
  }
});

test('names of staged products: pattern, input, rows of a packing, rows and columns of a workgroup', () => {
  const all = Object.entries(variants).filter(([, { kernel }]) => kernel === 'matmul');
  assert.ok(all.length > 0);
  for (const [name, { sizes, parts }] of all) {
    const [, pattern, op, lanes, rows, columns] = /^f\d\d_([a-z]+)_(matmul[_a-z]*)_(\d+)_(\d+)x(\d+)$/.exec(name)!;
    for (const part of [`pattern/${pattern}`, `input/${inputs[op]}`]) assert.ok(parts.includes(part), `${name} without ${part}`);
    const { ROWS, BLOCKS, GROUP_X, GROUP_Y, SPAN, SPANS } = sizes;
    assert.equal([Number(lanes), Number(rows), Number(columns)], [ROWS, ROWS * BLOCKS * GROUP_Y, GROUP_X * SPAN * SPANS], name);
  }
});

test('names of staged N:M products: input, M / N, rows and columns of a workgroup', () => {
  const all = Object.entries(variants).filter(([, { kernel }]) => kernel === 'windows');
  assert.ok(all.length > 0);
  for (const [name, { sizes, parts }] of all) {
    const [, op, times, rows, columns] = /^f\d\d_nm_(windows[_a-z]*)_(\d+)_(\d+)x(\d+)$/.exec(name)!;
    assert.ok(parts.includes(`input/${inputs[op]}`), name);
    const { BLOCKS, GROUP_X, GROUP_Y, SPAN, SPANS, DEPTH, PANEL_DEPTH } = sizes;
    assert.equal([Number(times) * DEPTH, Number(rows), Number(columns)], [PANEL_DEPTH, BLOCKS * GROUP_Y, GROUP_X * SPAN * SPANS], name);
  }
});

test('16 bits are read where a name says so, and nowhere else', () => {
  for (const [name, { parts }] of Object.entries(variants)) {
    const lanes = parts.filter((part) => part.startsWith('lane/'));
    if (lanes.length) assert.equal(lanes.map((part) => part.startsWith('lane/half/')), [name.startsWith('f16_')], name);
    else assert.not.match(name, /^f16_/);
  }
});

test('a variant enables what it needs and has a twin that needs nothing', ({ checks }) => {
  const parts = checks.readParts(), special = /\b(override|enable|requires|atomic\w*|subgroup\w*)\b/;
  const plain = new Set(Object.entries(variants).filter(([, { needs }]) => !needs).map(([name]) => name.replace(/\d+$/, '')));
  for (const variant of checks.listVariants()) {
    const code = checks.link(variant, parts).replace(/\/\/.*$/gm, ''), { needs } = variants[variant.name];
    if (!needs) {
      assert.not.match(code, special, variant.name);
      continue;
    }
    assert.equal([needs, code.split('\n')[0]], [['subgroups'], 'enable subgroups;'], variant.name);
    // Which size subgroups have, and which invocations are in one, is the device's affair.
    assert.not.match(code, /subgroup_size|subgroup_invocation_id|subgroup_id/, variant.name);
    const twin = variant.name.replace('_subgroups', '').replace(/\d+$/, '');
    assert.ok(plain.has(twin), `${variant.name} without ${twin}`);
  }
});

test('no two invocations meet in memory without a barrier between', ({ checks }) => {
  const walking = ['f32_dense_spmm_2x1', 'f32_csr_conv_2x4', 'f32_bsr_spmmt_2x4', 'f32_nm_spmm_2x4'];
  const vectors = ['f32_bsr_spmv_2x16', 'f32_bsr_spmv_2x64_subgroups'];
  for (const name of [...walking, ...vectors, 'f32_bsr_matmul_4_32x64', 'f32_nm_windows_conv_4_32x64']) {
    checks.checkRaces(named(checks, name), codeOf(checks, name), [...bindings.spmm.job]);
  }
});

test('a missing barrier is found', ({ checks }) => {
  const name = 'f32_dense_matmul_4_32x64', code = changed(checks, name, 'workgroupBarrier();', '');
  assert.throws(() => checks.checkRaces(named(checks, name), code, [...bindings.matmul.job]), /race/);
});

test('a missing barrier of a sum of invocations is found', ({ checks }) => {
  const name = 'f32_csr_spmv_2x16', code = codeOf(checks, name), last = code.lastIndexOf('workgroupBarrier();');
  const without = code.slice(0, last) + code.slice(last).replace('workgroupBarrier();', '');
  assert.throws(() => checks.checkRaces(named(checks, name), without, [...bindings.spmv.job]), /race/);
});

test('a missing barrier between subgroups is found', ({ checks }) => {
  const product = 'f32_csr_spmv_2x32_subgroups', sum = 'f32_sum_group_subgroups';
  const without = (name: string): string => changed(checks, name, 'workgroupBarrier();', '');
  assert.throws(() => checks.checkRaces(named(checks, product), without(product), [...bindings.spmv.job]), /race/);
  assert.throws(() => checks.checkRaces(named(checks, sum), without(sum), [...bindings.reduce_group.job]), /race/);
});

test('two halves of workgroup memory that are one race', ({ checks }) => {
  const name = 'f32_dense_matmul_4_32x64', code = changed(checks, name, 'side = 1u - side;', '');
  assert.throws(() => checks.checkRaces(named(checks, name), code, [...bindings.matmul.job]), /race/);
});

test('a shader that does not parse, asserts what is not so, or has an override stops the build', ({ checks }) => {
  const name = 'f32_dense_matmul_8_128x128', reflect = (code: string) => (): unknown => checks.reflect(name, code);
  assert.throws(reflect(changed(checks, name, 'fn matmul(', 'fn matmul((')), /shader f32_dense_matmul_8_128x128: /);
  assert.throws(reflect(changed(checks, name, 'const DEPTH = 8u;', 'const DEPTH = 16u;')), /does not hold: .*16384/);
  assert.throws(reflect(changed(checks, name, 'const ROWS = 8u;', 'const ROWS = 9u;')), /does not hold: ROWS == LANE \* LANES/);
  assert.throws(reflect(changed(checks, name, 'const GROUP_X = 16u;', 'const GROUP_X = 32u;')), /does not hold: GROUP_X \* GROUP_Y <= 256/);
  assert.throws(reflect(changed(checks, name, 'const TALL', 'override TALL')), /shader f32_dense_matmul_8_128x128: /);
});

test('a variant that binds otherwise than the rest of its kernel stops the build', ({ checks }) => {
  const names = ['f32_csr_spmm_1x1', 'f32_nm_spmm_1x1'].map((name) => named(checks, name));
  const code = changed(checks, names[1].name, 'var<storage, read> bias', 'var<storage, read_write> bias');
  const reflected = [
    { ...names[0], ...checks.reflect('csr', codeOf(checks, names[0].name)) }, { ...names[1], ...checks.reflect('nm', code) },
  ];
  assert.throws(() => checks.bindingsOf(reflected), /shader f32_nm_spmm_1x1: binds other than the rest of spmm/);
});

test.run();
