import type { ProductWeight } from '../../src/backends/product.ts';
import { pack, unpack } from '../../src/formats/index.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { isKept, type Masks } from '../../src/prune/index.ts';
import { randomFrom } from '../../src/random.ts';
import type { Products } from '../../src/runtime/products.ts';
import { batchOf, type Digits } from './data.ts';

// Training of linear layers with Relu between them, by our own products: forward A·X, the gradient of the inputs Aᵀ·dY, that of the
// weights dY·Xᵀ, of a sparse layer only where a weight is left. A network that loses weights trains faster.

/** Adam's numbers (Kingma & Ba 2015); the rate is Frankle & Carbin's for LeNet-300-100. */
const RATE = 1.2e-3, BETA1 = 0.9, BETA2 = 0.999, EPSILON = 1e-8;
const BATCH = 60;
/** Above this density a dense product is faster. */
const SPARSE_BELOW = 0.4;

/** One parameter with Adam's two moments. Dropped weights stay zero. */
interface Trained {
  readonly values: Float32Array;
  readonly kept: Uint8Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
}

interface Layer {
  readonly rows: number;
  readonly cols: number;
  readonly weight: Trained;
  readonly bias: Trained;
  readonly format: 'csr' | 'dense';
}

export interface Perceptron {
  readonly layers: readonly Layer[];
  readonly names: readonly (readonly [weight: string, bias: string])[];
}

function trained(values: Float32Array, kept: (i: number) => boolean): Trained {
  const { length } = values;
  return {
    values: values.slice(), kept: Uint8Array.from({ length }, (_, i) => (kept(i) ? 1 : 0)),
    first: new Float32Array(length), second: new Float32Array(length),
  };
}

/** The linear layers of a graph, their weights [out, in] copied. */
export function perceptronOf(graph: Graph, masks: Masks): Perceptron {
  const nodes = graph.nodes.filter(({ op }) => op === 'Linear' || op === 'Gemm');
  const floats = (name: string): Float32Array => graph.constants.get(name)!.data as Float32Array;
  const layers = nodes.map(({ inputs: [, weight, bias] }): Layer => {
    const [rows, cols] = graph.constants.get(weight)!.dims, mask = masks.get(weight);
    const own = trained(floats(weight), (i) => !mask || isKept(mask, i));
    const density = own.kept.reduce((sum, keep) => sum + keep, 0) / own.kept.length;
    return { rows, cols, weight: own, bias: trained(floats(bias), () => true), format: density < SPARSE_BELOW ? 'csr' : 'dense' };
  });
  return { layers, names: nodes.map(({ inputs: [, weight, bias] }) => [weight, bias] as const) };
}

export function weightsOf({ layers, names }: Perceptron): Map<string, Float32Array> {
  return new Map(layers.flatMap(({ weight, bias }, l) => [[names[l][0], weight.values], [names[l][1], bias.values]] as const));
}

function upload(products: Products, { rows, cols, weight, bias, format }: Layer): ProductWeight {
  return products.upload(pack(format, { rows, cols, values: weight.values }), { bias: bias.values });
}

/** Activations [features, n] of every layer, the input first; the last are scores, before softmax. */
function forward(products: Products, weights: readonly ProductWeight[], x: Float32Array, n: number): Float32Array[] {
  const all = [x];
  weights.forEach((weight, l) => { all.push(products.spmm(weight, all[l], n, l < weights.length - 1 ? { min: 0 } : {})); });
  return all;
}

/** ∂(mean cross entropy)/∂scores: softmax less one at the right class. */
function lossGradient(scores: Float32Array, labels: Uint8Array): Float32Array {
  const n = labels.length, classes = scores.length / n, out = new Float32Array(scores.length);
  for (let i = 0; i < n; i++) {
    let most = -Infinity, sum = 0;
    for (let c = 0; c < classes; c++) most = Math.max(most, scores[c * n + i]);
    for (let c = 0; c < classes; c++) sum += Math.exp(scores[c * n + i] - most);
    for (let c = 0; c < classes; c++) out[c * n + i] = (Math.exp(scores[c * n + i] - most) / sum - (labels[i] === c ? 1 : 0)) / n;
  }
  return out;
}

function adam({ values, kept, first, second }: Trained, gradient: Float32Array, step: number): void {
  const rate = (RATE * Math.sqrt(1 - BETA2 ** step)) / (1 - BETA1 ** step);
  for (let i = 0; i < values.length; i++) {
    if (kept[i] === 0) continue;
    const g = gradient[i];
    first[i] += (1 - BETA1) * (g - first[i]);
    second[i] += (1 - BETA2) * (g * g - second[i]);
    values[i] -= (rate * first[i]) / (Math.sqrt(second[i]) + EPSILON);
  }
}

function rowSums(matrix: Float32Array, rows: number): Float32Array {
  const n = matrix.length / rows;
  return Float32Array.from({ length: rows }, (_, r) => matrix.subarray(r * n, (r + 1) * n).reduce((sum, value) => sum + value, 0));
}

/** One update by one batch. */
function step(products: Products, { layers }: Perceptron, { images, labels }: Digits, number: number): void {
  const n = labels.length, weights = layers.map((layer) => upload(products, layer)), all = forward(products, weights, images, n);
  let dy = lossGradient(all.at(-1)!, labels);
  for (let l = layers.length - 1; l >= 0; l--) {
    const { rows, weight, bias } = layers[l], x = all[l], back = backwardOf(products, layers[l], weights[l], n);
    const gradient = back.weights(dy, x), dBias = rowSums(dy, rows);
    if (l > 0) dy = back.inputs(dy).map((value, i) => (x[i] > 0 ? value : 0));
    adam(weight, gradient, number);
    adam(bias, dBias, number);
  }
  for (const weight of weights) weight.dispose();
}

/** Trains steps [begin, end), shuffled anew each time the images run out. */
export function train(products: Products, network: Perceptron, data: Digits, { begin, end }: { begin: number; end: number }): void {
  const images = data.labels.length, perEpoch = Math.floor(images / BATCH);
  let order: Uint32Array | undefined;
  for (let t = begin; t < end; t++) {
    if (!order || t % perEpoch === 0) order = shuffled(images, Math.floor(t / perEpoch));
    step(products, network, batchOf(data, order, (t % perEpoch) * BATCH, BATCH), t - begin + 1);
  }
}

/** Fisher and Yates, seeded by the epoch: every network sees the images in the same order. */
function shuffled(length: number, epoch: number): Uint32Array {
  const order = Uint32Array.from({ length }, (_, i) => i), { next } = randomFrom(epoch, 'mnist');
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** [cols, rows] of [rows, cols]. */
function transposed(matrix: Float32Array, rows: number): Float32Array {
  const cols = matrix.length / rows, out = new Float32Array(matrix.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = matrix[r * cols + c];
  return out;
}

/** A[rows × depth]·B[depth × n]. */
function denseProduct(products: Products, a: Float32Array, rows: number, b: Float32Array): Float32Array {
  const cols = a.length / rows, weight = products.upload(pack('dense', { rows, cols, values: a }));
  const c = products.spmm(weight, b, b.length / cols);
  weight.dispose();
  return c;
}

/** Gradients of a layer's weights, and of its inputs x[cols, n], from that of its outputs dy[rows, n]. */
interface Backward {
  readonly weights: (dy: Float32Array, x: Float32Array) => Float32Array;
  readonly inputs: (dy: Float32Array) => Float32Array;
}

function backwardOf(products: Products, { rows, cols, weight, format }: Layer, held: ProductWeight, n: number): Backward {
  if (format === 'csr') {
    return {
      weights: (dy, x) => unpack(products.sddmm(held, dy, x, n)).values, inputs: (dy) => products.spmmTransposed(held, dy, n),
    };
  }
  return {
    weights: (dy, x) => denseProduct(products, dy, rows, transposed(x, cols)),
    inputs: (dy) => denseProduct(products, transposed(weight.values, rows), cols, dy),
  };
}

/** Images told right, 0 … 1. */
export function accuracy(products: Products, { layers }: Perceptron, data: Digits): number {
  const count = data.labels.length, weights = layers.map((layer) => upload(products, layer));
  const { images, labels } = batchOf(data, Uint32Array.from({ length: count }, (_, i) => i), 0, count);
  const scores = forward(products, weights, images, count).at(-1)!, classes = scores.length / count;
  let right = 0;
  for (let i = 0; i < count; i++) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (scores[c * count + i] > scores[best * count + i]) best = c;
    if (best === labels[i]) right++;
  }
  for (const weight of weights) weight.dispose();
  return right / count;
}
