import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { htmlPage } from '../../src/report/html.ts';
import { el, escape } from '../../src/report/markup.ts';
import { curvePlot, layerBars, layerPlot, lossBars } from '../../src/report/plots.ts';
import { logarithmic, powers } from '../../src/report/svg.ts';
import { fakeReport, fullReport } from './fake.ts';

const pages = { one: htmlPage([fakeReport()]), several: htmlPage([fullReport(), fakeReport()]) };

/** Tags that open must close, in order. */
function unbalanced(markup: string): string | undefined {
  const open: string[] = [];
  for (const [, closing, tag, alone] of markup.matchAll(/<(\/?)([a-z][\w-]*)[^>]*?(\/?)>/g)) {
    if (alone || tag === 'meta' || tag === 'br') continue;
    if (!closing) open.push(tag);
    else if (open.pop() !== tag) return `</${tag}>`;
  }
  return open.at(-1);
}

test('the page is well formed, self-contained and holds no broken number', () => {
  for (const page of Object.values(pages)) {
    assert.is(unbalanced(page.replace('<!doctype html>', '').replace(/<style>[^]*?<\/style>/, '')), undefined);
    assert.not.match(page, /\bNaN\b|undefined|Infinity|\[object/);
    assert.not.match(page, /https?:|<script|<link|@import|url\(/);
    assert.match(page, /prefers-color-scheme: dark/);
    assert.match(page, /name="viewport"/);
  }
});

test('names are escaped', () => {
  assert.match(pages.one, 'stem &amp; &lt;first&gt; conv');
  assert.not.match(pages.one, '<first>');
  assert.is(el('a', { href: '"<' }, '<b>').text, '<a href="&quot;&lt;">&lt;b&gt;</a>');
  fc.assert(fc.property(fc.string(), (text) => { assert.not.match(escape(text), /[<>"']/); }));
});

test('every coordinate is a number', () => {
  for (const page of Object.values(pages)) {
    for (const [, name, value] of page.matchAll(/ (x|y|x1|x2|y1|y2|cx|cy|r|width|height)="([^"]*)"/g)) {
      assert.match(value, /^-?\d+(\.\d+)?%?$/, `${name}="${value}"`);
      if (name === 'r' || name === 'width' || name === 'height') assert.ok(Number.parseFloat(value) >= 0, `${name}="${value}"`);
    }
  }
});

test('layers are plotted against y = x, with labelled axes and a tooltip each', () => {
  const report = fakeReport();
  const { text } = layerPlot(report);
  assert.match(text, 'promised speedup of the layer');
  assert.match(text, 'measured speedup of the layer');
  assert.match(text, 'y = x');
  const [x1, y1, x2, y2] = /class="promise" x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"/.exec(text)!.slice(1).map(Number);
  assert.equal([x1, y1, x2, y2], [62, 384, 430, 16]);
  const drawable = report.layers.filter((layer) => layer.macs && layer.theoreticalSpeedup);
  assert.is(text.match(/<circle/g)?.length, drawable.length);
  assert.match(text, /<circle[^>]*><title>[^<]*conv2d_8\/project \(Conv, nm\): promised/);
});

test('a layer on the promise lies on the diagonal', () => {
  const layers = [{ ...fakeReport().layers[0], theoreticalSpeedup: 4, measuredSpeedup: 4 }];
  const [, cx, cy] = /cx="([\d.]+)" cy="([\d.]+)"/.exec(layerPlot(fakeReport({ layers })).text)!;
  assert.ok(Math.abs(Number(cx) - 62 - (384 - Number(cy))) < 0.1, `${cx} ${cy}`);
});

test('the curve shows both lines, the break-even and its axes', () => {
  const { text } = curvePlot(fullReport());
  for (const part of ['promisedline', 'measuredline', 'break-even 38 %', 'zeros among the weights', 'speedup over dense']) {
    assert.match(text, part);
  }
  assert.not.match(curvePlot(fullReport({ breakEven: null })).text, 'break-even');
  assert.match(pages.several, 'Sparse kernels pay from 38\u00a0% zeros on');
  assert.not.match(pages.one, 'More zeros, more speed?');
});

test('bars: the slowest layers and the others in one row; losses lead from promise to clock', () => {
  const bars = layerBars(fakeReport()).text;
  assert.is(bars.match(/<g>/g)?.length, 13);
  for (const kind of ['9 more Conv, dense', '1 more Conv, csr', '9 more Add']) assert.match(bars, kind);
  const losses = lossBars(fakeReport()).text;
  for (const part of ['Sparse, as promised', 'Sparse, as measured', 'Sparse kernels below promise']) assert.match(losses, part);
});

test('several models share one page with an overview that links to each', () => {
  assert.match(pages.several, '2 models at a glance');
  for (const id of ['model-1', 'model-2']) {
    assert.match(pages.several, `href="#${id}"`);
    assert.match(pages.several, `id="${id}"`);
  }
  assert.not.match(pages.one, 'at a glance');
});

test('a network without layers or without a promise still makes a page', () => {
  const { totals } = fakeReport();
  const page = htmlPage([
    fakeReport({
      layers: [],
      losses: [],
      totals: { ...totals, measuredSpeedup: null, efficiency: null, theoreticalSpeedup: { masked: null, effective: null, inBounds: null } },
    }),
  ]);
  assert.not.match(page, /\bNaN\b|undefined|Infinity/);
});

test('logarithmic scales and their ticks', () => {
  const scale = logarithmic([1, 16], [0, 100]);
  assert.is(scale(4), 50);
  assert.equal(powers([0.9, 9]), [1, 2, 4, 8]);
  assert.ok(powers([0.001, 4000]).length <= 12);
});

test.run();
