import { fail } from '../../expect.ts';
import { randomFrom } from '../../random.ts';
import { sizeOf, Tensor, type Shape } from '../../tensor.ts';
import type { Attr, Graph, Node } from '../graph.ts';

/** A value under construction: its name and its shape, batch included. */
export interface Value {
  readonly name: string;
  readonly dims: Shape;
}

export interface ConvOptions {
  readonly out: number;
  readonly kernel?: number;
  readonly stride?: number;
  readonly pad?: number;
  readonly groups?: number;
  readonly bias?: boolean;
}

export interface PoolOptions {
  readonly kernel: number;
  readonly stride?: number;
  readonly pad?: number;
  /** Keep a last window that begins inside but ends outside. */
  readonly ceil?: boolean;
}

/** A module of a network: appends its nodes under `name` and returns its output. */
export type Module<Options extends unknown[] = []> = (name: string, x: Value, ...options: Options) => Value;

/**
 * Writes down a network in torch's words: each method appends one node called `name`, whose weights are `name.weight`,
 * `name.bias`, … Weights are He normal, drawn from a stream of their own, so no layer depends on the order of the others.
 */
export interface Net {
  readonly conv: Module<[ConvOptions]>;
  readonly bn: Module;
  readonly linear: Module<[out: number]>;
  readonly relu: Module;
  readonly relu6: Module;
  readonly maxPool: Module<[PoolOptions]>;
  readonly averagePool: Module<[PoolOptions]>;
  /** Global average pooling to [N, C, 1, 1]. */
  readonly globalPool: Module;
  /** [N, C, H, W] to [N, C·H·W]. */
  readonly flatten: Module;
  readonly add: (name: string, a: Value, b: Value) => Value;
  /** Along the channels. */
  readonly concat: (name: string, values: readonly Value[]) => Value;
}

interface Draft {
  readonly seed: number;
  readonly nodes: Node[];
  readonly constants: Map<string, Tensor>;
}

interface Step {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly dims: Shape;
  readonly attrs?: Readonly<Record<string, Attr>>;
}

export interface Blueprint {
  readonly name: string;
  readonly seed: number;
  /** Shape of the input, batch included. */
  readonly input: Shape;
  readonly layers: (net: Net, x: Value) => Value;
}

/** The graph of a blueprint, from `input` to `scores`. */
export function buildGraph({ name, seed, input, layers }: Blueprint): Graph {
  const draft: Draft = { seed, nodes: [], constants: new Map() };
  const last = layers(netOf(draft), { name: 'input', dims: input });
  const nodes = draft.nodes.map((node) => (node.outputs[0] === last.name ? { ...node, outputs: ['scores'] } : node));
  return {
    name,
    inputs: [{ name: 'input', type: 'float32', dims: input }],
    outputs: [{ name: 'scores', type: 'float32', dims: last.dims }],
    nodes,
    constants: draft.constants,
  };
}

function netOf(draft: Draft): Net {
  return {
    conv: (name, x, options) => conv(draft, name, x, options),
    bn: (name, x) => batchNorm(draft, name, x),
    linear: (name, x, out) => linear(draft, name, x, out),
    relu: (name, x) => append(draft, { op: 'Relu', name, inputs: [x.name], dims: x.dims }),
    relu6: (name, x) => relu6(draft, name, x),
    maxPool: (name, x, options) => pool(draft, 'MaxPool', name, x, options),
    averagePool: (name, x, options) => pool(draft, 'AveragePool', name, x, options),
    globalPool: (name, x) => append(draft, { op: 'GlobalAveragePool', name, inputs: [x.name], dims: [x.dims[0], x.dims[1], 1, 1] }),
    flatten: (name, x) => flatten(draft, name, x),
    add: (name, a, b) => append(draft, { op: 'Add', name, inputs: [a.name, b.name], dims: a.dims }),
    concat: (name, values) => concat(draft, name, values),
  };
}

/** The output of a node is called as the node. */
function append(draft: Draft, { op, name, inputs, dims, attrs = {} }: Step): Value {
  draft.nodes.push({ name, op, inputs, outputs: [name], attrs });
  return { name, dims };
}

/** A constant of normals around `mean`. */
function normals(draft: Draft, name: string, dims: Shape, { mean = 0, deviation }: { mean?: number; deviation: number }): string {
  const data = randomFrom(draft.seed, name).normals(new Float32Array(sizeOf(dims)), deviation);
  if (mean !== 0) for (let i = 0; i < data.length; i++) data[i] += mean;
  draft.constants.set(name, new Tensor('float32', data, dims));
  return name;
}

/** He et al. (2015): deviation √(2 / inputs of one output). */
function weight(draft: Draft, name: string, dims: Shape): string {
  return normals(draft, `${name}.weight`, dims, { deviation: Math.sqrt(2 / sizeOf(dims.slice(1))) });
}

function bias(draft: Draft, name: string, channels: number): string {
  return normals(draft, `${name}.bias`, [channels], { deviation: 0.05 });
}

function conv(draft: Draft, name: string, x: Value, options: ConvOptions): Value {
  const { out, kernel = 1, stride = 1, pad = 0, groups = 1 } = options;
  const [batch, channels, height, width] = x.dims;
  const inputs = [x.name, weight(draft, name, [out, channels / groups, kernel, kernel])];
  if (options.bias ?? true) inputs.push(bias(draft, name, out));
  const attrs = { ...windowAttrs(kernel, stride, pad), dilations: [1, 1], group: groups };
  const extent = (length: number): number => outputLength(name, { length, kernel, stride, pad });
  return append(draft, { op: 'Conv', name, inputs, dims: [batch, out, extent(height), extent(width)], attrs });
}

function pool(draft: Draft, op: string, name: string, x: Value, { kernel, stride = kernel, pad = 0, ceil = false }: PoolOptions): Value {
  const [batch, channels, height, width] = x.dims;
  const attrs = { ...windowAttrs(kernel, stride, pad), ceil_mode: ceil ? 1 : 0 };
  const extent = (length: number): number => outputLength(name, { length, kernel, stride, pad, ceil });
  return append(draft, { op, name, inputs: [x.name], dims: [batch, channels, extent(height), extent(width)], attrs });
}

function windowAttrs(kernel: number, stride: number, pad: number): Record<string, Attr> {
  return { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: [pad, pad, pad, pad] };
}

interface Extent { length: number; kernel: number; stride: number; pad: number; ceil?: boolean }

function outputLength(name: string, { length, kernel, stride, pad, ceil = false }: Extent): number {
  const steps = (length + 2 * pad - kernel) / stride;
  const out = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
  if (out >= 1) return out;
  return fail({
    kind: 'shape', where: `zoo layer '${name}'`, needs: `at least ${kernel - 2 * pad} rows and columns`, got: `${length}`,
    remedy: 'ask for a larger input',
  });
}

function batchNorm(draft: Draft, name: string, x: Value): Value {
  const dims = [x.dims[1]];
  const inputs = [
    x.name,
    normals(draft, `${name}.weight`, dims, { mean: 1, deviation: 0.1 }),
    normals(draft, `${name}.bias`, dims, { deviation: 0.1 }),
    normals(draft, `${name}.running_mean`, dims, { deviation: 0.1 }),
    normals(draft, `${name}.running_var`, dims, { deviation: 0.1 }),
  ];
  const variance = draft.constants.get(inputs[4])!.data as Float32Array;
  for (let i = 0; i < variance.length; i++) variance[i] = 1 + Math.abs(variance[i]);
  return append(draft, { op: 'BatchNormalization', name, inputs, dims: x.dims, attrs: { epsilon: 1e-5 } });
}

function linear(draft: Draft, name: string, x: Value, out: number): Value {
  const inputs = [x.name, weight(draft, name, [out, x.dims[1]]), bias(draft, name, out)];
  return append(draft, { op: 'Gemm', name, inputs, dims: [x.dims[0], out], attrs: { transB: 1, alpha: 1, beta: 1 } });
}

function relu6(draft: Draft, name: string, x: Value): Value {
  draft.constants.set('relu6.min', new Tensor('float32', [0], []));
  draft.constants.set('relu6.max', new Tensor('float32', [6], []));
  return append(draft, { op: 'Clip', name, inputs: [x.name, 'relu6.min', 'relu6.max'], dims: x.dims });
}

function flatten(draft: Draft, name: string, x: Value): Value {
  const dims = [x.dims[0], sizeOf(x.dims.slice(1))];
  return append(draft, { op: 'Flatten', name, inputs: [x.name], dims, attrs: { axis: 1 } });
}

function concat(draft: Draft, name: string, values: readonly Value[]): Value {
  const [batch, , ...rest] = values[0].dims;
  const channels = values.reduce((sum, value) => sum + value.dims[1], 0);
  const inputs = values.map((value) => value.name);
  return append(draft, { op: 'Concat', name, inputs, dims: [batch, channels, ...rest], attrs: { axis: 1 } });
}
