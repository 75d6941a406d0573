import { trapped, type Backend, type Program, type Work } from '../backends/index.ts';
import { fail } from '../expect.ts';
import { nonzerosOf } from '../formats/occupancy.ts';
import type { Node } from '../graph/graph.ts';
import { opOf } from '../graph/ops/index.ts';
import type { Call as Operation } from '../graph/ops/op.ts';
import { weigh, type Weighed } from '../graph/weigh.ts';
import { Tensor } from '../tensor.ts';
import { Binding, read, write, type PlanInput } from './binding.ts';
import { choicesFor } from './choices.ts';
import { choose, type Chosen, type Decision } from './choose.ts';
import { aliases, lowerings } from './lower/index.ts';
import type { Lowered } from './lower/lower.ts';
import { split } from './lower/split.ts';
import { formatName } from './lower/weight.ts';
import { deviceOf, type Candidate, type TuneMemory, type TuneMode } from './tune.ts';

/** What was decided for one layer. Shape, weights and multiply-adds are those of the model as it was given. */
export interface LayerPlan extends Weighed {
  /** The node's name in the model; of a fused layer, that of the convolution or product. */
  readonly name: string;
  readonly op: string;
  /** The execution provider that runs it. */
  readonly backend: string;
  readonly format: string;
  readonly kernel: string;
  /** What really runs, where dead channels were taken out. */
  readonly narrowed?: Weighed;
  /** Names of the nodes that were fused into this one. */
  readonly parts: readonly string[];
  /** What could have been taken, fastest first; empty where there was nothing to choose. */
  readonly candidates: readonly Candidate[];
  /** How the choice was made; absent where there was none. */
  readonly decided?: Decision;
}

export interface PlanOptions {
  readonly formats?: readonly string[];
  readonly tune: TuneMode;
  readonly memory: TuneMemory;
  /** Most milliseconds to spend on measuring; what is left over is predicted. */
  readonly tuneBudgetMs: number;
  /** Milliseconds since any fixed moment; `performance.now` when absent. */
  readonly clock?: () => number;
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

/** What every layer's choice needs. */
interface Tuning extends PlanOptions {
  readonly device: string;
  readonly clock: () => number;
  readonly leftMs: number;
}

function layersOf(binding: Binding, input: PlanInput, options: PlanOptions): Layer[] {
  const nodes = input.graph.nodes.filter((node) => !aliases.has(node.op)), device = deviceOf(binding.backend);
  const clock = options.clock ?? ((): number => performance.now());
  let spentMs = 0;
  return nodes.map((node, i) => {
    const start = clock();
    const layer = layerOf(binding, input, node, { ...options, device, clock, leftMs: options.tuneBudgetMs - spentMs });
    spentMs += clock() - start;
    options.onProgress?.({ stage: 'tune', done: i + 1, total: nodes.length });
    return layer;
  });
}

function layerOf(binding: Binding, input: PlanInput, node: Node, tuning: Tuning): Layer {
  const { graph, parts, given } = input;
  const op: Operation = {
    node, inputs: node.inputs.map((name) => (name ? { ...binding.typed(name), value: graph.constants.get(name) } : undefined)),
  };
  const own = weigh(graph, input.types, node), before = given?.get(node.name);
  const base = {
    name: node.name, op: node.op, backend: binding.backend.name, ...(before ?? own), ...(before && { narrowed: own }),
    parts: parts.get(node.name) ?? [],
  };
  const lowered = binding.backend.kernels.size > 0 ? lowerings[node.op]?.(binding, op) : undefined;
  const described = { ...base, format: 'dense', candidates: [] };
  if (!lowered) return { plan: { ...described, kernel: 'host' }, build: () => ({ host: () => runOnHost(binding, op) }) };
  const chosen = lowered.weight && chosenFor(binding, lowered, signatureOf(op), tuning);
  const build = (): readonly Work[] => split(binding, lowered.build(chosen?.choice));
  // Sizes the scratch memory and holds on to the packed weight; addresses are asked for again when all layers are known.
  binding.keep(build);
  const plan = chosen
    ? {
      ...described, format: formatName(chosen.choice), kernel: chosen.choice.kernel.name, candidates: chosen.candidates,
      ...(chosen.decided && { decided: chosen.decided }),
    }
    : { ...described, kernel: lowered.kernel };
  return { plan, build: () => ({ works: binding.sized(build) }) };
}

/** What makes two layers cost the same, their weights apart. */
export function signatureOf({ node, inputs }: Operation): string {
  return `${node.op} ${inputs.map((arg) => arg?.shape.join('x') ?? '-').join(' ')} ${JSON.stringify(node.attrs)}`;
}

function chosenFor(binding: Binding, lowered: Lowered, signature: string, tuning: Tuning): Chosen {
  const { weight, columns, build } = lowered as Required<Lowered>, { backend } = binding, { formats, device } = tuning;
  const matrix = weight.matrix();
  return choose({
    ...tuning, backend, of: { device, signature, matrix, nonzero: nonzerosOf(matrix) },
    choices: choicesFor(backend.kernels, matrix, columns, { formats }),
    cols: columns.cols, works: (choice) => binding.sized(() => split(binding, build(choice))),
  });
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
