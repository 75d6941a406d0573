import type { Graph } from '../../../src/graph/graph.ts';
import { maskWeights, type Trained, type TrainStep } from '../../../src/prune/index.ts';
import type { Masks } from '../../../src/prune/index.ts';
import { randomFrom, type Random } from '../../../src/random.ts';
import { Tensor } from '../../../src/tensor.ts';

/** A small network with one hidden layer, and gradients by hand: x [IN] → fc1 [HIDDEN] → ReLU → fc2 [CLASSES]. */
export const IN = 16, HIDDEN = 32, CLASSES = 4;

export interface Samples {
  readonly x: Float32Array;
  readonly labels: Uint8Array;
}

/** Every class is three Gaussian clouds; centres are shared by all samples, so no linear map separates them. */
export function samples(count: number, seed: number): Samples {
  const clouds = randomFrom(7, 'centres').normals(new Float32Array(CLASSES * 3 * IN), 1);
  const random = randomFrom(seed, 'samples');
  const x = new Float32Array(count * IN), labels = new Uint8Array(count);
  for (let n = 0; n < count; n++) {
    const cloud = Math.floor(random.next() * CLASSES * 3);
    labels[n] = cloud % CLASSES;
    for (let i = 0; i < IN; i++) x[n * IN + i] = clouds[cloud * IN + i] + 0.6 * random.normal();
  }
  return { x, labels };
}

const linear = (name: string, input: string): Graph['nodes'][number] => ({
  name, op: 'Linear', inputs: [input, `${name}.weight`, `${name}.bias`], outputs: [`${name}.out`], attrs: {},
});

/** The network, initialised as He et al. do. */
export function network(seed = 0): Graph {
  const random = randomFrom(seed, 'initialisation');
  const weight = (out: number, inputs: number): Tensor =>
    new Tensor('float32', random.normals(new Float32Array(out * inputs), Math.sqrt(2 / inputs)), [out, inputs]);
  return {
    name: 'perceptron',
    inputs: [{ name: 'x', type: 'float32', dims: ['N', IN] }],
    outputs: [{ name: 'fc2.out', type: 'float32', dims: ['N', CLASSES] }],
    nodes: [linear('fc1', 'x'), { name: 'relu', op: 'Relu', inputs: ['fc1.out'], outputs: ['h'], attrs: {} }, linear('fc2', 'h')],
    constants: new Map([
      ['fc1.weight', weight(HIDDEN, IN)], ['fc1.bias', new Tensor('float32', new Float32Array(HIDDEN))],
      ['fc2.weight', weight(CLASSES, HIDDEN)], ['fc2.bias', new Tensor('float32', new Float32Array(CLASSES))],
    ]),
  };
}

export type Parameters = Map<string, Float32Array>;

/** Copies of a model's weights and biases, as another library would hold them. */
export const parametersOf = (model: Graph): Parameters =>
  new Map([...model.constants].map(([name, { data }]) => [name, (data as Float32Array).slice()]));

/** y[M] = W[M×K] · x[K] + b[M], x from `at` on. */
function affine([weight, bias]: readonly Float32Array[], x: Float32Array, at: number): Float32Array {
  const inputs = weight.length / bias.length;
  return bias.map((b, m) => {
    let sum = b;
    for (let k = 0; k < inputs; k++) sum += weight[m * inputs + k] * x[at + k];
    return sum;
  });
}

const layer = (p: Parameters, name: string): Float32Array[] => [p.get(`${name}.weight`)!, p.get(`${name}.bias`)!];

function forward(p: Parameters, x: Float32Array, at: number): { hidden: Float32Array; scores: Float32Array } {
  const hidden = affine(layer(p, 'fc1'), x, at).map((value) => Math.max(0, value));
  return { hidden, scores: affine(layer(p, 'fc2'), hidden, 0) };
}

export function accuracyOf(p: Parameters, { x, labels }: Samples): number {
  let right = 0;
  for (let n = 0; n < labels.length; n++) {
    const { scores } = forward(p, x, n * IN);
    if (scores.indexOf(Math.max(...scores)) === labels[n]) right++;
  }
  return right / labels.length;
}

/** ∂L/∂W and ∂L/∂b of the mean cross-entropy of a batch. */
export function gradientsOf(p: Parameters, { x, labels }: Samples, batch: readonly number[]): Parameters {
  const out: Parameters = new Map([...p].map(([name, data]) => [name, new Float32Array(data.length)]));
  const w2 = p.get('fc2.weight')!;
  for (const n of batch) {
    const { hidden, scores } = forward(p, x, n * IN);
    const most = Math.max(...scores), exps = scores.map((score) => Math.exp(score - most));
    const sum = exps.reduce((a, b) => a + b, 0);
    const dScores = exps.map((e, c) => (e / sum - (c === labels[n] ? 1 : 0)) / batch.length);
    const dHidden = hidden.map((h, j) => (h > 0 ? dScores.reduce((s, d, c) => s + d * w2[c * HIDDEN + j], 0) : 0));
    accumulate(layer(out, 'fc2'), dScores, hidden, 0);
    accumulate(layer(out, 'fc1'), dHidden, x, n * IN);
  }
  return out;
}

function accumulate([weight, bias]: Float32Array[], dy: Float32Array, x: Float32Array, at: number): void {
  const inputs = weight.length / dy.length;
  for (let m = 0; m < dy.length; m++) {
    bias[m] += dy[m];
    for (let k = 0; k < inputs; k++) weight[m * inputs + k] += dy[m] * x[at + k];
  }
}

export const pickBatch = (random: Random, count: number, size = 32): number[] =>
  Array.from({ length: size }, () => Math.floor(random.next() * count));

/** One step of gradient descent with momentum, in place. */
export function descend(p: Parameters, gradients: Parameters, velocity: Parameters, rate = 0.1): void {
  for (const [name, data] of p) {
    const g = gradients.get(name)!, v = velocity.get(name)!;
    for (let i = 0; i < data.length; i++) data[i] += v[i] = 0.9 * v[i] - rate * g[i];
  }
}

export const zerosLike = (p: Parameters): Parameters => new Map([...p].map(([name, { length }]) => [name, new Float32Array(length)]));

export const training = samples(1024, 1), held = samples(1024, 2);

export interface Metrics {
  readonly accuracy: number;
}

/** A `train` for the drivers, `perStep` batches a step of the driver; the same batches at the same step of the training. */
export function trainer(perStep: number, calls: TrainStep[] = []) {
  return (model: Graph, masks: Masks, step: TrainStep): Trained<Metrics> => {
    calls.push(step);
    const p = parametersOf(model), velocity = zerosLike(p);
    let gradients = velocity;
    for (let t = step.begin; t < step.end; t++) {
      const random = randomFrom(t, 'batches');
      for (let i = 0; i < perStep; i++) {
        gradients = gradientsOf(p, training, pickBatch(random, training.labels.length));
        descend(p, gradients, velocity, 0.03);
        maskWeights(masks, p);
      }
    }
    return { weights: p, metrics: { accuracy: accuracyOf(p, held) } };
  };
}
