import { trapped, type Backend, type Program, type Work } from '../backends/index.ts';
import { fail } from '../expect.ts';
import type { Node } from '../graph/graph.ts';
import { layerOf as prunableLayer } from '../graph/layers.ts';
import { opOf } from '../graph/ops/index.ts';
import type { Call as Operation } from '../graph/ops/op.ts';
import { Tensor, type Shape } from '../tensor.ts';
import { Binding, read, write, type PlanInput } from './binding.ts';
import { choicesFor } from './choices.ts';
import { aliases, lowerings } from './lower/index.ts';
import type { Lowered } from './lower/lower.ts';
import { formatName, type Choice } from './lower/product.ts';
import { split } from './lower/split.ts';
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

/** A graph bound to formats, kernels and memory on one backend, for one set of input shapes. */
export interface Plan {
  readonly layers: readonly LayerPlan[];
  /** Feeds must fit the graph's inputs. Outputs are copies. */
  run(feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor>;
  /** Ms of each layer of one run with these feeds. */
  profile(feeds: Readonly<Record<string, Tensor>>): number[];
  dispose(): void;
}

type Step = { readonly works: readonly Work[] } | { readonly host: () => void };

interface Layer { plan: LayerPlan; build: () => Step }

/** Chooses, places and binds. Everything it allocates is freed by `dispose`. */
export function compile(backend: Backend, input: PlanInput, options: PlanOptions): Plan {
  const binding = new Binding(backend, input);
  try {
    return bind(binding, input, layersOf(binding, input, options));
  } catch (error) {
    binding.dispose();
    // The engine's own refusal to make an array that large.
    if (error instanceof RangeError) {
      fail({
        kind: 'limit', where: `plan of '${input.graph.name}'`, needs: 'arrays that fit the memory',
        got: error.message, remedy: 'use smaller inputs or a smaller model', cause: error,
      });
    }
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
  const op: Operation = {
    node, inputs: node.inputs.map((name) => (name ? { ...binding.typed(name), value: graph.constants.get(name) } : undefined)),
  };
  const macs = opOf(node).work?.(op).macs ?? 0;
  const base = { name: node.name, op: node.op, shape: binding.typed(node.outputs[0]).shape, macs, parts: parts.get(node.name) ?? [] };
  const lowered = binding.backend.kernels.size > 0 ? lowerings[node.op]?.(binding, op) : undefined;
  const described = { ...base, format: 'dense', ...weightsOf(input, node), candidates: [] };
  if (!lowered) return { plan: { ...described, kernel: 'host' }, build: () => ({ host: () => runOnHost(binding, op) }) };
  const chosen = lowered.weight && choose(binding, lowered, signatureOf(op), options);
  const build = (): readonly Work[] => split(binding, lowered.build(chosen?.choice));
  // Sizes the scratch memory and holds on to the packed weight; addresses are asked for again when all layers are known.
  binding.keep(build);
  const plan = chosen
    ? { ...described, format: formatName(chosen.choice), kernel: chosen.choice.kernel.name, candidates: chosen.candidates }
    : { ...described, kernel: lowered.kernel };
  return { plan, build: () => ({ works: binding.sized(build) }) };
}

/** What makes two layers cost the same, their weights apart. */
function signatureOf({ node, inputs }: Operation): string {
  return `${node.op} ${inputs.map((arg) => arg?.shape.join('x') ?? '-').join(' ')} ${JSON.stringify(node.attrs)}`;
}

/** Nonzeros and size of a layer's weight. */
function weightsOf({ graph }: PlanInput, node: Node): { nnz: number; size: number } {
  const layer = prunableLayer(graph, node), weight = layer && graph.constants.get(layer.weight);
  return weight ? { nnz: countNonzero(weight.data as Float32Array), size: weight.size } : { nnz: 0, size: 0 };
}

function choose(binding: Binding, lowered: Lowered, signature: string, options: PlanOptions): { choice: Choice; candidates: Candidate[] } {
  const { weight, columns, build } = lowered as Required<Lowered>, { backend } = binding;
  const matrix = weight.matrix(), choices = choicesFor(backend.kernels, matrix, columns, { formats: options.formats });
  let best = Infinity;
  const msOf = (choice: Choice): number => {
    if (options.tune === 'predict') return predict(choice, matrix, columns.cols);
    const key = tuneKey(choice, signature, matrix, backend), known = options.memory.get(key);
    const ms = known ?? time(backend, binding.sized(() => split(binding, build(choice))), options.memory, best);
    options.memory.set(key, ms);
    best = Math.min(best, ms);
    return ms;
  };
  const timed = choices.map((choice) => ({
    choice, candidate: { format: choice.format, kernel: choice.kernel.name, ms: choices.length > 1 ? msOf(choice) : 0 },
  }));
  const { choice } = timed[fastest(timed.map(({ candidate }) => candidate))];
  return { choice, candidates: timed.map(({ candidate }) => candidate).sort((a, b) => a.ms - b.ms) };
}

/** Runs an operator's plain loops on values in the backend's memory. */
function runOnHost(binding: Binding, { node, inputs }: Operation): void {
  const withData = inputs.map((arg, i) => arg && { ...arg, value: arg.value ?? read(binding, node.inputs[i]) });
  opOf(node).run({ node, inputs: withData }).forEach((tensor, i) => { if (node.outputs[i]) write(binding, node.outputs[i], tensor); });
}

/** Outputs are the caller's own, those that are constants of the network too. */
function copyOf(constant: Tensor | undefined): Tensor | undefined {
  return constant && new Tensor(constant.type, constant.data.slice(), constant.dims);
}

/** One part of a run: works [from, to) of the program, or a host step. */
interface Part { layer: number; from: number; to: number; host?: () => void }

function bind(binding: Binding, input: PlanInput, layers: Layer[]): Plan {
  const { graph } = input;
  // The scratch memory has grown to what the largest layer needs: only now are its addresses final.
  const steps = layers.map((layer) => layer.build());
  const works: Work[] = [], parts: Part[] = [];
  steps.forEach((step, layer) => {
    const from = works.length;
    if ('works' in step) works.push(...step.works);
    parts.push({ layer, from, to: works.length, host: 'host' in step ? step.host : undefined });
  });
  const program = binding.backend.program(works), whole = joinParts(parts);
  const feed = (feeds: Readonly<Record<string, Tensor>>): void => {
    for (const { name } of graph.inputs) write(binding, name, feeds[name]);
  };
  return {
    layers: layers.map(({ plan }) => plan),
    run(feeds) {
      feed(feeds);
      for (const part of whole) runPart(program, part, graph.name);
      return Object.fromEntries(graph.outputs.map(({ name }) => [name, copyOf(graph.constants.get(name)) ?? read(binding, name)]));
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
