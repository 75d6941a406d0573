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

/** The entry point, and how B is read, by the operation in a name. */
const operations: Readonly<Record<string, readonly [kernel: string, input: string]>> = {
  spmm: ['spmm', 'input/matrix'], spmmt: ['spmm', 'input/matrix'], conv: ['spmm', 'input/image'],
  matmul: ['matmul', 'input/matrix'], matmul_t: ['matmul', 'input/matrix'], matmul_conv: ['matmul', 'input/image'],
};

/** The kernels of products; others have sizes of their own. */
const trials = { spmm: 1, matmul: 1 };

test('names are records: kernel, pattern, input, rows and columns an invocation', () => {
  for (const [name, { kernel, sizes: { SPAN: span }, front, parts }] of Object.entries(variants)) {
    if (!(kernel in trials)) continue;
    const { op, pattern, rows, width } = parseKernel(name);
    assert.equal([kernel, parts.find((part) => part.startsWith('input/'))], operations[op], name);
    assert.is(parts.includes(`pattern/${pattern}`), pattern !== undefined);
    assert.match(front, `const ROWS = ${rows}u;`);
    assert.match(front, `const SPAN = ${span}u;\nconst SPANS = ${width / span}u;`);
    assert.match(front, `alias Span = ${span === 1 ? 'f32' : 'vec4f'};`);
  }
});

test('no variant uses what a default device does not promise', ({ checks }) => {
  const parts = checks.readParts();
  for (const variant of checks.listVariants()) {
    assert.not.match(checks.link(variant, parts), /\boverride\b|\benable\b|\brequires\b|\batomic/, variant.name);
  }
});

test('no two invocations meet in memory without a barrier between', ({ checks }) => {
  for (const name of ['f32_dense_spmm_2x1', 'f32_csr_conv_2x4', 'f32_bsr_spmmt_2x4', 'f32_nm_spmm_2x4', 'f32_matmul_1x1']) {
    checks.checkRaces(named(checks, name), codeOf(checks, name), [...bindings.spmm.job]);
  }
});

test('a missing barrier is found, each of the two', ({ checks }) => {
  const name = 'f32_matmul_1x1', barrier = 'workgroupBarrier();';
  const races = (code: string) => (): void => checks.checkRaces(named(checks, name), code, [...bindings.matmul.job]);
  assert.throws(races(changed(checks, name, barrier, '')), /race/);
  const last = codeOf(checks, name).lastIndexOf(barrier), code = codeOf(checks, name);
  assert.throws(races(code.slice(0, last) + code.slice(last + barrier.length)), /race/);
});

test('a shader that does not parse, asserts what is not so, or has an override stops the build', ({ checks }) => {
  const name = 'f32_matmul_8x8', reflect = (code: string) => (): unknown => checks.reflect(name, code);
  assert.throws(reflect(changed(checks, name, 'fn matmul(', 'fn matmul((')), /shader f32_matmul_8x8: /);
  assert.throws(reflect(changed(checks, name, 'const DEPTH = 8u;', 'const DEPTH = 16u;')), /does not hold: .*16384/);
  assert.throws(reflect(changed(checks, name, 'const ROWS = 8u;', 'const ROWS = 16u;')), /does not hold: ROWS \* SPANS \* SPAN <= 64/);
  assert.throws(reflect(changed(checks, name, 'const GROUP_X = 16u;', 'const GROUP_X = 32u;')), /does not hold: GROUP_X \* GROUP_Y <= 256/);
  assert.throws(reflect(changed(checks, name, 'const STRIDE', 'override STRIDE')), /shader f32_matmul_8x8: /);
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
