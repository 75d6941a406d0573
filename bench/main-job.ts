// `npm start`: what the masks of two real networks are worth here. The MediaPipe face detector comes pruned; the PP-OCR text-line
// classifier is pruned here, in several ways. Tables go to the terminal, all of it to reports/report.html and reports/report.json.
// `npm start -- --provider webgpu` (or auto) does it there; other engines are raced on WebAssembly only.
import { parseArgs } from 'node:util';
import type { Graph } from '../src/graph/graph.ts';
import type { Report } from '../src/measure/record.ts';
import { measure, sweep, type MeasureOptions } from '../src/measure/speedup.ts';
import { ms, number, percent, times } from '../src/measure/words.ts';
import { prune } from '../src/prune/index.ts';
import { htmlPage } from '../src/report/html.ts';
import { reportJson } from '../src/report/json.ts';
import { reportText, textTable, type TableColumn } from '../src/report/text.ts';
import { modelOf, print, put, root, say, width } from './files.ts';
import { race, type Finish } from './race.ts';

const shapes = { x: [1, 3, 48, 192] };
const sparsities = [0.5, 0.7, 0.8, 0.9, 0.95];
/** How the classifier is pruned: granularity and sparsities. */
const prunings: readonly (readonly [granularity: string, sparsities: readonly number[]])[] = [
  ['weight', sparsities],
  ['block_rows(4)', [0.7, 0.9]],
  ['filter', [0.5]],
];
/** The one of them whose report also shows speedup over sparsity. */
const swept = { granularity: 'weight', sparsity: 0.9 };
const samples = 40;

const { values: { provider } } = parseArgs({ options: { provider: { type: 'string', default: 'wasm' } } });
const executionProviders = [provider];

const began = performance.now();
const step = (text: string): void => say(`${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s  ${text}`);

interface Faces {
  readonly reports: readonly Report[];
  readonly finishes: readonly Finish[];
}

async function faces(): Promise<Faces> {
  const [dense, pruned] = [await modelOf('face_detection_full_range'), await modelOf('face_detection_full_range_sparse')];
  const editions = [{ name: 'dense', graph: dense, formats: ['dense'] }, { name: 'pruned', graph: pruned }];
  if (provider === 'wasm') step('face detector: both editions, here and on tfjs-wasm, in turns');
  const finishes = provider === 'wasm' ? await race(editions, { peers: ['tfjs-wasm'], samples }) : [];
  const [a, b] = finishes.filter(({ engine }) => engine !== 'burin');
  const peers = a && b && [{ name: a.engine, version: a.version, denseMs: a.time.medianMs, sparseMs: b.time.medianMs }];
  step('face detector: report of the dense edition');
  const whole = await measure(dense, { executionProviders, model: 'Face detector, dense edition', samples });
  step('face detector: report of the pruned edition');
  const sparse = await measure(pruned, { executionProviders, model: 'Face detector, pruned edition', samples, peers });
  return { finishes, reports: [whole, sparse] };
}

async function classifier(graph: Graph, granularity: string, sparsity: number): Promise<Report> {
  const name = `Text classifier, ${granularity} ${percent(sparsity)}`;
  step(name);
  const how = { criterion: 'magnitude', granularity, scope: 'layer' } as const;
  const pruned = prune(graph, { ...how, sparsity, strict: false }).graph;
  const options: MeasureOptions = { executionProviders, samples, shapes };
  const report = await measure(pruned, { ...options, model: name, pruning: { ...how, sparsity } });
  if (granularity !== swept.granularity || sparsity !== swept.sparsity) return report;
  step('speedup over sparsity, with sparse kernels only');
  return { ...report, ...(await sweep(graph, sparsities, { ...options, samples: 10, pruning: how, refinements: 1 })) };
}

const column = (head: string, cells: readonly string[], right = true): TableColumn => ({ head, cells, right, spare: 0 });

/** All reports in one table, a line each. */
function overview(reports: readonly Report[]): string {
  return textTable([
    column('network', reports.map(({ model }) => model), false),
    column('weights left', reports.map(({ totals }) => percent(totals.nonzeroParams / totals.params))),
    column('dense ms', reports.map(({ totals }) => number(totals.denseMs))),
    column('sparse ms', reports.map(({ totals }) => number(totals.sparseMs))),
    column('promised', reports.map(({ totals }) => times(totals.theoreticalSpeedup.masked))),
    column('measured', reports.map(({ totals }) => times(totals.measuredSpeedup))),
    column('of promise', reports.map(({ totals }) => percent(totals.efficiency))),
    column('error', reports.map(({ totals }) => totals.maxAbsError.toExponential(1))),
  ], width);
}

/** The two editions of the face detector beside each other. Their weights differ: the pruned one was trained further. */
function editions(finishes: readonly Finish[]): string {
  const of = (engine: string, edition: string): number | undefined =>
    finishes.find((one) => one.engine === engine && one.edition === edition)?.time.medianMs;
  const [dense, pruned] = [of('burin', 'dense')!, of('burin', 'pruned')!];
  const lines = [`Face detector, dense edition ${ms(dense)}, pruned edition ${ms(pruned)}: faster by ${times(dense / pruned)}.`];
  const rivals = new Set(finishes.map(({ engine }) => engine).filter((engine) => engine !== 'burin'));
  for (const rival of rivals) {
    const [theirDense, theirPruned] = [of(rival, 'dense'), of(rival, 'pruned')];
    if (!theirDense || !theirPruned) continue;
    lines.push(`${rival}: dense edition ${ms(theirDense)}, pruned edition ${ms(theirPruned)}.`);
    lines.push(`Pruned edition, faster than ${rival} by ${times(theirPruned / pruned)}; dense edition, by ${times(theirDense / dense)}.`);
  }
  return lines.join('\n');
}

const { reports, finishes } = await faces();
const graph = await modelOf('ppocr_cls'), classifiers: Report[] = [];
for (const [granularity, list] of prunings) for (const sparsity of list) classifiers.push(await classifier(graph, granularity, sparsity));
const all = [reports[1], ...classifiers, reports[0]];
const written = [put('reports/report.html', htmlPage(all)), put('reports/report.json', reportJson(all))];
step('done');

const color = process.stdout.isTTY === true && !process.env.NO_COLOR;
print(`\n${reportText(reports[1], { width, color, layers: 12 })}`);
if (finishes.length) print(`${editions(finishes)}\n`);
print(overview(all));
print(`\nLayer by layer, with plots: ${written.map((path) => `${root}${path}`).join(' and ')}`);
