import { expect, expectOptions, lookUp, show } from '../expect.ts';
import { expectGraph } from '../graph/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import { prunableLayers, type Layer } from '../graph/layers.ts';
import { convGeometry, type ConvWindow } from '../graph/ops/window.ts';
import { chooseLayers, type LayerChoice } from '../prune/choose.ts';
import type { Evidence } from '../prune/index.ts';
import { SparseSession, type Feeds, type SessionOptions } from '../runtime/session.ts';
import { tensorFrom, type Tensor, type TensorLike } from '../tensor.ts';

/** What sample inputs tell about a layer, and how it is added up. */
interface Gathering {
  /** How many numbers there are for a layer. */
  readonly length: (layer: Layer) => number;
  /** Adds what one input of the layer tells. */
  readonly add: (sums: Float64Array, layer: Layer, x: Tensor) => void;
  /** What the sums of all samples become. */
  readonly finish: (sums: Float64Array) => Float64Array;
}

const columnsOf = ({ dims }: Layer): number => dims[1] * dims[2] * dims[3];

/** What can be gathered from sample inputs, by the names that criteria ask for. */
export const gatherings = {
  /** ‖x‖₂ of each input channel over all samples and pixels. */
  inputNorms: { length: ({ dims, groups }) => dims[1] * groups, add: addSquares, finish: (sums) => sums.map(Math.sqrt) },
  /** 2·X·Xᵀ of the unfolded input X [I·KH·KW, pixels], over all samples: the Hessian of a layer's squared error by one of its filters. */
  hessian: { length: (layer) => columnsOf(layer) ** 2 * layer.groups, add: addGram, finish: (sums) => sums.map((sum) => 2 * sum) },
} satisfies Record<string, Gathering>;

export type GatheringName = keyof typeof gatherings;

export interface GatherOptions extends Pick<SessionOptions, 'executionProviders' | 'threads' | 'shapes'> {
  /** Default inputNorms. */
  readonly what?: readonly GatheringName[];
  readonly layers?: LayerChoice;
  readonly exclude?: LayerChoice;
}

/** A Hessian larger than this is refused before it is gathered: 4,096² numbers of 64 bits. */
const MOST_HESSIAN = 4096 ** 2;

/**
 * Runs samples through a network and gathers what criteria like wanda, ria (inputNorms) and obs (hessian) ask for: the option `evidence`
 * of `prune`. Layers whose input is a constant have none.
 * @throws BurinError `argument` for options that do not exist, one sample instead of a list and where there is none, `limit` for
 * Hessians larger than 4096 × 4096, `unsupported` for the Hessian of a transposed convolution and for Gemm with transA; as a session's
 * `run`
 */
export async function gatherEvidence(
  graph: Graph, samples: Iterable<Feeds> | AsyncIterable<Feeds>, options: GatherOptions = {},
): Promise<Evidence> {
  expectGraph(graph);
  checkSamples(samples);
  expectOptions(options, 'gatherEvidence options');
  const { what = ['inputNorms'], layers: included, exclude, ...sessionOptions } = options;
  expect(Array.isArray(what), { kind: 'argument', where: 'option what', needs: 'a list of names as in [inputNorms]', got: show(what) });
  for (const name of what) lookUp(gatherings, name, 'option what');
  const chosen = chooseLayers(prunableLayers(graph), { layers: included, exclude });
  const layers = chosen.filter(({ node }) => !graph.constants.has(node.inputs[0]));
  const turned = layers.find(({ node }) => node.attrs.transA);
  expect(!turned, {
    kind: 'unsupported', where: `evidence of ${turned?.name}`, needs: 'inputs with one sample a row', got: 'Gemm with transA',
    remedy: 'leave the layer out with option exclude',
  });
  const sums = layers.map((layer) => Object.fromEntries(what.map((name) => [name, begun(layer, name)])));
  const session = await SparseSession.create(exposed(graph, layers), { ...sessionOptions, tune: 'predict' });
  let count = 0;
  try {
    for await (const feeds of samples) {
      const values: Readonly<Record<string, TensorLike>> = { ...feeds, ...(await session.run(feeds)) };
      layers.forEach((layer, i) => addTo(sums[i], layer, values[layer.node.inputs[0]]));
      count++;
    }
  } finally {
    session.release();
  }
  expect(count > 0, { kind: 'argument', where: 'samples', needs: 'one or more', got: 'none' });
  return Object.fromEntries(layers.map((layer, i) => [layer.weight, finished(sums[i])]));
}

/** @throws BurinError `argument` for what cannot be gone through, such as the inputs of one run */
function checkSamples(samples: Iterable<Feeds> | AsyncIterable<Feeds>): void {
  const fits = typeof samples === 'object' && samples !== null && (Symbol.iterator in samples || Symbol.asyncIterator in samples);
  expect(fits && !ArrayBuffer.isView(samples) && !(samples instanceof Map), {
    kind: 'argument', where: 'samples', needs: 'a list of inputs of runs, or what gives them one by one', got: show(samples),
    remedy: 'put a single one into a list: [{ x: … }]',
  });
}

type Sums = Readonly<Record<string, Float64Array>>;

const rowOf = (name: string): Gathering => gatherings[name as GatheringName];

function begun(layer: Layer, name: GatheringName): Float64Array {
  const length = rowOf(name).length(layer), where = `${layer.name} [${layer.dims.join(', ')}], ${name}`;
  expect(length <= MOST_HESSIAN, {
    kind: 'limit', where, needs: `at most ${MOST_HESSIAN} numbers`, got: `${length}`, remedy: 'leave the layer out with option exclude',
  });
  expect(name !== 'hessian' || layer.node.op !== 'ConvTranspose', {
    kind: 'unsupported', where, needs: 'a convolution or a linear layer', got: 'ConvTranspose', remedy: 'leave it out with option exclude',
  });
  return new Float64Array(length);
}

function addTo(sums: Sums, layer: Layer, x: TensorLike): void {
  for (const [name, own] of Object.entries(sums)) rowOf(name).add(own, layer, tensorFrom(x, layer.node.inputs[0]));
}

const finished = (sums: Sums): Sums => Object.fromEntries(Object.entries(sums).map(([name, own]) => [name, rowOf(name).finish(own)]));

/** The graph whose outputs are also what its layers read. */
function exposed(graph: Graph, layers: readonly Layer[]): Graph {
  const known = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
  const more = [...new Set(layers.map(({ node }) => node.inputs[0]))].filter((name) => !known.has(name));
  return { ...graph, outputs: [...graph.outputs, ...more.map((name) => ({ name, type: 'float32' as const, dims: [] }))] };
}

/** Channels are the second axis of an image, and the last of what a linear layer reads. */
function addSquares(sums: Float64Array, { node }: Layer, { data, dims }: Tensor): void {
  const image = node.op.startsWith('Conv'), channels = sums.length, x = data as Float32Array;
  const area = image ? dims.slice(2).reduce((product, dim) => product * dim, 1) : 1;
  for (let at = 0, plane = 0; at < x.length; plane++) {
    let sum = 0;
    for (const end = at + area; at < end; at++) sum += x[at] * x[at];
    sums[plane % channels] += sum;
  }
}

/** Numbers of the unfolded input that are held at once. */
const MOST_UNFOLDED = 1 << 21;

function addGram(sums: Float64Array, layer: Layer, x: Tensor): void {
  const n = columnsOf(layer), pixels = Math.max(1, Math.floor(MOST_UNFOLDED / n));
  for (const { group, width, at } of unfolded(layer, x)) {
    for (let first = 0; first < width; first += pixels) {
      const count = Math.min(pixels, width - first), block = new Float64Array(n * count);
      for (let k = 0; k < n; k++) for (let p = 0; p < count; p++) block[k * count + p] = at(k, first + p);
      gram(sums.subarray(group * n * n, (group + 1) * n * n), block, { n, count });
    }
  }
}

/** h += block·blockᵀ, where block is [n, count]. */
function gram(h: Float64Array, block: Float64Array, { n, count }: { n: number; count: number }): void {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let a = 0, b = 0;
      const x = i * count, y = j * count;
      for (let p = 0; p + 1 < count; p += 2) {
        a += block[x + p] * block[y + p];
        b += block[x + p + 1] * block[y + p + 1];
      }
      if (count % 2) a += block[x + count - 1] * block[y + count - 1];
      h[i * n + j] += a + b;
      if (i !== j) h[j * n + i] += a + b;
    }
  }
}

/** The input of one group as a matrix [I·KH·KW, width]. */
interface Unfolded {
  readonly group: number;
  readonly width: number;
  readonly at: (column: number, pixel: number) => number;
}

function* unfolded(layer: Layer, x: Tensor): Generator<Unfolded> {
  const data = x.data as Float32Array, n = columnsOf(layer), { node, groups } = layer;
  if (node.op !== 'Conv') {
    yield { group: 0, width: data.length / n, at: (column, pixel) => data[pixel * n + column] };
    return;
  }
  const weight = { type: 'float32' as const, shape: [layer.dims[0], layer.dims[1], ...layer.dims.slice(x.dims.length === 3 ? 3 : 2)] };
  const window = convGeometry({ node, inputs: [{ type: 'float32', shape: x.dims }, weight] });
  for (let image = 0; image < window.batch; image++) {
    for (let group = 0; group < groups; group++) {
      const first = (image * groups + group) * layer.dims[1];
      yield { group, width: window.out[0] * window.out[1], at: tapOf(data, window, first) };
    }
  }
}

function tapOf(data: Float32Array, window: ConvWindow, first: number): Unfolded['at'] {
  const { kernel: [kh, kw], strides, dilations, pads, in: [h, w], out } = window;
  return (column, pixel) => {
    const channel = first + Math.floor(column / (kh * kw)), tap = column % (kh * kw);
    const y = Math.floor(pixel / out[1]) * strides[0] - pads[0] + Math.floor(tap / kw) * dilations[0];
    const x = (pixel % out[1]) * strides[1] - pads[1] + (tap % kw) * dilations[1];
    return y < 0 || y >= h || x < 0 || x >= w ? 0 : data[(channel * h + y) * w + x];
  };
}
