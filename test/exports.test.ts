import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as binaries from '../src/backends/binaries.ts';
import { probe } from '../src/backends/wasm.ts';
import { jobFor, jobs, parseKernel } from '../src/kernels.ts';
import { root } from './root.ts';

/** Everything the two binaries may weigh together. */
const MOST_BYTES = 100_000;

const bytesOf = (simd: keyof typeof binaries): Buffer => Buffer.from(binaries[simd], 'base64');
const all = ['plain', 'relaxed'] as const;
const source = (file: string): string => readFileSync(join(root, 'assembly', file), 'utf8');

/** The classes of job.ts: name, and each field with its kind. */
function classes(text: string): Record<string, [string, string][]> {
  return Object.fromEntries([...text.matchAll(/^export class (\w+) \{\n([\s\S]*?)^\}/gm)].map(([, name, body]) =>
    [name, [...body.matchAll(/^ {2}(\w+): (\w+);$/gm)].map(([, field, kind]) => [field, kind])]));
}

test('the records are the same on both sides: names, fields, order, kinds', () => {
  const written = classes(source('job.ts'));
  assert.ok(Object.keys(written).length > 10);
  assert.equal(written, Object.fromEntries(Object.entries(jobs).map(([name, list]) => [name, list.map((field) => [...field])])));
});

test('every export is a kernel whose name parses and that has a record, or the driver', async () => {
  for (const simd of probe()) {
    const exports = WebAssembly.Module.exports(await WebAssembly.compile(new Uint8Array(bytesOf(simd))));
    const functions = exports.filter(({ kind }) => kind === 'function').map(({ name }) => name);
    assert.equal(exports.filter(({ kind }) => kind !== 'function').map(({ name }) => name).sort(), ['heap_base', 'memory', 'table']);
    for (const name of functions.filter((other) => !['run', 'share'].includes(other))) {
      const kernel = parseKernel(name);
      assert.is(kernel.name, name);
      assert.ok(Object.hasOwn(jobs, jobFor(kernel)), name);
      if (/_(spm[mv]|direct|sddmm)/.test(name)) assert.ok(['dense', 'csr', 'bsr', 'pair'].includes(kernel.pattern ?? ''), name);
    }
    assert.ok(['run', 'share', 'matmul'].every((name) => functions.includes(name)));
  }
});

test('a kernel reads the record that the table says', () => {
  const files = [
    'matmul', 'pack', 'axis', 'depthwise', 'window', 'pointwise', 'spmv', 'tile', 'pair', 'sddmm', 'transposed',
  ];
  const bodies = files.map((file) => source(`${file}.ts`)).join('\n');
  const reads = (name: string): string | undefined => new RegExp(
    `export function ${name}(?:<[^(]*>)?\\(at: usize[^{]*\\{\\s*(?:[^\\n]*\\n\\s*)??[^\\n]*changetype<(\\w+Job)>`
  ).exec(bodies)?.[1];
  const table = {
    matmul: 'matmul', pack_rows: 'pack_rows', pack_columns: 'pack_columns', pack_taps: 'pack_taps', pack_a: 'pack_a',
    unpack: 'unpack', pad: 'pad', f32_softmax: 'softmax', f32_sum: 'reduce', b32_copy: 'copy', f32_resize: 'resize',
    f32_scatter: 'scatter', f32_depthwise: 'slide', f32_depthwise_3x3: 'columns',
    f32_maxpool_strided: 'halve', f32_abs: 'map', f32_add: 'combine',
    f32_dense_spmm_2x16: 'wide', f32_pair_spmm_2x24: 'pair', f32_dense_spmm_6x8: 'tall', f32_csr_spmv_1: 'sparse',
    f32_csr_spmv_4: 'rows4', f32_bsr_spmv_4: 'rows4', f16_dense_spmv: 'halves',
    f32_csr_sddmm: 'sample', f32_csr_spmmt_1x32: 'scatterRows',
  };
  for (const [kernel, name] of Object.entries(table)) assert.is(reads(name), jobFor(parseKernel(kernel)), kernel);
});

test('names that are no kernel are refused', () => {
  for (const name of ['', 'F32_ADD', 'f32_csr_spmm_x32', 'f32__add', '1x2']) assert.throws(() => parseKernel(name), /kernel name/);
  assert.equal(parseKernel('f32_csr_spmm_2x24'), {
    name: 'f32_csr_spmm_2x24', dtype: 'f32', pattern: 'csr', op: 'spmm', rows: 2, width: 24,
  });
  assert.equal(parseKernel('f32_depthwise_3x3'), { name: 'f32_depthwise_3x3', dtype: 'f32', op: 'depthwise', rows: 3, width: 3 });
  assert.is(parseKernel('f32_csr_spmv_4').rows, 4);
  assert.equal(parseKernel('f32_pair_direct_2x24'), {
    name: 'f32_pair_direct_2x24', dtype: 'f32', pattern: 'pair', op: 'direct', rows: 2, width: 24,
  });
});

/** Functions of a text module by name; one starts on the second level of brackets. */
function functionsOf(wat: string): Map<string, string> {
  return new Map(wat.split(/^ (?=\(func )/m).slice(1).map((text) => [/^\(func \$(\S+)/.exec(text)![1], text]));
}

for (const file of ['build/burin.wat', 'build/burin.relaxed.wat'].map((name) => join(root, name)).filter((path) => existsSync(path))) {
  test(`no call inside a product kernel of ${file.slice(root.length)}`, () => {
    const text = readFileSync(file, 'utf8'), functions = functionsOf(text);
    const exported = [...text.matchAll(/\(export "(f\d\d_\w+_(?:spm[mv]|direct|sddmm)\w*)" \(func \$([^)]+)\)\)/g)];
    const named = [...source('index.ts').matchAll(/^export function (f\d\d_\w+_(?:spm[mv]|direct|sddmm)\w*)/gm)];
    assert.ok(named.length > 10);
    assert.is(exported.length, named.length);
    for (const [, name, internal] of exported) {
      const body = functions.get(internal);
      assert.ok(body, `${name} has a body`);
      assert.not.match(body, /\(?\bcall(_indirect)?\b/, name);
    }
  });
}

test('relaxed instructions are in one binary and not in the other', () => {
  assert.ok(!bytesOf('plain').equals(bytesOf('relaxed')));
  for (const [file, wanted] of [['burin.wat', false], ['burin.relaxed.wat', true]] as const) {
    const path = join(root, 'build', file);
    if (existsSync(path)) assert.is(readFileSync(path, 'utf8').includes('relaxed_madd'), wanted, file);
  }
});

test(`both binaries weigh less than ${MOST_BYTES} bytes`, () => {
  const sum = all.reduce((total, simd) => total + bytesOf(simd).length, 0);
  assert.ok(sum < MOST_BYTES, `${sum} bytes`);
});

test.run();
