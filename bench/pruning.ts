// Seconds and memory of ranking 25.5 million weights (the layers of ResNet-50) globally, criterion by criterion, each in a process of its
// own. --write puts the rows into bench/results/pruning.json. `obs` is left out: it wants a Hessian of each layer.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Graph } from '../src/graph/graph.ts';
import { number, times } from '../src/measure/words.ts';
import { criteria, prune, type Evidence, type PruneOptions } from '../src/prune/index.ts';
import { randomFrom } from '../src/random.ts';
import { textTable, type TableColumn } from '../src/report/text.ts';
import { sizeOf, Tensor, type Shape } from '../src/tensor.ts';
import { linesJson, print, put, width } from './files.ts';

export interface PruningRow {
  readonly criterion: string;
  readonly how: string;
  readonly weights: number;
  readonly seconds: number;
  /** Most memory of the process above what it held before, in bytes of all weights. */
  readonly memory: number;
}

/** Weights of ResNet-50: the first convolution, four stages of bottlenecks, the classifier. */
function shapes(): Shape[] {
  const blocks = [[64, 3], [128, 4], [256, 6], [512, 3]] as const;
  let inputs = 64;
  const stages = blocks.flatMap(([c, count]) => Array.from({ length: count }, (_, i): Shape[] => {
    const from = inputs;
    inputs = 4 * c;
    return [[c, from, 1, 1], [c, c, 3, 3], [4 * c, c, 1, 1], ...(i === 0 ? [[4 * c, from, 1, 1]] : [])];
  }).flat());
  return [[64, 3, 7, 7], ...stages, [1000, 2048]];
}

function network(): Graph {
  const all = shapes().map((dims, i) => ({ name: `layer${i}`, dims }));
  return {
    name: 'resnet50', inputs: [], outputs: [],
    nodes: all.map(({ name, dims }) =>
      ({ name, op: dims.length === 4 ? 'Conv' : 'Linear', inputs: ['x', `${name}.weight`], outputs: [name], attrs: {} })),
    constants: new Map(all.map(({ name, dims }) => {
      return [`${name}.weight`, new Tensor('float32', randomFrom(1, name).normals(new Float32Array(sizeOf(dims)), 0.05), dims)] as const;
    })),
  };
}

/** The weights stand for what is one number a weight: only time and memory are asked for. */
function evidenceOf(graph: Graph): Evidence {
  return Object.fromEntries(graph.nodes.map(({ name, inputs }) => {
    const { data, dims } = graph.constants.get(inputs[1])!, numbers = data as Float32Array;
    const given = { gradient: numbers, squaredGradient: numbers, movement: numbers, initial: numbers };
    return [name, { ...given, inputNorms: new Float32Array(dims[1]).fill(1) }];
  }));
}

const runs: readonly (readonly [string, PruneOptions])[] = [
  ...Object.keys(criteria).filter((name) => name !== 'obs').map((criterion) => ['', { criterion, scope: 'model' }] as const),
  ['allocation lamp', { criterion: 'squared', allocation: 'lamp' }], ['scope row', { criterion: 'magnitude', scope: 'row' }],
  ['filter', { criterion: 'magnitude', scope: 'model', granularity: 'filter' }],
  ['block(4,4)', { criterion: 'magnitude', scope: 'model', granularity: 'block(4,4)' }],
];

const rss = (): number => process.resourceUsage().maxRSS * 1024;

function measure(index: number): PruningRow {
  const graph = network(), [how, options] = runs[index], weights = [...graph.constants.values()].reduce((sum, { size }) => sum + size, 0);
  const evidence = evidenceOf(graph);
  // Once on a small part, so that code is compiled; what that takes is not counted.
  prune({ ...graph, nodes: graph.nodes.slice(0, 4) }, { ...options, sparsity: 0.9, evidence });
  const before = rss(), start = performance.now();
  prune(graph, { ...options, sparsity: 0.9, evidence });
  const seconds = (performance.now() - start) / 1000;
  return { criterion: String(options.criterion), how, weights, seconds, memory: (rss() - before) / (4 * weights) };
}

/** The same file in a process of its own, which prints one row. */
function apart(index: number): PruningRow {
  const { stdout, stderr, status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), `--run=${index}`], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${runs[index][0]}: ${stderr}`);
  return JSON.parse(stdout) as PruningRow;
}

const { run, write } = parseArgs({ options: { run: { type: 'string' }, write: { type: 'boolean' } } }).values;
if (run !== undefined) print(JSON.stringify(measure(Number(run))));
else {
  const rows = runs.map((_, i) => apart(i));
  const column = (head: string, cell: (row: PruningRow) => string, right = true): TableColumn =>
    ({ head, cells: rows.map(cell), right, spare: 0 });
  print(textTable([
    column('criterion', ({ criterion }) => criterion, false), column('how', ({ how }) => how, false),
    column('seconds', ({ seconds }) => number(seconds)), column('memory, of the weights', ({ memory }) => times(memory)),
  ], width));
  if (write) print(`\nwritten: ${put('bench/results/pruning.json', linesJson({ node: process.version, rows }))}`);
}
