// The fastest dense kernel on every layer of the bench list, against the ceiling: the baseline of all efficiencies.
// --write puts the rows into bench/results/dense.json. About half a minute.
import { parseArgs } from 'node:util';
import { createWasm } from '../src/backends/wasm.ts';
import { specialize } from '../src/graph/evaluate.ts';
import { optimize } from '../src/graph/passes/index.ts';
import { calibrate } from '../src/measure/calibrate.ts';
import { layerGraph, layers, productOf, type BenchLayer } from '../src/measure/cases.ts';
import { fill } from '../src/measure/feeds.ts';
import type { Environment } from '../src/measure/record.ts';
import type { Machine } from '../src/measure/roofline.ts';
import { environment } from '../src/runtime/environment.ts';
import { compile } from '../src/runtime/plan.ts';
import { TuneMemory } from '../src/runtime/tune.ts';
import { linesJson, put, say } from './files.ts';

/** One layer: its product, its fastest kernel, the best of its runs. */
export interface DenseRow {
  readonly layer: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly kernel: string;
  readonly bestMs: number;
  readonly gflops: number;
  readonly peakFraction: number;
}

export interface DenseResults {
  readonly environment: Environment;
  readonly ceiling: Machine;
  readonly rows: readonly DenseRow[];
}

/** Runs of one layer last this long together, and are no fewer than this. */
const LAYER_MS = 350;
const LEAST_RUNS = 15;
const memory = new TuneMemory();

async function measureLayer(layer: BenchLayer, ceiling: number): Promise<DenseRow> {
  const backend = await createWasm(), fixed = specialize(layerGraph(layer)), optimized = optimize(fixed.graph, fixed.types);
  const plan = compile(backend, optimized, { formats: ['dense'], tune: 'measure', memory, tuneBudgetMs: Infinity });
  const feeds = Object.fromEntries(optimized.graph.inputs.map((input) => [input.name, fill(input, input.dims as number[])]));
  const at = plan.layers.findIndex(({ size }) => size > 0), { m, n, k } = productOf(layer);
  let bestMs = Infinity;
  for (let runs = 0, start = performance.now(); runs < LEAST_RUNS || performance.now() - start < LAYER_MS; runs++) {
    bestMs = Math.min(bestMs, plan.profile(feeds)[at]);
  }
  const gflops = (2 * m * n * k) / bestMs / 1e6, { kernel } = plan.layers[at];
  plan.dispose();
  backend.dispose();
  return { layer: `${layer.network}.${layer.layer}`, m, n, k, kernel, bestMs, gflops, peakFraction: gflops / ceiling };
}

const { write } = parseArgs({ options: { write: { type: 'boolean' } } }).values;
const device = await createWasm(), ceiling = await calibrate(device), rows: DenseRow[] = [];
for (const layer of layers) {
  const row = await measureLayer(layer, ceiling.gflops);
  rows.push(row);
  const size = `${row.m}×${row.n}×${row.k}`;
  const speed = `${row.gflops.toFixed(1)} GFLOP/s, ${row.peakFraction.toFixed(2)} of the ceiling`;
  say(`${row.layer.padEnd(28)} ${size.padEnd(16)} ${row.kernel.padEnd(22)} ${speed}`);
}
const results: DenseResults = { environment: environment(device), ceiling, rows };
if (write) put('bench/results/dense.json', linesJson({ ...results }));
