// The fastest dense kernel on every layer of the bench list, in turns with the ceiling: the baseline of all efficiencies.
// --write puts the rows into bench/results/dense.json. A minute and a half.
import { parseArgs } from 'node:util';
import { createWasm } from '../src/backends/wasm.ts';
import { caseOf, layers } from '../src/measure/cases.ts';
import { benchKernels, type KernelBench } from '../src/measure/kernels.ts';
import { kernelHead, kernelLine } from '../src/report/kernels.ts';
import { linesJson, print, put, say } from './files.ts';

/** The fastest row of each layer. */
export type DenseResults = KernelBench;

/** Rows of an output that are compared are some: all of them would take longer than what is measured. */
const CHECKED_MACS = 2e7;

async function dense(samples: number): Promise<DenseResults> {
  const backend = await createWasm();
  try {
    // Without zeros to skip only dense kernels are timed.
    const cases = layers.map((layer) => caseOf(layer, 'unstructured', 0));
    const bench = await benchKernels(cases, {
      backend, samples, checkedMacs: CHECKED_MACS, onRows: (rows) => { for (const row of rows) if (row.best) print(kernelLine(row)); },
    });
    return { ...bench, rows: bench.rows.filter(({ best }) => best) };
  } finally {
    backend.dispose();
  }
}

const { values } = parseArgs({ options: { write: { type: 'boolean' }, samples: { type: 'string' } } });
print(kernelHead);
const results = await dense(Number(values.samples ?? 15));
if (values.write) say(`written: ${put('bench/results/dense.json', linesJson({ ...results }))}`);
