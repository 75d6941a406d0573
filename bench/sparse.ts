// Sparse products here and in what a JavaScript user would otherwise take for them, in turns.
// --write puts the rows into bench/results/sparse.json; --samples N. Half a minute.
import { parseArgs } from 'node:util';
import { createWasm } from '../src/backends/wasm.ts';
import { layerGraph, layers, maskedGraph } from '../src/measure/cases.ts';
import { number } from '../src/measure/words.ts';
import { textTable, type TableColumn } from '../src/report/text.ts';
import { environment } from '../src/runtime/environment.ts';
import { linesJson, print, put, say, sharedMatrices, width } from './files.ts';
import { sparseRows, type SparseProduct, type SparseRow } from './sparse-race.ts';

/** Of the real matrices those that a library of hash tables ends with. */
const real = ['west0479', 'swin_tiny_l0b0_attn_proj_50', 'qh1484'];

/** A pruned linear layer of the small transformer, and real matrices: times one vector and times a few. */
async function products(): Promise<SparseProduct[]> {
  const layer = layers.find((one) => one.network === 'transformer' && one.layer === 'expand')!;
  const { data, dims: [rows, cols] } = maskedGraph(layerGraph(layer), { layer, mask: 'unstructured', sparsity: 0.9 }).constants.get('w')!;
  const made = { name: 'transformer.expand 90 %', matrix: { rows, cols, values: data as Float32Array } };
  const found = (await sharedMatrices()).filter(({ name }) => real.includes(name)).map(({ network, name, matrix }) => (
    { name: `${network}.${name}`, matrix }));
  return [made, ...found].flatMap((one) => [1, 32].map((n) => ({ ...one, n })));
}

function table(rows: readonly SparseRow[]): string {
  const column = (head: string, cell: (row: SparseRow) => string, right = true): TableColumn =>
    ({ head, cells: rows.map(cell), right, spare: 0 });
  return textTable([
    column('product', (row) => row.case, false),
    column('m×n×k', ({ m, n, k }) => `${m}×${n}×${k}`, false),
    column('nonzeros', ({ nonzeros }) => `${nonzeros}`),
    column('library', ({ engine, version }) => `${engine} ${version}`.trim(), false),
    column('ms', ({ medianMs }) => number(medianMs)),
    column('GFLOP/s', ({ gflops }) => number(gflops)),
  ], width);
}

const { values } = parseArgs({ options: { write: { type: 'boolean' }, samples: { type: 'string' } } });
const rows: SparseRow[] = [];
for (const product of await products()) {
  say(`${product.name} × ${product.n} …`);
  rows.push(...(await sparseRows(product, Number(values.samples ?? 20))));
}
print(table(rows));
const backend = await createWasm();
if (values.write) print(`\nwritten: ${put('bench/results/sparse.json', linesJson({ environment: environment(backend), rows }))}`);
backend.dispose();
