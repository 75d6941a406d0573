import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { explain, lossesOf } from '../../src/measure/explain.ts';
import type { Report } from '../../src/measure/record.ts';
import { count, ms, number, percent, times } from '../../src/measure/words.ts';
import { htmlPage } from '../../src/report/html.ts';
import { reportJson } from '../../src/report/json.ts';
import { reportMarkdown } from '../../src/report/markdown.ts';
import { reportText } from '../../src/report/text.ts';
import { briefNames, facts, headline, withShortNames } from '../../src/report/words.ts';
import { fakeReport, fullReport } from './fake.ts';

const broken = /\bNaN\b|undefined|Infinity|\[object/;

test('numbers are short and never broken', () => {
  assert.equal([0, 0.00123, 0.0123, 0.123, 1.234, 12.34, 1234].map(number), ['0', '0.0012', '0.012', '0.12', '1.23', '12.3', '1234']);
  assert.equal([2, 0.85, 12.345, 123].map(times), ['2.00×', '0.85×', '12.3×', '123×']);
  assert.equal([0, 0.05, 0.5, 0.72, 0.995, 1].map(percent), ['0 %', '5.0 %', '50 %', '72 %', '99.5 %', '100 %']);
  assert.equal([7, 999, 1000, 117_130_000, 3e9].map(count), ['7', '999', '1.00 k', '117 M', '3.00 G']);
  assert.equal([null, undefined, NaN, Infinity].map(ms), ['–', '–', '–', '–']);
});

test('the headline says promise, gift and share', () => {
  const totals = { ...fakeReport().totals, measuredSpeedup: 1.45, efficiency: 0.72 };
  const masked = (value: number | null) => ({ ...totals.theoreticalSpeedup, masked: value });
  assert.is(
    headline(fakeReport({ totals: { ...totals, theoreticalSpeedup: masked(2.01) } })),
    'The mask promises 2.01×. This device gives 1.45×: 72 % of the promise.',
  );
  assert.match(
    headline(fakeReport({ totals: { ...totals, denseMs: 8, sparseMs: 10, measuredSpeedup: 0.8 } })),
    /gives 0\.80×, slower than without it:/,
  );
  const close = { ...totals, denseMs: 10, sparseMs: 9.9, measuredSpeedup: 1.01 };
  assert.match(headline(fakeReport({ totals: close })), /gives 1\.01×, which is within the noise:/);
  assert.match(
    headline(fakeReport({ totals: { ...totals, theoreticalSpeedup: masked(null), efficiency: null } })),
    /Nothing of this network is left/,
  );
  assert.match(headline(fakeReport({ totals: { ...totals, macs: { ...totals.macs, masked: totals.macs.dense } } })), /No weight/);
});

test('a clock that scatters is told in the headline', () => {
  const { totals, spread } = fakeReport();
  assert.not.match(headline(fakeReport()), /scatter/);
  assert.match(headline(fakeReport({ spread: { ...spread, sparseMs: 0.07 * totals.sparseMs } })), /\(Times scatter by ±7\.0 %\.\)$/);
});

test('facts say only what holds', () => {
  const { totals, layers } = fakeReport();
  const note = (changes: Partial<Report>, label: string) => facts(fakeReport(changes)).find((fact) => fact.label === label)!;
  assert.match(note({}, 'Sparse').note, /zeros skipped where that is faster/);
  assert.match(note({ formats: ['csr'] }, 'Sparse').note, /stored as csr$/);
  assert.match(note({ layers: layers.map((l) => ({ ...l, kernel: 'host' })) }, 'Sparse').note, /no kernels/);
  const same = note({ totals: { ...totals, maxAbsError: 0 } }, 'Largest difference');
  assert.match(`${same.value}, ${same.note}`, /^0, bit for bit/);
  const idle = { ...totals, efficiency: null, theoreticalSpeedup: { masked: 1, effective: 1, inBounds: 1 } };
  assert.is(note({ totals: idle }, 'Measured speedup').note, 'nothing was promised');
});

test('the text fits the width and drops columns, not meaning', () => {
  for (const width of [60, 80, 100, 160]) {
    const text = reportText(fullReport(), { width });
    assert.not.match(text, broken);
    assert.not.match(text, /\x1b/);
    const longest = Math.max(...text.split('\n').map((line) => [...line].length));
    assert.ok(longest <= width, `${longest} columns in ${width}`);
    for (const word of ['dense ms', 'sparse ms', 'measured', 'masked', 'effective', 'in bounds', 'onnxruntime-web']) {
      assert.match(text, word);
    }
  }
  assert.match(reportText(fullReport(), { width: 200 }), /kernel/);
  assert.not.match(reportText(fullReport(), { width: 70 }), /kernel {2}/);
});

test('names lose what they share, and only that', () => {
  const [layer] = fakeReport().layers;
  const named = (...names: string[]): string[] =>
    withShortNames(fakeReport({ layers: names.map((name) => ({ ...layer, name })) })).layers.map((l) => l.name);
  assert.equal(named('m/n/a/x', 'm/n/b/x;m/n/c'), ['a/x', 'b/x']);
  assert.equal(named('m/a;x', 'm/a;y', 'm/b'), ['a;x', 'a;y', 'b']);
  assert.equal(named('conv1', 'conv2'), ['conv1', 'conv2']);
  assert.equal(named('only/one'), ['one']);
  assert.equal(named(), []);
});

test('names that are cut stay apart where they can', () => {
  const names = ['batch_normalization_1/FusedBatchNormV3', 'batch_normalization_12/FusedBatchNormV3', 'conv2d/Conv2D', 'conv2d_12/Conv2D'];
  assert.equal(briefNames(names, 30), [
    'batch_normalization_1/Fus…rmV3', 'batch_normalization_12/Fu…rmV3', 'conv2d/Conv2D', 'conv2d_12/Conv2D',
  ]);
  const narrow = briefNames(names, 13);
  assert.is(new Set(narrow).size, 4);
  assert.ok(narrow.every((name) => name.length <= 13), narrow.join());
  assert.equal(briefNames(['same', 'same'], 8), ['same', 'same']);
  assert.equal(briefNames([], 8), []);
});

test('columns are aligned', () => {
  const lines = reportText(fakeReport(), { width: 120 }).split('\n');
  const head = lines.findIndex((line) => line.startsWith('layer '));
  const end = lines[head].indexOf('dense ms') + 'dense ms'.length;
  for (const line of lines.slice(head + 1, head + 10)) assert.match(line.slice(0, end), /\s[\d.]+$/);
});

test('only the slowest layers are listed when asked, the rest in one line', () => {
  const text = reportText(fakeReport(), { layers: 5 });
  assert.match(text, /… and 24 smaller layers: dense [\d.]+ ms, sparse [\d.]+ ms/);
  assert.is(text.match(/^(backbone|stem)/gm)?.length, 5);
});

test('colours only when asked', () => {
  assert.match(reportText(fakeReport(), { color: true }), /\x1b\[1m/);
});

test('Markdown has tables with as many cells in every row', () => {
  const text = reportMarkdown(fullReport());
  assert.not.match(text, broken);
  assert.match(text, /^## ppocr\\_cls$/m);
  assert.match(text, /stem & \\<first\\> conv/);
  const cells = (line: string): number => line.replace(/\\\|/g, '').split('|').length;
  for (const block of text.split('\n\n').filter((b) => b.startsWith('|'))) {
    const counts = new Set(block.split('\n').map(cells));
    assert.is(counts.size, 1, block.slice(0, 80));
  }
  for (const title of ['Where the difference went', 'Speedup against sparsity', 'Other engines', 'Layers', 'How it was measured']) {
    assert.match(text, `### ${title}`);
  }
});

test('JSON carries the record that was agreed on', () => {
  const report = JSON.parse(reportJson(fullReport())) as Report;
  assert.not.match(reportJson(fullReport()), broken);
  for (const key of ['model', 'environment', 'totals', 'layers']) assert.ok(key in report, key);
  for (const key of ['runtime', 'engine', 'cpu', 'threads', 'simd']) assert.ok(key in report.environment, key);
  for (const key of [
    'params', 'nonzeroParams', 'compressionRatio', 'macs', 'theoreticalSpeedup', 'denseMs',
    'sparseMs', 'measuredSpeedup', 'efficiency', 'maxAbsError',
  ]) {
    assert.ok(key in report.totals, key);
  }
  for (const key of [
    'name', 'op', 'shape', 'format', 'kernel', 'sparsity', 'nnz', 'macs', 'denseMs',
    'sparseMs', 'theoreticalSpeedup', 'measuredSpeedup', 'efficiency',
  ]) {
    assert.ok(report.layers.every((layer) => key in layer), key);
  }
  assert.equal(report, fullReport());
});

const onGpu: Report['environment'] = {
  runtime: 'node 24', engine: 'V8', cpu: 'a cpu', threads: 1, simd: 'none', provider: 'webgpu', adapter: 'maker model',
  adapterInfo: { vendor: 'maker', architecture: '', device: '', description: 'model' }, timestamps: true,
};

test('a report from a GPU names it, its clock, and what lies between the layers', () => {
  const { totals, layers } = fakeReport(), whole = { totals, layers, environment: onGpu };
  const report = fakeReport({ environment: onGpu, losses: lossesOf(whole), explanation: explain(whole) });
  for (const text of [reportText(report, { width: 1000 }), reportMarkdown(report), htmlPage([report])]) {
    assert.match(text, /Measured on WebGPU, model \(maker\)\./);
    assert.match(text, /by the clock of the GPU \(timestamp queries\)/);
    assert.match(text, /on the way to the GPU and back/);
    assert.match(text, /stays? dense[^.]*\.[^.]*\. Dense shaders share whole tiles/);
    assert.not.match(text, /WebAssembly/);
  }
  const fenced = fakeReport({ environment: { ...onGpu, timestamps: false } });
  assert.match(reportText(fenced, { width: 1000 }), /with a fence after each layer/);
  assert.match(reportText(fakeReport(), { width: 1000 }), /Measured on WebAssembly, 1 thread\./);
});

test('a choice between providers is told with its reason, and where the dense network would run faster', () => {
  const choice = { chosen: 'wasm', why: 'wasm 5.00 ms a run against webgpu 6.00 ms, outputs read back', ms: { wasm: 5, webgpu: 6 } };
  const { environment, totals } = fakeReport(), chosen = fakeReport({ environment: { ...environment, choice } });
  assert.match(reportText(chosen, { width: 1000 }), /auto chose wasm: wasm 5\.00 ms a run against webgpu 6\.00 ms, outputs read back\.\n/);
  const elsewhere = { provider: 'webgpu', denseMs: 1.5 * totals.sparseMs };
  const page = htmlPage([fakeReport({ environment: { ...environment, choice }, elsewhere })]).replaceAll('\u00a0', ' ');
  assert.match(page, /The dense network runs faster on webgpu, [\d.]+ ms: against that the zeros give 1\.50×\./);
});

test('where nothing was timed it is not said that no sparse kernel exists', () => {
  const { totals, layers } = fakeReport(), left = layers.map((one) => (one.sparsity ? { ...one, format: 'dense', candidates: [] } : one));
  const told = (decided?: 'predicted'): string =>
    explain({ totals, layers: left.map((one) => ({ ...one, ...(decided && { decided }) })) }).join(' ');
  assert.match(told('predicted'), /promised to be faster there \(predicted, not timed\)/);
  assert.match(told(), /no sparse kernel exists for them/);
});

test.run();
