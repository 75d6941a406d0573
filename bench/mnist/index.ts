// LeNet-300-100 on MNIST, really trained and pruned: a lottery ticket with its controls (Frankle & Carbin 2019) and gradual pruning to
// what Han et al. (2015) kept. --steps of one training (2,000 where absent), --rounds of the ticket, --write puts the rows into
// bench/results/mnist.json.
import { parseArgs } from 'node:util';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { percent } from '../../src/measure/words.ts';
import { drivers, type Train } from '../../src/prune/index.ts';
import { textTable, type TableColumn } from '../../src/report/text.ts';
import { createProducts } from '../../src/runtime/products.ts';
import { linesJson, print, put, say, width } from '../files.ts';
import { digits } from './data.ts';
import { accuracy, perceptronOf, train, weightsOf } from './perceptron.ts';

/** One training: how much of the network is left, and test images told right; controls where there are any. */
export interface MnistRow {
  readonly run: string;
  readonly left: number;
  readonly accuracy: number;
  readonly random?: number;
  readonly reinitialised?: number;
  /** Seconds of the training itself. */
  readonly seconds: number;
}

export interface MnistResults { readonly steps: number; readonly rows: readonly MnistRow[] }

interface Metrics { readonly accuracy: number; readonly seconds: number }

const { steps: asked, rounds, write } = parseArgs({
  options: { steps: { type: 'string' }, rounds: { type: 'string' }, write: { type: 'boolean' } },
}).values;
const steps = Number(asked ?? 2000), model = zooGraph('lenet-300-100', { seed: 1 });
const products = await createProducts(), training = digits('train'), testing = digits('t10k');

const fit: Train<Metrics> = (graph, masks, { begin, end, sparsity, variant, round }) => {
  const network = perceptronOf(graph, masks), start = performance.now();
  train(products, network, training, { begin, end });
  const seconds = (performance.now() - start) / 1000, right = accuracy(products, network, testing);
  say(`round ${round}, ${variant}, ${percent(1 - sparsity)} left: ${(100 * right).toFixed(2)} % in ${seconds.toFixed(1)} s`);
  return { weights: weightsOf(network), metrics: { accuracy: right, seconds } };
};

const ticket = await drivers.lotteryTicket(model, {
  train: fit, steps, rewind: 0, baseline: true, reinitialise: true,
  schedule: { rounds: Number(rounds ?? 15), rate: { '*': 0.2, fc3: 0.1 } },
});
const gradual = await drivers.agp(model, {
  train: fit, steps: 3 * steps, schedule: { begin: steps, end: 2 * steps, every: steps / 10, final: { fc1: 0.92, fc2: 0.91, fc3: 0.74 } },
});

const dense = ticket.history[0].metrics.accuracy;
const rows: MnistRow[] = [
  ...ticket.history.map(({ sparsity, metrics, baseline, reinitialised }) => ({
    run: 'lottery ticket', left: 1 - sparsity, ...metrics, random: baseline?.accuracy, reinitialised: reinitialised?.accuracy,
  })),
  { run: 'gradual', left: 1 - gradual.history.at(-1)!.sparsity, ...gradual.history.at(-1)!.metrics },
];
const share = (value: number | undefined): string => (value === undefined ? '' : `${(100 * value).toFixed(2)} %`);
const column = (head: string, cell: (row: MnistRow) => string): TableColumn => ({ head, cells: rows.map(cell), right: true, spare: 0 });
print(textTable([
  { ...column('run', ({ run }) => run), right: false }, column('left', ({ left }) => percent(left)),
  column('accuracy', (row) => share(row.accuracy)), column('less the dense one', (row) => share(row.accuracy - dense)),
  column('random mask', ({ random }) => share(random)), column('reinitialised', ({ reinitialised }) => share(reinitialised)),
  column('training s', ({ seconds }) => seconds.toFixed(1)),
], width));
if (write) print(`\nwritten: ${put('bench/results/mnist.json', linesJson({ steps, rows }))}`);
products.dispose();
