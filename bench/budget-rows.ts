// The part of bench/budget that runs in Node and in a page alike: networks pruned to budgets, and the results timed anew.
import type { Graph } from '../src/graph/graph.ts';
import {
  pruneToBudget, type AverageName, type Budgeted, type CostTable, type Outcome, type UniformRow,
} from '../src/measure/budget/index.ts';
import type { Progress } from '../src/measure/compare.ts';
import { fill, shapeOf } from '../src/measure/feeds.ts';
import { timeTogether, type Summary } from '../src/measure/time.ts';
import { times } from '../src/measure/words.ts';
import { prune } from '../src/prune/index.ts';
import { budgetText } from '../src/report/budget.ts';
import type { Environment } from '../src/runtime/environment.ts';
import { SparseSession } from '../src/runtime/session.ts';

export interface BudgetRow {
  readonly network: string;
  readonly askedSpeedup: number;
  /** Milliseconds asked for, from the dense edition of the same race. */
  readonly askedMs: number;
  readonly denseMs: number;
  readonly measuredMs: number;
  /** Half the distance between the quartiles. */
  readonly spreadMs: number;
  /** Measured over asked, less one. */
  readonly deviation: number;
  readonly outcome: Outcome;
  readonly average: string;
  /** 0 … 1, and by every average. */
  readonly scoreKept: number;
  readonly kept: Readonly<Record<AverageName, number>>;
  /** Fraction of the weights that are zero. */
  readonly sparsity: number;
  /** Layers by granularity. */
  readonly granularities: Readonly<Record<string, number>>;
  /** The uniform pruning that keeps most in the same time, timed in the same race. */
  readonly uniform: (Pick<UniformRow, 'granularity' | 'sparsity' | 'scoreKept'> & { readonly measuredMs: number }) | null;
  /** Of allocating and measuring; the first budget of a network takes the time of its cost table too. */
  readonly seconds: number;
}

export interface Wish {
  readonly speedups: readonly number[];
  readonly average?: AverageName;
  readonly samples: number;
}

export interface Reader {
  /** Columns of the texts. */
  readonly width: number;
  readonly say: (line: string) => void;
  readonly print: (text: string) => void;
}

/** The uniform edition of a row, with zeros in the layers that its granularity makes faster. */
function uniformGraph(dense: Graph, { granularity, sparsity }: UniformRow, { layers }: CostTable): Graph {
  const faster = new Set(layers.filter(({ points }) => points[granularity]).map(({ weight }) => weight));
  return prune(dense, { criterion: 'squared', granularity, sparsity, layers: ({ weight }) => faster.has(weight) }).graph;
}

/**
 * A turn lasts this long, many runs of a small network: the first run of a turn, after those of another network, takes a pruned network
 * 9 % longer and a dense one no longer, which nobody sees who runs one network.
 */
const TURN_MS = 100;

/** Editions of a network in turns; the dense one has dense kernels only. */
async function race(editions: Readonly<Record<string, Graph>>, samples: number): Promise<Record<string, Summary>> {
  const sessions = await Promise.all(Object.entries(editions).map(async ([name, graph]) =>
    [name, await SparseSession.create(graph, name === 'dense' ? { formats: ['dense'], removeDead: false } : {})] as const));
  try {
    const { inputs } = Object.values(editions)[0];
    const feeds = Object.fromEntries(inputs.map((input) => [input.name, fill(input, shapeOf(input))]));
    for (const [, session] of sessions) await session.run(feeds);
    const tasks = Object.fromEntries(sessions.map(([name, session]) => [name, () => session.run(feeds)]));
    return await timeTogether(tasks, { samples, warmUpMs: 3000, minMs: TURN_MS });
  } finally {
    for (const [, session] of sessions) session.release();
  }
}

const counted = (list: readonly string[]): Record<string, number> =>
  Object.fromEntries([...new Set(list)].map((one) => [one, list.filter((other) => other === one).length]));

interface Racing extends Pick<Wish, 'samples'> {
  readonly network: string;
  readonly dense: Graph;
  readonly speedup: number;
  readonly seconds: number;
}

async function rowOf({ graph, report, costs }: Budgeted, { network, dense, speedup, samples, seconds }: Racing): Promise<BudgetRow> {
  const reached = (report.uniform ?? []).filter(({ met }) => met).sort((a, b) => b.scoreKept - a.scoreKept), best = reached.at(0);
  const took = await race({ dense, pruned: graph, ...(best && { uniform: uniformGraph(dense, best, costs) }) }, samples);
  const denseMs = took.dense.medianMs, askedMs = denseMs / speedup, measuredMs = took.pruned.medianMs;
  const { outcome, average, scoreKept, kept, sparsity, layers } = report;
  return {
    network, askedSpeedup: speedup, askedMs, denseMs, measuredMs, spreadMs: took.pruned.spreadMs, deviation: measuredMs / askedMs - 1,
    outcome, average, scoreKept, kept, sparsity, granularities: counted(layers.map(({ granularity }) => granularity ?? 'as it was')),
    uniform: best
      ? { granularity: best.granularity, sparsity: best.sparsity, measuredMs: took.uniform.medianMs, scoreKept: best.scoreKept } : null,
    seconds,
  };
}

/** A network pruned to several budgets, all from one cost table. */
export async function budgetRows(
  network: string, dense: Graph, { speedups, average, samples }: Wish, { width, say, print }: Reader,
): Promise<{ environment: Environment; rows: BudgetRow[] }> {
  const rows: BudgetRow[] = [];
  let last: Budgeted | undefined;
  for (const speedup of speedups) {
    const start = performance.now();
    let seconds = 0;
    const onProgress = ({ stage, done, total }: Progress): void => {
      say(`${network} ${times(speedup)}: ${stage} ${done}/${total}`);
      // What an allocation takes ends where the comparison begins.
      if (!stage.startsWith('uniform')) seconds = (performance.now() - start) / 1000;
    };
    const costs = last?.costs;
    last = await pruneToBudget(dense, { speedup, average, costs, verify: true, strict: false, compareUniform: true, onProgress });
    print(`${network}, ${times(speedup)}\n${budgetText(last.report, { width })}`);
    rows.push(await rowOf(last, { network, dense, speedup, samples, seconds }));
  }
  return { environment: last!.report.environment, rows };
}
