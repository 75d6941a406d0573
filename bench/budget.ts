// Networks pruned to a time budget on this device: is it met, and what is left against uniform pruning that takes the same time? What comes
// out is timed anew, in turns with the dense edition and with the best uniform one. Some minutes. --browser does it in a page of headless
// Chromium. --write puts the rows into bench/results/budget.json in place of those of the same networks; --network TEXT,
// --speedups 1.5,2,3, --average NAME and --samples N.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Graph } from '../src/graph/graph.ts';
import { zoo, zooGraph } from '../src/graph/zoo/index.ts';
import type { AverageName } from '../src/measure/budget/index.ts';
import { number, times } from '../src/measure/words.ts';
import { textTable, type TableColumn } from '../src/report/text.ts';
import type { Environment } from '../src/runtime/environment.ts';
import { hasChromium } from '../test/browser/chromium.ts';
import { budgetsInBrowser, type BrowserModel } from './budget-browser.ts';
import { budgetRows, type BudgetRow } from './budget-rows.ts';
import { linesJson, modelOf, modelPath, print, put, root, say, width } from './files.ts';

/** In Node, and in a page; null before anything was measured there. */
export interface BudgetResults {
  readonly environment: Environment | null;
  readonly rows: readonly BudgetRow[];
  readonly browser: Environment | null;
  readonly browserRows: readonly BudgetRow[];
}

interface Entry { readonly network: string; readonly graph: () => Graph | Promise<Graph>; readonly inBrowser: BrowserModel }

const entries: readonly Entry[] = [
  {
    network: 'MediaPipe face detector', graph: () => modelOf('face_detection_full_range'),
    inBrowser: { file: modelPath('face_detection_full_range') },
  },
  { network: zoo.mobilenetv1.title, graph: () => zooGraph('mobilenetv1'), inBrowser: { zoo: 'mobilenetv1' } },
];

const share = (value: number): string => `${(100 * value).toFixed(1)} %`;

function table(rows: readonly BudgetRow[]): string {
  const column = (head: string, cell: (row: BudgetRow) => string, right = true): TableColumn =>
    ({ head, cells: rows.map(cell), right, spare: 0 });
  return textTable([
    column('network', ({ network }) => network, false),
    column('asked', ({ askedSpeedup }) => times(askedSpeedup)),
    column('ms', ({ askedMs }) => number(askedMs)),
    column('measured', ({ measuredMs }) => number(measuredMs)),
    column('off', ({ deviation }) => `${(100 * deviation).toFixed(1)} %`),
    column('outcome', ({ outcome }) => outcome, false),
    column('score kept', ({ scoreKept }) => share(scoreKept)),
    column('uniform keeps', ({ uniform }) => (uniform ? share(uniform.scoreKept) : '')),
    column('in ms', ({ uniform }) => number(uniform?.measuredMs)),
    column('of', ({ uniform }) => uniform?.granularity ?? '', false),
    column('seconds', ({ seconds }) => seconds.toFixed(0)),
  ], width);
}

function earlier(): BudgetResults {
  const path = join(root, 'bench', 'results', 'budget.json');
  const none = { environment: null, rows: [], browser: null, browserRows: [] };
  return existsSync(path) ? { ...none, ...(JSON.parse(readFileSync(path, 'utf8')) as Partial<BudgetResults>) } : none;
}

/** Rows of an earlier run, but for the networks that this one took anew. */
function merged(before: readonly BudgetRow[], rows: readonly BudgetRow[]): BudgetRow[] {
  const kept = before.filter(({ network }) => !rows.some((row) => row.network === network));
  const order = ({ network }: BudgetRow): number => entries.findIndex((entry) => entry.network === network);
  return [...kept, ...rows].sort((a, b) => order(a) - order(b));
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const, flag = { type: 'boolean' } as const;
  const options = { write: flag, browser: flag, network: text, speedups: text, average: text, samples: text };
  const { values } = parseArgs({ options }), wanted = (values.network ?? '').toLowerCase();
  if (values.browser && !hasChromium('budgets in a browser')) return;
  const wish = {
    speedups: (values.speedups ?? '1.5,2,3').split(',').map(Number), samples: Number(values.samples ?? 30),
    ...(values.average && { average: values.average as AverageName }),
  };
  const rows: BudgetRow[] = [];
  let environment: Environment | null = null;
  for (const { network, graph, inBrowser } of entries.filter((entry) => entry.network.toLowerCase().includes(wanted))) {
    const result = values.browser
      ? await budgetsInBrowser(network, inBrowser, { ...wish, width }, say)
      : await budgetRows(network, await graph(), wish, { width, say, print });
    rows.push(...result.rows);
    ({ environment } = result);
  }
  print(table(rows));
  const before = earlier();
  const results: BudgetResults = values.browser
    ? { ...before, browser: environment, browserRows: merged(before.browserRows, rows) }
    : { ...before, environment, rows: merged(before.rows, rows) };
  if (values.write) print(`\nwritten: ${put('bench/results/budget.json', linesJson({ ...results }))}`);
}

await main();
