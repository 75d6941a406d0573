// `npm run bench`: the cases of `burin bench` with the statistics of Benchmark.js, and other engines on the same layers.
// --quick (the default), --full; --write puts the rows into bench/results/kernels.json.
import { parseArgs } from 'node:util';
import { createWasm } from '../src/backends/wasm.ts';
import { cases, matrixCases } from '../src/measure/cases.ts';
import { benchKernels, type KernelBench, type KernelRow } from '../src/measure/kernels.ts';
import { benchPlace, efficiencyTable, kernelHead, kernelLine } from '../src/report/kernels.ts';
import { textTable, type TableColumn } from '../src/report/text.ts';
import { benchmarkTimer } from './benchmark-timer.ts';
import { linesJson, print, put, sharedMatrices, width } from './files.ts';
import { peerRows, type PeerRow } from './layer-race.ts';

function peerTable(rows: readonly PeerRow[]): string {
  const column = (head: string, cells: string[], right = true): TableColumn => ({ head, cells, right, spare: 0 });
  return textTable([
    column('layer (dense, through a session)', rows.map((row) => row.layer), false),
    column('engine', rows.map((row) => `${row.engine} ${row.version}`.trim()), false),
    column('ms', rows.map((row) => row.medianMs.toPrecision(3))),
    column('GFLOP/s', rows.map((row) => row.gflops.toFixed(1))),
  ], width);
}

/** The cases of `burin bench`, and the real matrices. */
async function kernels(full: boolean): Promise<KernelBench> {
  const backend = await createWasm();
  let begun = false;
  const onRows = (rows: readonly KernelRow[], place: Omit<KernelBench, 'rows'>): void => {
    if (!begun) print(`${benchPlace(place)}\n\n${kernelHead}`);
    begun = true;
    for (const row of rows) print(kernelLine(row));
  };
  try {
    const all = [...cases, ...matrixCases(await sharedMatrices())];
    return await benchKernels(all.filter(({ quick }) => full || quick), { backend, timer: benchmarkTimer, onRows });
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
