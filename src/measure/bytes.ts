import { expect, lookUp, show } from '../expect.ts';
import {
  evenBlock, flush, kernelRows, pack, smallestLanes, type Block, type FormatName, type Layout, type Matrix, type Packed,
} from '../formats/index.ts';
import { fillOf, nonzerosOf } from '../formats/occupancy.ts';
import { expectGraph } from '../graph/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import { prunableLayers, readWeight, type Layer } from '../graph/layers.ts';
import { convWeight } from '../runtime/lower/conv.ts';
import { blockName } from '../runtime/lower/weight.ts';
import { sum } from './count.ts';
import { ratio, type Ratio } from './record.ts';

// Bytes of weights as they are stored: packings are made and their arrays measured, nothing is estimated.

/** One way to store a weight, with the bytes of its arrays. */
export interface StoredBytes {
  /** `csr`, `csr pairs` (rows in pairs, see pair.ts), `bsr 4x1`, `nm 2:4`. */
  readonly name: string;
  readonly format: FormatName;
  readonly block: Block;
  readonly bytes: number;
  readonly values: number;
  readonly indices: number;
  /** Counts of positions, and the order of rows. */
  readonly pointers: number;
  /** Bytes of one index. */
  readonly indexBytes: number;
  /** Share of the stored values that are not zero. */
  readonly fill: number;
}

export interface LayerBytes {
  readonly name: string;
  readonly op: string;
  /** Weights, biases not counted, and those that are not zero (subnormals count as zero: packing drops them). */
  readonly weights: number;
  readonly nonzero: number;
  /** Bytes as 32-bit floats without an index. */
  readonly dense: number;
  /** Ways to store the kept weights, smallest first: csr always, blocks and windows where they fit; none where nothing is zero. */
  readonly packed: readonly StoredBytes[];
  /** The name of the smallest, `dense` where no packing is smaller. */
  readonly smallest: string;
  readonly smallestBytes: number;
  /** Weights / nonzero weights: what an index that costs nothing would make of it. */
  readonly compressionRatio: Ratio;
  /** Dense bytes / smallest bytes. */
  readonly byteRatio: Ratio;
}

/** Plain JSON. */
export interface NetworkBytes {
  readonly model: string;
  readonly totals: Pick<LayerBytes, 'weights' | 'nonzero' | 'dense' | 'smallestBytes' | 'compressionRatio' | 'byteRatio'> & {
    /** Bytes of all layers where only one format may be used: its smallest packing, dense where it does not fit a layer. */
    readonly formats: Readonly<Record<Family, number>>;
    /** Bytes of all other constants: biases, normalisation, tables. */
    readonly others: number;
  };
  readonly layers: readonly LayerBytes[];
}

export interface BytesOptions {
  /** Blocks to measure besides the usual ones, whether or not they fit well: `[{ rows: 1, cols: 16 }]`. */
  readonly blocks?: readonly Pick<Block, 'rows' | 'cols'>[];
}

const families = ['csr', 'csr pairs', 'bsr', 'nm'] as const;
export type Family = (typeof families)[number];
const familyOf = ({ format, name }: StoredBytes): Family => (name === 'csr pairs' ? name : format) as Family;

/** Of csr, with its 16-bit index: bytes of a nonzero. */
const SINGLE_BYTES = 6;
/** What is filled less than this stores more than 6 bytes a nonzero without any index. */
const LEAST_FILL = 4 / SINGLE_BYTES;
const sized = (rows: number, cols: number): Block => ({ rows, cols });
const usualBlocks = [
  sized(2, 1), sized(4, 1), sized(6, 1), sized(8, 1), sized(1, 2), sized(1, 4), sized(1, 8), sized(4, 4), sized(8, 8), sized(16, 16),
  sized(32, 32),
];
const windows = [2, 4, 8, 16];

/**
 * Bytes of every weight of a graph, dense and packed in each format and block that fits it, and the smallest. A weight is the matrix
 * O × (KH·KW·I) that kernels multiply by. Packings are the portable ones, whose index counts columns in 16 bits; a kernel whose panel
 * is wider than the reach of its index splits the columns, which adds a few counts for each block of rows.
 * @throws BurinError `argument` for what is no graph, an unknown option or a block that is none.
 */
export function bytesOf(graph: Graph, options: BytesOptions = {}): NetworkBytes {
  expectGraph(graph);
  const blocks = blocksFrom(options);
  const layers = prunableLayers(graph);
  const counted = layers.map((layer) => layerBytes(graph, layer, blocks));
  const total = (key: 'weights' | 'nonzero' | 'dense' | 'smallestBytes'): number => sum(counted, (layer) => layer[key]);
  const inFamily = (family: Family): number => sum(counted, (layer) =>
    layer.packed.find((stored) => familyOf(stored) === family)?.bytes ?? layer.dense);
  const own = new Set(layers.map(({ weight }) => weight));
  return {
    model: graph.name,
    totals: {
      weights: total('weights'), nonzero: total('nonzero'), dense: total('dense'), smallestBytes: total('smallestBytes'),
      compressionRatio: ratio(total('weights'), total('nonzero')), byteRatio: ratio(total('dense'), total('smallestBytes')),
      formats: Object.fromEntries(families.map((family) => [family, inFamily(family)])) as Record<Family, number>,
      others: sum([...graph.constants].filter(([name]) => !own.has(name)), ([, { data }]) => data.byteLength),
    },
    layers: counted,
  };
}

const known = { blocks: true } satisfies Record<keyof BytesOptions, true>;
const isCount = (n: unknown): boolean => Number.isInteger(n) && (n as number) >= 1 && (n as number) <= 1024;

interface Blocks {
  /** Small ones first, so that what does not fit excludes the larger ones it lies in. */
  readonly blocks: readonly Block[];
  readonly asked: ReadonlySet<Block>;
}

function blocksFrom(options: BytesOptions): Blocks {
  const isObject = typeof options === 'object' && options !== null;
  expect(isObject, { kind: 'argument', where: 'bytes options', needs: 'an object', got: show(options) });
  for (const key of Object.keys(options)) lookUp(known, key, 'bytes options');
  const { blocks = [] } = options;
  expect(Array.isArray(blocks), { kind: 'argument', where: 'bytes blocks', needs: 'a list of { rows, cols }', got: show(blocks) });
  for (const block of blocks) {
    expect(isCount(block?.rows) && isCount(block?.cols), {
      kind: 'argument', where: 'bytes blocks', needs: 'blocks of 1 to 1024 rows and columns', got: show(block),
    });
  }
  const asked = blocks.map(({ rows, cols }) => sized(rows, cols));
  const all = new Map([...usualBlocks, ...asked].map((block) => [blockName(block), block]));
  return { blocks: [...all.values()].toSorted((a, b) => a.rows * a.cols - b.rows * b.cols), asked: new Set(asked) };
}

function layerBytes(graph: Graph, layer: Layer, blocks: Blocks): LayerBytes {
  const matrix = matrixOf(graph, layer), weights = matrix.values.length, dense = 4 * weights;
  const nonzero = nonzerosOf(matrix);
  const packed = nonzero === weights ? [] : storages(matrix, nonzero, blocks).toSorted((a, b) => a.bytes - b.bytes);
  const least = packed[0]?.bytes < dense ? packed[0] : { name: 'dense', bytes: dense };
  return {
    name: layer.name, op: layer.node.op, weights, nonzero, dense, packed, smallest: least.name, smallestBytes: least.bytes,
    compressionRatio: ratio(weights, nonzero), byteRatio: ratio(dense, least.bytes),
  };
}

/** The weight as kernels multiply by it; of a transposed convolution (O·KH·KW) × I. Groups lie one below the other. */
function matrixOf(graph: Graph, layer: Layer): Matrix {
  const [rows, inputs, height, width] = layer.dims, taps = height * width;
  const { values } = convWeight(layer.weight, readWeight(graph, layer), { rows, inputs, taps, group: 0 }).matrix();
  const split = layer.node.op === 'ConvTranspose' ? taps : 1;
  return { rows: rows * split, cols: (inputs * taps) / split, values };
}

function storages(matrix: Matrix, nonzero: number, blocks: Blocks): StoredBytes[] {
  const single = sized(1, 1), pairs: Layout = { lanes: 2, unit: 1, kBlock: evenBlock(matrix.cols, 1, 2 ** 16, 1), pairs: true };
  return [
    measured('csr', matrix, { block: single }),
    measured('csr', matrix, { block: single, layout: pairs }),
    ...fittingBlocks(matrix, nonzero, blocks).map((block) => measured('bsr', matrix, { block })),
    ...fittingWindows(matrix, nonzero).map((block) => measured('nm', matrix, { block })),
  ];
}

/** Blocks that are filled well enough to be smaller than csr, and than dense; those that were asked for in any case. */
function fittingBlocks(matrix: Matrix, nonzero: number, { blocks, asked }: Blocks): Block[] {
  const empty: Block[] = [];
  return blocks.filter((block) => {
    if (matrix.rows < block.rows || matrix.cols % block.cols !== 0) return false;
    if (asked.has(block)) return true;
    // Blocks made of smaller ones are never filled better than these.
    if (empty.some(({ rows, cols }) => block.rows % rows === 0 && block.cols % cols === 0)) return false;
    const fill = fillOf(matrix, block);
    if (fill < LEAST_FILL) empty.push(block);
    const rows = kernelRows(block.rows), bytesOfOne = (4 * smallestLanes(rows) + 2 / block.cols) / rows / fill;
    return bytesOfOne <= SINGLE_BYTES && bytesOfOne * nonzero < 4 * matrix.values.length;
  });
}

/** Of every window the least that must be kept, where that fills it well enough and is smaller than dense. */
function fittingWindows(matrix: Matrix, nonzero: number): Block[] {
  return windows.flatMap((of) => {
    if (matrix.cols % of !== 0) return [];
    const keep = Math.max(1, mostIn(matrix, of));
    const stored = keep * (matrix.values.length / of), fits = stored * SINGLE_BYTES < 4 * matrix.values.length;
    return fits && nonzero >= LEAST_FILL * stored ? [{ rows: 1, cols: 1, keep, of }] : [];
  });
}

function mostIn({ values }: Matrix, of: number): number {
  let most = 0;
  for (let at = 0; at < values.length; at += of) {
    let n = 0;
    for (let i = 0; i < of; i++) if (flush(values[at + i]) !== 0) n++;
    if (n > most) most = n;
  }
  return most;
}

/** Weights that are packed at once: what a packing takes beside the weight stays small. Pairs of rows are made within a band. */
const BAND = 2 ** 22;
/** A multiple of the rows of every usual block. */
const BAND_STEP = 96;

function* bandsOf({ rows, cols, values }: Matrix, { rows: step }: Block): Generator<Matrix> {
  const unit = BAND_STEP % step === 0 ? BAND_STEP : step;
  const most = Math.max(unit, Math.floor(BAND / Math.max(cols, 1) / unit) * unit);
  for (let row = 0; row < rows; row += most) {
    const end = Math.min(rows, row + most);
    yield { rows: end - row, cols, values: values.subarray(row * cols, end * cols) };
  }
}

function measured(format: FormatName, matrix: Matrix, { block, layout }: { block: Block; layout?: Layout }): StoredBytes {
  const bytes = { values: 0, indices: 0, pointers: 0 };
  let [stored, kept, indexBytes, bands] = [0, 0, 2, 0];
  for (const band of bandsOf(matrix, block)) {
    const packed: Packed = pack(format, band, layout, block);
    bytes.values += packed.values.byteLength;
    bytes.indices += packed.idx.byteLength;
    // Bands after the first begin where the one before ended: the count in front of their first block is there already.
    bytes.pointers += packed.ptr.byteLength + (packed.order?.byteLength ?? 0) - (bands++ && !packed.order ? 4 * packed.starts.length : 0);
    stored += packed.stored;
    kept += packed.nnz;
    indexBytes = packed.idx.BYTES_PER_ELEMENT;
  }
  const plain = block.of || format === 'bsr' ? `${format} ${blockName(block)}` : format;
  return {
    name: layout?.pairs ? `${plain} pairs` : plain, format, block, bytes: bytes.values + bytes.indices + bytes.pointers, ...bytes,
    indexBytes, fill: stored ? kept / stored : 1,
  };
}
