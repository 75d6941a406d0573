import { trapped, type Backend, type Call, type Program } from '../backends/index.ts';
import { expect } from '../expect.ts';
import type { Graph, Node, Typed } from '../graph/graph.ts';
import { opOf } from '../graph/ops/index.ts';
import type { Call as Operation } from '../graph/ops/op.ts';
import { allocate, bytesOf, sizeOf, Tensor, type Shape } from '../tensor.ts';
import { placeValues, type Lifetime } from './arena.ts';
import { choicesFor } from './choices.ts';
import { aliases, lowerings } from './lower/index.ts';
import { Scratch, type Context } from './lower/context.ts';
import type { Lowered } from './lower/lower.ts';
import { blockName, type Choice } from './lower/product.ts';
import { countNonzero } from '../formats/index.ts';
import { fastest, predict, time, tuneKey, type Candidate, type TuneMemory, type TuneMode } from './tune.ts';

/** What was decided for one layer. */
export interface LayerPlan {
  /** The node's name in the model; of a fused layer, that of the convolution or product. */
  readonly name: string;
  readonly op: string;
  /** Shape of the output. */
  readonly shape: Shape;
  readonly format: string;
  readonly kernel: string;
  /** Nonzero weights and weights in all; 0 for an operator without. */
  readonly nnz: number;
  readonly size: number;
  /** Multiply-adds of the dense layer. */
  readonly macs: number;
  /** Names of the nodes that were fused into this one. */
  readonly parts: readonly string[];
  /** What was tried, fastest first; empty where there was nothing to choose. */
  readonly candidates: readonly Candidate[];
}

export interface PlanOptions {
  readonly formats?: readonly string[];
  readonly tune: TuneMode;
  readonly memory: TuneMemory;
  /** Most milliseconds to spend on measuring; what is left over is predicted. */
  readonly tuneBudgetMs: number;
  readonly onProgress?: (progress: { stage: string; done: number; total: number }) => void;
}

/** A specialised graph with its fusion record. */
export interface PlanInput {
  readonly graph: Graph;
  readonly types: ReadonlyMap<string, Typed>;
  readonly parts: ReadonlyMap<string, readonly string[]>;
}

/** A graph bound to formats, kernels and memory on one backend, for one set of input shapes. */
export interface Plan {
  readonly layers: readonly LayerPlan[];
  /** Feeds must fit the graph's inputs. Outputs are copies. */
  run(feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor>;
  /** Ms of each layer of one run with these feeds. */
  profile(feeds: Readonly<Record<string, Tensor>>): number[];
  dispose(): void;
}

type Step = { readonly calls: readonly Call[] } | { readonly host: () => void };

interface Layer { plan: LayerPlan; build: () => Step }

/** Address of every value that is computed, and of what is uploaded. */
class Binding implements Context {
  readonly backend: Backend;
  readonly scratchMemory = new Scratch();
  readonly #input: PlanInput;
  readonly #roots: Map<string, string>;
  readonly #places: Map<string, number>;
  readonly #arena: number;
  readonly #uploads = new Map<string, number>();
  #used = new Set<string>();

  constructor(backend: Backend, input: PlanInput) {
    this.backend = backend;
    this.#input = input;
    this.#roots = rootsOf(input.graph);
    const placed = placeValues(lifetimes(input, this.#roots));
    this.#places = placed.offsets;
    this.#arena = backend.alloc(placed.bytes);
  }

  typed(name: string): Typed {
    const typed = this.#input.types.get(name);
    expect(typed, { kind: 'state', where: 'plan', needs: `the type of '${name}'`, got: 'nothing' });
    return typed;
  }

  constant(name: string): Tensor | undefined { return this.#input.graph.constants.get(name); }

  address(name: string): number {
    const root = this.#roots.get(name) ?? name, place = this.#places.get(root);
    if (place !== undefined) return this.#arena + place;
    const tensor = this.constant(root);
    expect(tensor, { kind: 'state', where: 'plan', needs: `a place for '${name}'`, got: 'none' });
    return this.upload(`constant|${root}`, () => tensor.data);
  }

  upload(key: string, make: () => ArrayBufferView): number {
    this.#used.add(key);
    const known = this.#uploads.get(key);
    if (known !== undefined) return known;
    const data = make(), address = this.backend.alloc(data.byteLength);
    this.backend.bytes(address, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.#uploads.set(key, address);
    return address;
  }

  scratch(bytes: number): number { return this.scratchMemory.take(bytes); }

  /** Runs `build` with as much scratch memory as it turns out to need. */
  sized<T>(build: () => T): T {
    this.scratchMemory.reset();
    const before = this.scratchMemory.mostBytes, had = this.scratchMemory.base;
    const first = build();
    const most = this.scratchMemory.mostBytes;
    if (had && most <= before) return first;
    if (had) this.backend.free(had);
    this.scratchMemory.base = this.backend.alloc(most);
    this.scratchMemory.reset();
    return build();
  }

  /** Frees what only rejected candidates needed: everything not asked for since the last `forget`. */
  sweep(): void {
    for (const [key, address] of this.#uploads) {
      if (this.#used.has(key)) continue;
      this.backend.free(address);
      this.#uploads.delete(key);
    }
  }

  forget(): void { this.#used = new Set(); }

  dispose(): void {
    for (const address of this.#uploads.values()) this.backend.free(address);
    this.backend.free(this.#arena);
    if (this.scratchMemory.base) this.backend.free(this.scratchMemory.base);
  }
}

/** For values that share another's memory, whose it is. */
function rootsOf(graph: Graph): Map<string, string> {
  const roots = new Map<string, string>();
  for (const { op, inputs, outputs } of graph.nodes) if (aliases.has(op)) roots.set(outputs[0], roots.get(inputs[0]) ?? inputs[0]);
  return roots;
}

function lifetimes({ graph, types }: PlanInput, roots: Map<string, string>): Lifetime[] {
  const first = new Map<string, number>(), last = new Map<string, number>(), end = graph.nodes.length;
  const root = (name: string): string => roots.get(name) ?? name;
  for (const { name } of graph.inputs) first.set(name, -1);
  graph.nodes.forEach((node, step) => {
    if (!aliases.has(node.op)) for (const name of node.outputs) if (name) first.set(name, step);
    for (const name of [...node.inputs, ...node.outputs]) if (name) last.set(root(name), step);
  });
  for (const { name } of graph.outputs) last.set(root(name), end);
  return [...first].map(([name, step]) => {
    const { type, shape } = types.get(name)!;
    return { name, bytes: sizeOf(shape) * bytesOf(type), first: step, last: last.get(name) ?? step };
  });
}

/** Chooses, places and binds. Everything it allocates is freed by `dispose`. */
export function compile(backend: Backend, input: PlanInput, options: PlanOptions): Plan {
  const binding = new Binding(backend, input);
  try {
    return bind(binding, input, layersOf(binding, input, options));
  } catch (error) {
    binding.dispose();
    throw error;
  }
}

function layersOf(binding: Binding, input: PlanInput, options: PlanOptions): Layer[] {
  const nodes = input.graph.nodes.filter((node) => !aliases.has(node.op));
  let spentMs = 0;
  return nodes.map((node, i) => {
    const start = performance.now();
    const layer = layerOf(binding, input, node, spentMs < options.tuneBudgetMs ? options : { ...options, tune: 'predict' });
    spentMs += performance.now() - start;
    options.onProgress?.({ stage: 'tune', done: i + 1, total: nodes.length });
    return layer;
  });
}

function layerOf(binding: Binding, input: PlanInput, node: Node, options: PlanOptions): Layer {
  const { graph, parts } = input;
  const op: Operation = { node, inputs: node.inputs.map((name) => (name ? { ...binding.typed(name), value: graph.constants.get(name) } : undefined)) };
  const macs = opOf(node).work?.(op).macs ?? 0;
  const base = { name: node.name, op: node.op, shape: binding.typed(node.outputs[0]).shape, macs, parts: parts.get(node.name) ?? [] };
  const lowered = binding.backend.kernels.size > 0 ? lowerings[node.op]?.(binding, op) : undefined;
  if (!lowered) return { plan: { ...base, format: 'dense', kernel: 'host', ...weightsOf(op), candidates: [] }, build: () => ({ host: () => runOnHost(binding, op) }) };
  if (!lowered.weight) return { plan: { ...base, format: 'dense', kernel: lowered.kernel, ...weightsOf(op), candidates: [] }, build: () => ({ calls: binding.sized(() => lowered.build()) }) };
  const { choice, candidates } = choose(binding, lowered, `${node.op} ${op.inputs.map((arg) => arg?.shape.join('x') ?? '-').join(' ')}`, options);
  const format = choice.format === 'dense' || choice.format === 'csr' ? choice.format : `${choice.format} ${blockName(choice.block)}`;
  return { plan: { ...base, format, kernel: choice.kernel.name, ...weightsOf(op), candidates }, build: () => ({ calls: binding.sized(() => lowered.build(choice)) }) };
}

/** Nonzeros and size of the weight of a convolution or product. */
function weightsOf({ node, inputs }: Operation): { nnz: number; size: number } {
  const weight = /Conv|Linear|Gemm|MatMul/.test(node.op) ? inputs[1]?.value : undefined;
  return weight?.type === 'float32' ? { nnz: countNonzero(weight.data as Float32Array), size: weight.size } : { nnz: 0, size: 0 };
}

function choose(binding: Binding, lowered: Lowered, signature: string, options: PlanOptions): { choice: Choice; candidates: Candidate[] } {
  const { weight, columns, build } = lowered as Required<Lowered>, { backend } = binding;
  const matrix = weight.matrix(), choices = choicesFor(backend.kernels, matrix, columns, { formats: options.formats });
  let best = Infinity;
  const msOf = (choice: Choice): number => {
    if (options.tune === 'predict') return predict(choice, matrix, columns.cols);
    const key = tuneKey(choice, signature, matrix, backend.simd), known = options.memory.get(key);
    const ms = known ?? time(backend, binding.sized(() => build(choice)), options.memory, best);
    options.memory.set(key, ms);
    best = Math.min(best, ms);
    return ms;
  };
  binding.forget();
  const timed = choices.map((choice) => ({ choice, candidate: { format: choice.format, kernel: choice.kernel.name, ms: choices.length > 1 ? msOf(choice) : 0 } }));
  const { choice } = timed[fastest(timed.map(({ candidate }) => candidate))];
  return { choice, candidates: timed.map(({ candidate }) => candidate).sort((a, b) => a.ms - b.ms) };
}

/** Runs an operator's plain loops on values in the backend's memory. */
function runOnHost(binding: Binding, { node, inputs }: Operation): void {
  const withData = inputs.map((arg, i) => arg && { ...arg, value: arg.value ?? read(binding, node.inputs[i]) });
  opOf(node).run({ node, inputs: withData }).forEach((tensor, i) => { if (node.outputs[i]) write(binding, node.outputs[i], tensor); });
}

function read(binding: Binding, name: string): Tensor {
  const { type, shape } = binding.typed(name), data = allocate(type, sizeOf(shape));
  new Uint8Array(data.buffer).set(binding.backend.bytes(binding.address(name), data.byteLength));
  return new Tensor(type, data, shape);
}

function write(binding: Binding, name: string, { data }: Tensor): void {
  binding.backend.bytes(binding.address(name), data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** One part of a run: calls [from, to) of the program, or a host step. */
interface Part { layer: number; from: number; to: number; host?: () => void }

function bind(binding: Binding, input: PlanInput, layers: Layer[]): Plan {
  const { graph } = input;
  binding.forget();
  // The first round may still enlarge the scratch memory; only the second round's addresses are final.
  layers.forEach((layer) => layer.build());
  const steps = layers.map((layer) => layer.build());
  binding.sweep();
  const calls: Call[] = [], parts: Part[] = [];
  steps.forEach((step, layer) => {
    const from = calls.length;
    if ('calls' in step) calls.push(...step.calls);
    parts.push({ layer, from, to: calls.length, host: 'host' in step ? step.host : undefined });
  });
  const program = binding.backend.program(calls), whole = joinParts(parts);
  const feed = (feeds: Readonly<Record<string, Tensor>>): void => { for (const { name } of graph.inputs) write(binding, name, feeds[name]); };
  return {
    layers: layers.map(({ plan }) => plan),
    run(feeds) {
      feed(feeds);
      for (const part of whole) runPart(program, part, graph.name);
      return Object.fromEntries(graph.outputs.map(({ name }) => [name, graph.constants.get(name) ?? read(binding, name)]));
    },
    profile(feeds) {
      feed(feeds);
      return parts.map((part) => {
        const start = performance.now();
        runPart(program, part, layers[part.layer].plan.name);
        return performance.now() - start;
      });
    },
    dispose() {
      program.dispose();
      binding.dispose();
    },
  };
}

/** Neighbouring kernel parts become one: a run is few calls into the engine. */
function joinParts(parts: readonly Part[]): Part[] {
  const joined: Part[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (last && !last.host && !part.host) last.to = part.to;
    else joined.push({ ...part });
  }
  return joined;
}

function runPart(program: Program, part: Part, where: string): void {
  if (part.host) return part.host();
  if (part.from === part.to) return;
  try {
    program.run(part.from, part.to);
  } catch (cause) {
    throw trapped(cause, where);
  }
}
