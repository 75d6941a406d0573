// Matrix × vector: the layers that are bound by bytes. Every kernel on every case against the memory's bandwidth and against
// the fastest dense kernel of the same layer; then few vectors at once. --write puts the rows into bench/results/vectors.json.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { createWasm } from '../src/backends/wasm.ts';
import { countNonzero, type Matrix } from '../src/formats/index.ts';
import type { Graph } from '../src/graph/graph.ts';
import { calibrate } from '../src/measure/calibrate.ts';
import { layerGraph, layers, maskedGraph, type MaskName } from '../src/measure/cases.ts';
import { fill } from '../src/measure/feeds.ts';
import type { Environment } from '../src/measure/record.ts';
import { errorAgainst, referenceOf } from '../src/measure/reference.ts';
import type { Machine } from '../src/measure/roofline.ts';
import { Site } from '../src/measure/site.ts';
import { timeTogether } from '../src/measure/time.ts';
import { randomFrom } from '../src/random.ts';
import { choicesFor } from '../src/runtime/choices.ts';
import { environment } from '../src/runtime/environment.ts';
import { formatName, type Choice } from '../src/runtime/lower/weight.ts';
import { Tensor } from '../src/tensor.ts';
import { linesJson, print, put, root, say } from './files.ts';

/** One kernel on one case. */
export interface VectorRow {
  readonly case: string;
  readonly kernel: string;
  readonly format: string;
  readonly rows: number;
  readonly cols: number;
  /** Vectors. */
  readonly count: number;
  readonly density: number;
  readonly medianMs: number;
  readonly maxError: number;
  /** Useful work, 2 · nonzeros · vectors. */
  readonly gflops: number;
  /** Bytes of the packed weight once, over the time; and that over the bandwidth of memory no cache holds. */
  readonly gigabytesPerSecond: number;
  readonly bandwidthShare: number;
  /** Measured ÷ theoretical speedup over the fastest dense kernel of the same layer without zeros. */
  readonly efficiency: number;
}

export interface VectorResults {
  readonly environment: Environment;
  readonly ceiling: Machine;
  readonly rows: readonly VectorRow[];
}

interface Case { readonly name: string; readonly graph: () => Graph }

/** The data of the project's neighbour folder; cases that need it are left out where it is missing. */
const shared = [join(root, 'shared'), join(root, '..', 'shared')].map((path) => join(path, 'data')).find((path) => existsSync(path));

/** y = W·x for `count` vectors, without bias. */
function linear(name: string, { rows, cols, values }: Matrix, count = 1): Graph {
  const zeros = new Tensor('float32', new Float32Array(rows), [rows]);
  return {
    name, inputs: [{ name: 'x', type: 'float32', dims: [count, cols] }], outputs: [{ name: 'y', type: 'float32', dims: [count, rows] }],
    nodes: [{ name, op: 'Linear', inputs: ['x', 'w', 'b'], outputs: ['y'], attrs: {} }],
    constants: new Map([['w', new Tensor('float32', values, [rows, cols])], ['b', zeros]]),
  };
}

/** Weights rounded to 16-bit floats: one part in 2^11, nothing below 2^-14. */
function halved(graph: Graph): Graph {
  const { data, dims } = graph.constants.get('w')!;
  const round = (w: number): number => {
    const unit = 2 ** (Math.floor(Math.log2(Math.abs(w))) - 10);
    return Math.abs(w) < 2 ** -14 ? 0 : Math.round(w / unit) * unit;
  };
  const w = new Tensor('float32', Float32Array.from(data as Float32Array, round), dims);
  return { ...graph, constants: new Map([...graph.constants, ['w', w]]) };
}

const floats = (path: string): Float32Array => {
  const bytes = gunzipSync(readFileSync(path));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
};

/** A gate matrix of a recurrent layer, masked. */
function lyra(folder: string, name: string): Matrix {
  const [weights, mask, bias] = ['weights', 'mask', 'bias'].map((part) => floats(join(folder, 'lyra', `${name}_${part}.raw.gz`)));
  return { rows: bias.length, cols: weights.length / bias.length, values: weights.map((w, i) => w * mask[i]) };
}

/** MatrixMarket coordinates. */
function mtx(path: string): Matrix {
  const lines = readFileSync(path, 'utf8').split('\n').filter((line) => line.trim());
  const symmetric = lines[0].includes('symmetric'), entries = lines.filter((line) => !line.startsWith('%'));
  const [rows, cols] = entries[0].trim().split(/\s+/).map(Number), values = new Float32Array(rows * cols);
  for (const line of entries.slice(1)) {
    const [i, j, value = 1] = line.trim().split(/\s+/).map(Number);
    values[(i - 1) * cols + j - 1] = value;
    if (symmetric) values[(j - 1) * cols + i - 1] = value;
  }
  return { rows, cols, values };
}

const realMatrices: Readonly<Record<string, (folder: string) => Matrix>> = {
  'lyra.gru 4x4': (folder) => lyra(folder, '768_512_95_4x4_wavernn_gru'),
  'lyra.gates 4x4': (folder) => lyra(folder, 'lyra_16khz_conv_to_gates'),
  'mtx.qh1484': (folder) => mtx(join(folder, 'mtx', 'qh1484.mtx')),
  'mtx.well1033': (folder) => mtx(join(folder, 'mtx', 'well1033.mtx')),
};

const networkLayers = ['transformer.expand.one', 'transformer.project.one', 'resnet50.fc', 'vgg16.fc7'];
const sparsities = [0.5, 0.7, 0.8, 0.9, 0.95, 0.98];
const masks: readonly MaskName[] = ['unstructured', '4x1', '4x4'];

function cases(full: boolean): Case[] {
  const made = networkLayers.flatMap((name): Case[] => {
    const layer = layers.find((one) => `${one.network}.${one.layer}` === name)!, graph = layerGraph(layer);
    // Pruning sixteen million weights takes seconds.
    const levels = graph.constants.get('w')!.size > 1e7 && !full ? [0.5, 0.9, 0.98] : sparsities;
    const pruned = masks.flatMap((mask) => levels.map((sparsity): Case =>
      ({ name: `${name} ${mask} ${sparsity}`, graph: () => maskedGraph(graph, { mask, sparsity, layer }) })));
    return [{ name: `${name} f16`, graph: () => halved(graph) }, ...pruned];
  });
  const real = Object.entries(realMatrices).map(([name, load]): Case => ({ name, graph: () => linear(name, load(shared!)) }));
  return [...made, ...(shared ? real : [])];
}

/** What a kernel reads of a weight: uploads for one choice, in bytes. */
interface Reading { bytes: number }

/** A site that knows how much each choice uploads. */
class WeighedSite extends Site {
  readonly reading: Reading = { bytes: 0 };
  override upload(key: string, make: () => ArrayBufferView): number {
    return super.upload(key, () => {
      const data = make();
      if (/\|(values|idx|ptr)$/.test(key)) this.reading.bytes += data.byteLength;
      return data;
    });
  }
}

const device = await createWasm(), ceiling = await calibrate(device);

/** The graph with no zero in its weight: what dense kernels are timed on. */
function withoutZeros(graph: Graph): Graph {
  const { data, dims } = graph.constants.get('w')!;
  const w = new Tensor('float32', (data as Float32Array).map((value) => value || 0.001), dims);
  return { ...graph, constants: new Map([...graph.constants, ['w', w]]) };
}

interface Entrant { choice: Choice; task: () => void; bytes: number; maxError: number }

/** Every kernel that the chooser would try, run once and compared. */
function enter(site: WeighedSite, graph: Graph, formats?: readonly string[]): Entrant[] {
  const x = fill(graph.inputs[0], graph.inputs[0].dims as number[], 'random', 1), reference = referenceOf(graph, x);
  return choicesFor(site.backend.kernels, site.weight.matrix(), site.columns, { formats }).map((choice) => {
    const before = site.reading.bytes, program = site.program(choice), bytes = site.reading.bytes - before;
    site.values('x').set(x.data as Float32Array);
    site.values('y').fill(NaN);
    program.run();
    const maxError = errorAgainst(reference, site.values('y'), `${graph.name}, ${choice.kernel.name}`);
    return { choice, task: () => program.run(), bytes, maxError };
  });
}

/** Every kernel on one graph, timed in turns. */
async function measure(name: string, graph: Graph): Promise<VectorRow[]> {
  const backend = await createWasm(), whole = withoutZeros(graph), sites = [whole, graph].map((one) => new WeighedSite(backend, one));
  try {
    const dense = enter(sites[0], whole, ['dense']), own = enter(sites[1], graph), tasks = [...dense, ...own];
    const times = await timeTogether(Object.fromEntries(tasks.map(({ task }, i) => [i, task])), { samples: 20, minMs: 1, warmUpMs: 150 });
    const ms = (entrant: Entrant): number => times[tasks.indexOf(entrant)].medianMs, denseMs = Math.min(...dense.map(ms));
    const { rows, cols, values } = sites[1].weight.matrix() as Matrix, nnz = countNonzero(values), density = nnz / (rows * cols);
    return own.map((entrant) => {
      const medianMs = ms(entrant), gigabytesPerSecond = entrant.bytes / medianMs / 1e6, count = sites[1].columns.cols;
      return {
        case: name, kernel: entrant.choice.kernel.name, format: formatName(entrant.choice), rows, cols, count, density,
        medianMs, maxError: entrant.maxError, gflops: (2 * nnz * count) / medianMs / 1e6,
        gigabytesPerSecond, bandwidthShare: gigabytesPerSecond / ceiling.gigabytesPerSecond, efficiency: (denseMs / medianMs) * density,
      };
    });
  } finally {
    for (const site of sites) site.dispose();
    backend.dispose();
  }
}

const head = 'case                             kernel             density     error       ms  GFLOP/s   GB/s  of memory  efficiency';
const line = (row: VectorRow): string => [
  row.case.padEnd(32), row.kernel.padEnd(18), row.density.toFixed(3).padStart(7), row.maxError.toExponential(1).padStart(9),
  row.medianMs.toFixed(4).padStart(8), row.gflops.toFixed(1).padStart(8), row.gigabytesPerSecond.toFixed(1).padStart(6),
  row.bandwidthShare.toFixed(2).padStart(10), row.efficiency.toFixed(2).padStart(11),
].join(' ');

/** Few vectors at once: a call for each of them against tiles of columns. */
function batches(): Case[] {
  const random = randomFrom(1, 'batches'), rows = 1000, cols = 2048;
  const dense = random.normals(new Float32Array(rows * cols), 0.03), sparse = dense.map((w) => (random.next() < 0.1 ? w : 0));
  return [1, 2, 3, 4, 8].flatMap((count) => Object.entries({ dense, '0.9': sparse }).map(([name, values]): Case =>
    ({ name: `1000x2048 ${name}, ${count} vectors`, graph: () => linear(`${count}`, { rows, cols, values }, count) })));
}

const { write, full = false, only = '' } = parseArgs({
  options: { write: { type: 'boolean' }, full: { type: 'boolean' }, only: { type: 'string' } },
}).values;
say(`ceiling ${ceiling.gflops.toFixed(1)} GFLOP/s, memory ${ceiling.gigabytesPerSecond.toFixed(1)} GB/s`);
print(head);
const rows: VectorRow[] = [];
for (const one of [...cases(full), ...batches()].filter(({ name }) => name.includes(only))) {
  for (const row of await measure(one.name, one.graph())) {
    rows.push(row);
    print(line(row));
  }
}
const results: VectorResults = { environment: environment(device), ceiling, rows };
if (write) say(`written: ${put('bench/results/vectors.json', linesJson({ ...results }))}`);
