// `npm run bench`: the cases of `burin bench` with the statistics of Benchmark.js, and other engines on the same layers.
// --quick (the default), --full; --write puts the rows into bench/results/kernels.json.
import { parseArgs } from 'node:util';
import { createWasm } from '../src/backends/wasm.ts';
import type { Graph } from '../src/graph/graph.ts';
import { cases, layerGraph, type BenchLayer } from '../src/measure/cases.ts';
import { fill } from '../src/measure/feeds.ts';
import { benchKernels, type KernelBench, type KernelRow } from '../src/measure/kernels.ts';
import { timeTogether } from '../src/measure/time.ts';
import { benchPlace, efficiencyTable, kernelHead, kernelLine } from '../src/report/kernels.ts';
import { textTable, type TableColumn } from '../src/report/text.ts';
import { SparseSession } from '../src/runtime/session.ts';
import { benchmarkTimer } from './benchmark-timer.ts';
import { linesJson, print, put, width } from './files.ts';
import { rivals } from './race.ts';

/** A layer on other engines and on ours, all called through a session with feeds: what an app sees of one layer. */
export interface PeerRow {
  readonly layer: string;
  readonly engine: string;
  readonly version: string;
  readonly medianMs: number;
  readonly gflops: number;
}

/** The layer as a model file would hold it: no fused activation. */
function plainGraph(layer: BenchLayer): Graph {
  const graph = layerGraph(layer), [{ op, attrs: { min: _, ...attrs }, ...node }] = graph.nodes;
  const product = op === 'Linear' ? { ...node, op: 'Gemm', attrs: { transB: 1 } } : { ...node, op, attrs };
  return { ...graph, nodes: [{ ...product, outputs: ['sum'] }, { name: 'relu', op: 'Relu', inputs: ['sum'], outputs: ['y'], attrs: {} }] };
}

async function peerRows(layer: BenchLayer): Promise<PeerRow[]> {
  const graph = plainGraph(layer), [input] = graph.inputs, feeds = { x: fill(input, input.dims as number[], 'random', 1) };
  const session = await SparseSession.create(graph, { formats: ['dense'] });
  const loaded = await Promise.all(Object.values(rivals).map(async ({ peer, graphFor }) =>
    ({ peer, version: await peer.version(), run: await peer.load(graphFor(graph), feeds) })));
  try {
    const macs = (await session.prepare()).reduce((sum, one) => sum + one.macs, 0);
    const others = loaded.map(({ peer, run }) => [peer.name, () => run.run()] as const);
    const times = await timeTogether<string>({ burin: () => session.run(feeds), ...Object.fromEntries(others) }, { samples: 20 });
    return Object.entries(times).map(([engine, { medianMs }]) => ({
      layer: graph.name, engine, version: loaded.find(({ peer }) => peer.name === engine)?.version ?? '',
      medianMs, gflops: (2 * macs) / medianMs / 1e6,
    }));
  } finally {
    session.release();
    for (const { run } of loaded) run.dispose();
  }
}

function peerTable(rows: readonly PeerRow[]): string {
  const column = (head: string, cells: string[], right = true): TableColumn => ({ head, cells, right, spare: 0 });
  return textTable([
    column('layer (dense, through a session)', rows.map((row) => row.layer), false),
    column('engine', rows.map((row) => `${row.engine} ${row.version}`.trim()), false),
    column('ms', rows.map((row) => row.medianMs.toPrecision(3))),
    column('GFLOP/s', rows.map((row) => row.gflops.toFixed(1))),
  ], width);
}

async function kernels(full: boolean): Promise<KernelBench> {
  const backend = await createWasm();
  let begun = false;
  const onRows = (rows: readonly KernelRow[], place: Omit<KernelBench, 'rows'>): void => {
    if (!begun) print(`${benchPlace(place)}\n\n${kernelHead}`);
    begun = true;
    for (const row of rows) print(kernelLine(row));
  };
  try {
    return await benchKernels(cases.filter(({ quick }) => full || quick), { backend, timer: benchmarkTimer, onRows });
  } finally {
    backend.dispose();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { quick: { type: 'boolean' }, full: { type: 'boolean' }, write: { type: 'boolean' } } });
  const bench = await kernels(values.full === true && !values.quick);
  print(`\nGeometric means of efficiency, and of speedup over the fastest dense kernel\n\n${efficiencyTable(bench.rows, width)}\n`);
  const peers: PeerRow[] = [];
  for (const layer of new Set(cases.filter(({ quick }) => quick).map((one) => one.layer))) peers.push(...(await peerRows(layer)));
  print(peerTable(peers));
  if (values.write) print(`\nwritten: ${put('bench/results/kernels.json', linesJson({ ...bench, peers }))}`);
}

await main();
