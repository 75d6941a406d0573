import { geometricMean } from '../src/measure/efficiency.ts';
import type { KernelBench, KernelRow } from '../src/measure/kernels.ts';
import type { Environment } from '../src/measure/record.ts';
import { number, percent, times } from '../src/measure/words.ts';
import { markdownTable, type Heading } from './markers.ts';
import type { ModelRow } from './models.ts';
import type { BudgetRow } from './budget-rows.ts';
import type { BudgetResults } from './budget.ts';
import type { DenseResults } from './dense.ts';
import { gainOf, type BrowserResults } from './browser-race.ts';
import type { PeerRow } from './layer-race.ts';
import type { MnistResults } from './mnist/index.ts';
import type { SparseRow } from './sparse-race.ts';
import type { ThreadsResults } from './threads.ts';
import { units, type TargetResults, type TargetRow } from './target-rows.ts';
import type { WindowResults, WindowRow } from './windows.ts';

/** What `bench/kernels`, `bench/sparse` and `bench/models` write. */
export interface KernelResults extends KernelBench {
  readonly peers: readonly PeerRow[];
}
export interface SparseResults {
  readonly environment: Environment;
  readonly rows: readonly SparseRow[];
}
export interface ModelResults {
  readonly environment: Environment;
  readonly rows: readonly ModelRow[];
}

const left = (...heads: string[]): Heading[] => heads.map((head) => ({ head }));
const right = (...heads: string[]): Heading[] => heads.map((head) => ({ head, right: true }));
const place = ({ runtime, engine, simd, threads, cpu }: Environment): string =>
  `${runtime}, ${engine}, ${simd} SIMD, ${threads} thread${threads === 1 ? '' : 's'}, ${cpu}`;

/** Whole networks in our engine. */
export function modelsTable({ rows, environment }: ModelResults): string {
  const mine = rows.filter(({ engine }) => engine === 'burin');
  const cells = mine.map((row) => [
    row.network, row.mask, percent(row.sparsity), number(row.denseMs), number(row.sparseMs),
    times(row.theoreticalSpeedup), times(row.measuredSpeedup), percent(row.efficiency),
  ]);
  const heads = [...left('network', 'mask'), ...right('zeros', 'dense ms', 'sparse ms', 'promised', 'measured', 'of promise')];
  return `${markdownTable(heads, cells)}\n\n${place(environment)}; medians.`;
}

/** The same networks in other engines: how much longer they take than ours. */
export function peersTable({ rows, environment }: ModelResults): string {
  const ourMs = (row: ModelRow, key: 'denseMs' | 'sparseMs'): number =>
    rows.find(({ engine, network, mask }) => engine === 'burin' && network === row.network && mask === row.mask)?.[key] ?? NaN;
  const cells = rows.filter(({ engine }) => engine !== 'burin').map((row) => [
    row.network, row.mask, `${row.engine} ${row.version}`, number(row.denseMs), times(row.denseMs / ourMs(row, 'denseMs')),
    number(row.sparseMs), times(row.sparseMs / ourMs(row, 'sparseMs')),
  ]);
  const heads = [...left('network', 'mask', 'engine'), ...right('dense ms', 'of ours', 'sparse ms', 'of ours')];
  return `${markdownTable(heads, cells)}\n\n${place(environment)}; one thread each, in turns with ours.`;
}

/** Whole networks on one thread and on several. */
export function threadsTable({ rows, environment }: ThreadsResults): string {
  const cells = rows.map(({ network, edition, oneMs, threads, manyMs, speedup, bestOneMs, bestManyMs }) =>
    [network, edition, number(oneMs), `${threads}`, number(manyMs), times(speedup), times(bestOneMs / bestManyMs)]);
  const heads = [...left('network', 'edition'), ...right('1 thread ms', 'threads', 'ms', 'speedup', 'of best runs')];
  const { runtime, engine, simd, cpu } = environment;
  return `${markdownTable(heads, cells)}\n\n${runtime}, ${engine}, ${simd} SIMD, ${cpu}; medians, in turns.`;
}

/** The fastest dense kernel of each layer against the ceiling, and the layer as a network of its own in every engine. */
export function layersTable({ rows, peers, ceiling }: KernelResults): string {
  const layers = [...new Set(peers.map(({ layer }) => layer))], engines = [...new Set(peers.map(({ engine }) => engine))];
  const cells = layers.flatMap((layer) => {
    const best = rows.find((row) => row.mask === 'none' && row.best && row.case.startsWith(`${layer} `));
    const ms = (engine: string): string => number(peers.find((row) => row.layer === layer && row.engine === engine)?.medianMs ?? null);
    return best ? [[layer, `${best.m}×${best.n}×${best.k}`, best.gflops.toFixed(1), percent(best.peakFraction), ...engines.map(ms)]] : [];
  });
  const versions = engines.map((engine) => `${engine} ${peers.find((row) => row.engine === engine)?.version ?? ''}`.trim());
  const heads = [...left('layer', 'm×n×k'), ...right('GFLOP/s', 'of ceiling', ...versions.map((name) => `${name} ms`))];
  return `${markdownTable(heads, cells)}\n\n`
    + `Ceiling ${ceiling.gflops.toFixed(1)} GFLOP/s, memory ${ceiling.gigabytesPerSecond.toFixed(0)} GB/s.`;
}

/** How many layers of the bench list reach which share of the ceiling, and the lowest of each kind. */
export function denseTable({ rows, environment, ceiling }: DenseResults): string {
  const kinds: [string, KernelRow[]][] = [
    ['matrix × matrix', rows.filter(({ n }) => n > 1)],
    ['matrix × vector', rows.filter(({ n }) => n === 1)],
  ];
  const cells = kinds.filter(([, own]) => own.length > 0).map(([kind, own]) => {
    const shares = own.map(({ peakFraction }) => peakFraction), lowest = own.reduce((a, b) => (b.peakFraction < a.peakFraction ? b : a));
    const reached = shares.filter((share) => share >= 0.85).length;
    const name = lowest.case.replace(/ dense$/, '');
    return [kind, `${own.length}`, geometricMean(shares).toFixed(2), `${reached}`, `${name} ${lowest.peakFraction.toFixed(2)}`];
  });
  const heads = [...left('dense layers'), ...right('layers', 'geometric mean of ceiling', 'at 0.85 or more'), ...left('lowest')];
  return `${markdownTable(heads, cells)}\n\n${place(environment)}; ceiling ${ceiling.gflops.toFixed(1)} GFLOP/s, timed in turns with each.`;
}

/** Layers without a product to prune, operator by operator: geometric mean of their share of the bound, and the lowest. */
export function windowsTable({ rows, environment, ceiling }: WindowResults): string {
  const cells = [...new Set(rows.map(({ op }) => op))].map((op) => {
    const own = rows.filter((row) => row.op === op), lowest = own.reduce((a, b) => (b.boundFraction < a.boundFraction ? b : a));
    const rate = (of: (row: WindowRow) => number): string => (of(own[0]) ? geometricMean(own.map(of)).toFixed(1) : '');
    const named = own.length > 1 ? `${lowest.layer} ${lowest.boundFraction.toFixed(2)}` : '';
    return [op, `${own.length}`, rate(({ gflops }) => gflops), rate(({ gigabytesPerSecond }) => gigabytesPerSecond),
      geometricMean(own.map(({ boundFraction }) => boundFraction)).toFixed(2), named];
  });
  const heads = [...left('operator'), ...right('layers', 'GFLOP/s', 'GB/s', 'of its bound'), ...left('lowest')];
  return `${markdownTable(heads, cells)}\n\n${place(environment)}; ceiling ${ceiling.gflops.toFixed(1)} GFLOP/s. Geometric means.`;
}

/** LeNet-300-100 on MNIST: what is left, and how many test images are told right. */
export function mnistTable({ steps, rows }: MnistResults): string {
  const share = (value: number | undefined): string => (value === undefined ? '' : `${(100 * value).toFixed(2)} %`);
  const cells = rows.map(({ run, left, accuracy, random, reinitialised, seconds }) =>
    [run, percent(left), share(accuracy), share(random), share(reinitialised), seconds.toFixed(1)]);
  const heads = [...left('run'), ...right('weights left', 'accuracy', 'random mask', 'on new weights', 'training s')];
  return `${markdownTable(heads, cells)}\n\n${steps} steps of 60 images a training (the gradual one: three times as many).`;
}

const figure = ({ unit }: TargetRow, value: number): string => (unit === 'kB' ? value.toFixed(1) : value.toFixed(2));
const targetOf = (row: TargetRow): string =>
  (row.target === null ? '' : `${row.bound === 'most' ? '≤' : '≥'} ${figure(row, row.target)}`);

/** What was aimed at and what was reached, group by group; bold where the target holds. */
export function targetsTable({ runs }: TargetResults): string {
  const all = runs.flatMap(({ rows }) => rows), relaxed = runs.filter(({ simd }) => simd === 'relaxed');
  const plainOf = (row: TargetRow): string => {
    const other = all.find(({ group, simd }) => simd === 'plain' && group === row.group);
    return other && other !== row ? figure(other, other.mean) : '';
  };
  const withPlain = runs.some(({ simd }) => simd === 'plain');
  const cells = relaxed.flatMap(({ rows }) => rows).map((row) => {
    const mean = figure(row, row.mean), worst = row.cases > 1 ? `${figure(row, row.worst)} ${row.worstCase.replace(/ dense$/, '')}` : '';
    const plain = withPlain ? [plainOf(row)] : [];
    return [row.group, units[row.unit], `${row.cases}`, targetOf(row), row.holds ? `**${mean}**` : mean, ...plain, worst];
  });
  const heads = [
    ...left('cases', 'number'), ...right('how many', 'target', 'mean', ...(withPlain ? ['plain SIMD'] : [])), ...left('worst'),
  ];
  const places = [...new Set(relaxed.map((run) => place(run.environment)))].join('; ');
  return `${markdownTable(heads, cells)}\n\n${places}. Geometric means; bold: the target holds.`;
}

/** The face detector in a browser, here and in LiteRT.js. */
export function browserTable(results: BrowserResults): string {
  const { rows, environment, theoreticalSpeedup } = results;
  const cells = [...new Set(rows.map(({ engine }) => engine))].map((engine) => {
    const { denseMs, prunedMs, measuredSpeedup, efficiency } = gainOf(results, engine);
    const version = rows.find((row) => row.engine === engine)?.version ?? '';
    const gains = [times(theoreticalSpeedup), times(measuredSpeedup), percent(efficiency)];
    return [`${engine} ${version}`.trim(), number(denseMs), number(prunedMs), ...gains];
  });
  const heads = [...left('engine'), ...right('dense ms', 'pruned ms', 'promised', 'measured', 'of promise')];
  return `${markdownTable(heads, cells)}\n\n${place(environment)}; ${rows[0].network}, medians, in turns in one page.`;
}

/** Sparse products in libraries: how many times as long they take as we do. */
export function sparseTable({ rows, environment }: SparseResults): string {
  const engines = [...new Set(rows.map(({ engine }) => engine))], cases = [...new Set(rows.map((row) => `${row.case}|${row.n}`))];
  const cells = cases.map((key) => {
    const own = rows.filter((row) => `${row.case}|${row.n}` === key), ours = own.find(({ engine }) => engine === 'burin')!;
    const theirs = engines.filter((engine) => engine !== 'burin').map((name) => {
      const ms = own.find(({ engine }) => engine === name)?.medianMs ?? NaN;
      return `${number(ms)} (${times(ms / ours.medianMs)})`;
    });
    return [ours.case, `${ours.m}×${ours.n}×${ours.k}`, percent(1 - ours.nonzeros / ours.m / ours.k), number(ours.medianMs), ...theirs];
  });
  const names = engines.map((engine) => `${engine} ${rows.find((row) => row.engine === engine)!.version}`.trim());
  const heads = [...left('sparse product', 'm×n×k'), ...right('zeros', ...names.map((name) => `${name} ms`))];
  return `${markdownTable(heads, cells)}\n\n${place(environment)}; medians, in turns.`;
}

/** Networks pruned to a time budget: what was asked for, what the clock says, and what is left against uniform pruning of the same time. */
export function budgetTable({ rows, environment, browserRows, browser }: BudgetResults): string {
  const share = (value: number): string => `${(100 * value).toFixed(1)} %`;
  const cellsOf = (where: string) => (row: BudgetRow): string[] => {
    const { network, askedSpeedup, askedMs, measuredMs, deviation, scoreKept, uniform, outcome } = row;
    const off = `${deviation < 0 ? '−' : '+'}${(100 * Math.abs(deviation)).toFixed(1)} %`;
    const time = outcome === 'fastest' ? [`${number(measuredMs)} at best`, ''] : [number(measuredMs), off];
    const theirs = uniform ? [number(uniform.measuredMs), share(uniform.scoreKept), uniform.granularity] : ['', '', ''];
    return [network, where, times(askedSpeedup), number(askedMs), ...time, share(scoreKept), ...theirs];
  };
  const heads = [
    ...left('network', 'in'), ...right('asked', 'ms', 'measured ms', 'off', 'score kept', 'uniform ms', 'uniform keeps'),
    ...left('best uniform'),
  ];
  const places = [environment, browser].flatMap((one) => (one ? [place(one)] : [])).join('; ');
  const cells = [...rows.map(cellsOf('Node')), ...browserRows.map(cellsOf('Chromium'))];
  return `${markdownTable(heads, cells)}\n\n${places}; medians, in turns. `
    + 'Score kept: the share of Σw² that a layer keeps, in the geometric mean of the layers.';
}
