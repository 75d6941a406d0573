// Whole networks: ours dense against ours sparse against other engines, in turns. --write puts the rows into bench/results/models.json;
// --network TEXT and --samples N narrow it down.
import { parseArgs } from 'node:util';
import type { Graph } from '../src/graph/graph.ts';
import { zoo, zooGraph, type ZooName } from '../src/graph/zoo/index.ts';
import type { Ratio } from '../src/measure/record.ts';
import { workOf } from '../src/measure/work.ts';
import { number, percent, times } from '../src/measure/words.ts';
import type { PruneOptions } from '../src/prune/index.ts';
import { textTable, type TableColumn } from '../src/report/text.ts';
import { createWasm } from '../src/backends/wasm.ts';
import { environment } from '../src/runtime/environment.ts';
import { linesJson, modelOf, print, put, say, width } from './files.ts';
import { prunedZoo } from './networks.ts';
import { race, type Finish, type RivalName } from './race.ts';

interface Entry {
  readonly network: string;
  /** How the sparse edition came to be. */
  readonly mask: string;
  readonly dense: () => Graph | Promise<Graph>;
  readonly sparse: (dense: Graph) => Graph | Promise<Graph>;
}

const zooEntry = (name: ZooName, mask: string, how: Omit<PruneOptions, 'sparsity'>): Entry =>
  ({ network: zoo[name].title, mask, dense: () => zooGraph(name), sparse: (dense) => prunedZoo(dense, how) });

const entries: readonly Entry[] = [
  {
    network: 'MediaPipe face detector', mask: 'as published',
    dense: () => modelOf('face_detection_full_range'), sparse: () => modelOf('face_detection_full_range_sparse'),
  },
  zooEntry('mobilenetv1', 'unstructured', { granularity: 'weight' }),
  zooEntry('mobilenetv1', 'blocks of 4 rows', { granularity: 'block_rows(4)' }),
  zooEntry('resnet18', 'unstructured', { granularity: 'weight' }),
  zooEntry('resnet18', 'blocks of 4 rows', { granularity: 'block_rows(4)' }),
];

/** One engine on one network. The measured speedup is dense over sparse on the same engine. */
export interface ModelRow {
  readonly network: string;
  readonly mask: string;
  /** Fraction of the parameters that are zero in the sparse edition. */
  readonly sparsity: number;
  readonly engine: string;
  readonly version: string;
  readonly denseMs: number;
  readonly sparseMs: number;
  /** Half the distance between the quartiles. */
  readonly denseSpreadMs: number;
  readonly sparseSpreadMs: number;
  readonly theoreticalSpeedup: Ratio;
  readonly measuredSpeedup: number;
  readonly efficiency: Ratio;
  /** Largest difference from our outputs. */
  readonly maxError: number;
}

async function rowsOf(entry: Entry, peers: readonly RivalName[], samples: number): Promise<ModelRow[]> {
  const { network, mask } = entry, dense = await entry.dense(), sparse = await entry.sparse(dense);
  const editions = [{ name: 'dense', graph: dense, formats: ['dense'] }, { name: 'sparse', graph: sparse }];
  const finishes = await race(editions, { peers, samples });
  const { params, nonzeroParams, theoreticalSpeedup: { masked } } = workOf(sparse).totals;
  const engines = [...new Set(finishes.map(({ engine }) => engine))];
  return engines.flatMap((engine): ModelRow[] => {
    const of = (edition: string): Finish | undefined => finishes.find((one) => one.engine === engine && one.edition === edition);
    const [a, b] = [of('dense'), of('sparse')];
    if (!a || !b) return [];
    const measuredSpeedup = a.time.medianMs / b.time.medianMs;
    return [{
      network, mask, sparsity: 1 - nonzeroParams / params, engine, version: a.version,
      denseMs: a.time.medianMs, sparseMs: b.time.medianMs, denseSpreadMs: a.time.spreadMs, sparseSpreadMs: b.time.spreadMs,
      theoreticalSpeedup: masked, measuredSpeedup, efficiency: masked && measuredSpeedup / masked,
      maxError: Math.max(a.maxError, b.maxError),
    }];
  });
}

function table(rows: readonly ModelRow[]): string {
  const column = (head: string, cell: (row: ModelRow) => string, right = true): TableColumn =>
    ({ head, cells: rows.map(cell), right, spare: 0 });
  return textTable([
    column('network', (row) => row.network, false),
    column('mask', (row) => row.mask, false),
    column('engine', (row) => `${row.engine} ${row.version}`.trim(), false),
    column('zeros', (row) => percent(row.sparsity)),
    column('dense ms', (row) => number(row.denseMs)),
    column('sparse ms', (row) => number(row.sparseMs)),
    column('promised', (row) => times(row.theoreticalSpeedup)),
    column('measured', (row) => times(row.measuredSpeedup)),
    column('of promise', (row) => percent(row.efficiency)),
    column('error', (row) => row.maxError.toExponential(1)),
  ], width);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { write: { type: 'boolean' }, network: { type: 'string' }, samples: { type: 'string' } } });
  const wanted = (values.network ?? '').toLowerCase(), rows: ModelRow[] = [];
  const chosen = entries.filter(({ network }) => network.toLowerCase().includes(wanted));
  for (const entry of chosen) {
    say(`${entry.network}, ${entry.mask} …`);
    rows.push(...(await rowsOf(entry, ['tfjs-wasm', 'onnxruntime-web'], Number(values.samples ?? 30))));
  }
  print(table(rows));
  const backend = await createWasm();
  const record = linesJson({ environment: environment(backend), rows });
  if (values.write) print(`\nwritten: ${put('bench/results/models.json', record)}`);
  backend.dispose();
}

await main();
