// The face detector, dense and pruned, here and in LiteRT.js, in turns in one page of headless Chromium, one thread each.
// --write puts the rows into bench/results/browser.json; --samples N; --coarse for a page without isolation, whose clock has steps of
// 100 µs. About half a minute.
import { parseArgs } from 'node:util';
import { number, percent, times } from '../src/measure/words.ts';
import { textTable, type TableColumn } from '../src/report/text.ts';
import { hasChromium } from '../test/browser/chromium.ts';
import { browserRace, gainOf, type BrowserResults } from './browser-race.ts';
import { linesJson, print, put, say, width } from './files.ts';

/** LiteRT.js gains this much from the zeros where its sparse kernels are on; without them both editions take the same time. */
const SPARSE_IS_ON = 1.1;

function table({ rows }: BrowserResults): string {
  const column = (head: string, cells: string[], right = true): TableColumn => ({ head, cells, right, spare: 0 });
  return textTable([
    column('edition', rows.map(({ edition }) => edition), false),
    column('engine', rows.map(({ engine, version }) => `${engine} ${version}`.trim()), false),
    column('median ms', rows.map(({ medianMs }) => number(medianMs))),
    column('min ms', rows.map(({ minMs }) => number(minMs))),
    column('±', rows.map(({ spreadMs, medianMs }) => percent(spreadMs / medianMs))),
    column('error', rows.map(({ maxError }) => maxError.toExponential(1))),
  ], width);
}

function verdict(results: BrowserResults): string {
  const [ours, theirs] = ['burin', 'LiteRT.js'].map((engine) => gainOf(results, engine));
  const line = ({ engine, measuredSpeedup, efficiency }: typeof ours): string =>
    `${engine}: pruned faster by ${times(measuredSpeedup)} of ${times(results.theoreticalSpeedup)} promised, ${percent(efficiency)}`;
  const ratio = (key: 'denseMs' | 'prunedMs'): string => (ours[key] / theirs[key]).toFixed(3);
  return `${line(ours)}\n${line(theirs)}\nour time over LiteRT.js': dense ${ratio('denseMs')}, pruned ${ratio('prunedMs')}`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { write: { type: 'boolean' }, samples: { type: 'string' }, coarse: { type: 'boolean' } },
  });
  if (!hasChromium('the face detector in a browser')) return;
  const results = await browserRace({ samples: Number(values.samples ?? 40), isolated: !values.coarse });
  print(`${results.environment.runtime}, ${results.environment.simd} SIMD\n\n${table(results)}\n\n${verdict(results)}`);
  if (gainOf(results, 'LiteRT.js').measuredSpeedup < SPARSE_IS_ON) say('LiteRT.js gains nothing: its sparse kernels are off');
  if (values.write) print(`\nwritten: ${put('bench/results/browser.json', linesJson({ ...results }))}`);
}

await main();
