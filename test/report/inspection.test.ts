import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { bytesOf } from '../../src/measure/bytes.ts';
import { profileOf } from '../../src/measure/profile.ts';
import { prune } from '../../src/prune/index.ts';
import { bytesPlot } from '../../src/report/bytes.ts';
import { inspectionHtml, inspectionSvg, type Views } from '../../src/report/inspection.ts';
import { inspectionMarkdown } from '../../src/report/inspection-markdown.ts';
import { bytesText, profileText, textBar } from '../../src/report/inspection-text.ts';
import { cumulativePlot, profilePlot } from '../../src/report/profile.ts';
import { profileSentences, share } from '../../src/report/shares.ts';
import { htmlPage } from '../../src/report/html.ts';
import { reportMarkdown } from '../../src/report/markdown.ts';
import { reportText } from '../../src/report/text.ts';
import { fakeReport } from './fake.ts';

const dense = zooGraph('resnet20-cifar'), pruned = prune(dense, { sparsity: 0.8, scope: 'model' }).graph;
const views = (graph: typeof dense): Views => ({ model: 'a & <b>', profile: profileOf(graph), bytes: bytesOf(graph) });
const both = views(pruned), whole = views(dense);
const broken = /\bNaN\b|undefined|Infinity|\[object/;

/** Attributes of the bars of one class, in order. */
const bars = (text: string, name: string): { x: number; width: number }[] =>
  [...text.matchAll(new RegExp(`<rect class="${name}" x="([\\d.]+)%" y="[\\d.]+" width="([\\d.]+)%"`, 'g'))]
    .map(([, x, width]) => ({ x: Number(x), width: Number(width) }));

test('a bar says what is whole and what is left, to an eighth of a column', () => {
  assert.is(textBar(1, 1, 8), '████████');
  assert.is(textBar(1, 0.5, 8), '████░░░░');
  assert.is(textBar(0.5, 0.5, 8), '████');
  assert.is(textBar(0.45, 0.45, 8), '███▋');
  assert.is(textBar(1, 0.45, 8), '███▋░░░░');
  assert.is(textBar(0.001, 0.001, 8), '▏');
  assert.is(textBar(0, 0, 8), '');
  assert.is(textBar(1, 0, 4), '░░░░');
});

test('the text fits any terminal, with a line a layer', () => {
  for (const [of, marks] of [[both, true], [whole, false]] as const) {
    for (const width of [60, 80, 100, 160]) {
      const text = `${profileText(of.profile!, width)}\n${bytesText(of.bytes!, width)}`;
      assert.not.match(text, broken);
      const longest = Math.max(...text.split('\n').map((line) => [...line].length));
      assert.ok(longest <= width, `${longest} columns in ${width}`);
      const lines = text.split('\n'), named = (name: string): number => lines.filter((line) => line.startsWith(`${name} `)).length;
      // Narrow tables shorten long names.
      for (const { name } of of.profile!.layers) if (width >= 100 || name.length <= 12) assert.is(named(name), 2, `${name} in ${width}`);
      assert.is(/░/.test(text), marks);
    }
  }
});

test('bars of the plot are in the proportions of the profile', () => {
  const { layers } = both.profile!, { text } = profilePlot(both.profile!);
  const [full, faint] = [bars(text, 'params'), bars(text, 'params faint')];
  assert.equal([full.length, faint.length], [layers.length, layers.length]);
  const most = Math.max(...layers.map(({ params }) => params.total));
  layers.forEach(({ params }, i) => {
    assert.ok(Math.abs(faint[i].width - (22 * params.total) / most) < 0.01);
    assert.ok(Math.abs(full[i].width - (22 * params.kept) / most) < 0.01);
  });
  const unpruned = profilePlot(whole.profile!).text;
  assert.is(bars(unpruned, 'work faint').length, 0);
  assert.is(bars(unpruned, 'work').length, layers.length);
  assert.match(text, /<title>layer1\.0\.conv1 \(Conv\): 2\.30 k parameters \(0\.8 %\), [\d.]+ k left; 2\.36 M MACs \(5\.8 %\)/);
});

test('the cumulative lines rise from 0 to 1', () => {
  const { text } = cumulativePlot(whole.profile!);
  const [, path] = /<path class="workline" d="([^"]+)"/.exec(text)!;
  const heights = path.split(/[ML]/).slice(1).map((point) => Number(point.split(' ')[1]));
  assert.equal([heights[0], heights.at(-1)], [384, 16]);
  heights.reduce((before, y) => {
    assert.ok(y <= before);
    return y;
  });
});

test('bytes and weights are drawn on one scale', () => {
  const { layers } = both.bytes!, { text } = bytesPlot(both.bytes!);
  const [packed, weights] = [bars(text, 'bytes'), bars(text, 'params')];
  const most = Math.max(...layers.map((layer) => layer.weights));
  layers.forEach((layer, i) => {
    assert.ok(Math.abs(packed[i].width - (22 * layer.smallestBytes) / 4 / most) < 0.01);
    assert.ok(Math.abs(weights[i].width - (22 * layer.nonzero) / most) < 0.01);
    assert.ok(packed[i].width >= weights[i].width, layer.name);
  });
});

test('page, picture and Markdown hold every layer, escape names, and load nothing', () => {
  const forms = [inspectionHtml(both), inspectionSvg(both), inspectionMarkdown(both), inspectionHtml(whole), inspectionSvg(whole)];
  for (const form of forms) {
    assert.not.match(form, broken);
    for (const { name } of both.profile!.layers) assert.match(form, name);
    assert.not.match(form, '<b>');
    assert.not.match(form, /<script|<link|@import|url\(/);
  }
  assert.match(inspectionHtml(both), 'One network, many counts');
  assert.match(inspectionHtml(both), 'shrinkbench');
  assert.not.match(inspectionHtml({ model: 'm', bytes: both.bytes }), 'Where the parameters');
});

test('a picture file has a size, stands alone and holds both plots without overlap', () => {
  const text = inspectionSvg(both);
  const [, width, height] = /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="(\d+)" height="(\d+)"/.exec(text)!;
  assert.is(width, '900');
  const inner = [...text.matchAll(/<svg x="20" y="(\d+)" width="860" height="(\d+)"/g)].map(([, y, h]) => [Number(y), Number(h)]);
  assert.is(inner.length, 2);
  assert.ok(inner[1][0] >= inner[0][0] + inner[0][1]);
  assert.ok(Number(height) >= inner[1][0] + inner[1][1]);
  assert.match(text, '--params: #');
  assert.not.match(text, '@media');
});

test('sentences say where half of everything is, and what is left', () => {
  const { layers } = whole.profile!, [first, second, third] = profileSentences(whole.profile!);
  assert.match(first, /^4 of 22 layers have 54 % of the parameters and 23 % of the MACs\.$/);
  assert.match(second, /^9 of 22 layers have 52 % of the MACs and 15 % of the parameters\.$/);
  assert.is(third, undefined);
  const four = layers.map(({ params }) => params.share).toSorted((a, b) => b - a).slice(0, 4).reduce((a, b) => a + b);
  assert.is(Math.round(100 * four), 54);
  assert.match(profileSentences(both.profile!)[2], /^The zeros leave 55\.8 k of 272 k parameters and [\d.]+ M of 40\.8 M MACs\.$/);
  assert.equal([share(0), share(0.0004), share(0.0005), share(0.12)], ['0 %', '< 0.1 %', '0.1 %', '12 %']);
  const [alone] = profileSentences(profileOf(zooGraph('lenet-300-100')));
  assert.match(alone, /^1 of 3 layers \(fc1\) has 88 % of the parameters and 88 % of the MACs\.$/);
});

test('the report carries both where its record does', () => {
  const { profile, bytes } = both, report = fakeReport({ profile, bytes });
  const page = htmlPage([report]), markdown = reportMarkdown(report);
  for (const text of [page, markdown]) {
    assert.not.match(text, broken);
    assert.match(text, 'Where the parameters and the MACs are');
    assert.match(text, 'What the weights take in memory');
  }
  assert.match(reportText(report, { width: 120 }), /Bytes of weights +\d+ kB  [\d.]+× smaller than 1\.08 MB dense, index included/);
  assert.not.match(htmlPage([fakeReport()]), 'Where the parameters');
});

test('a network without layers makes a page too', () => {
  const nothing = profileOf({
    name: 'none', inputs: [{ name: 'x', type: 'float32', dims: [4] }], outputs: [{ name: 'y', type: 'float32', dims: [4] }],
    nodes: [{ name: 'y', op: 'Relu', inputs: ['x'], outputs: ['y'], attrs: {} }], constants: new Map(),
  });
  const view = { model: 'n', profile: nothing };
  for (const text of [inspectionHtml(view), inspectionSvg(view), profileText(nothing, 80)]) assert.not.match(text, broken);
});

test.run();
