import { programOf, type Dispatch, type Program } from '../../backends/webgpu/program.ts';
import type { Gpu } from '../../backends/webgpu/gpu.ts';
import { stopwatchFor } from '../../backends/webgpu/timing.ts';
import type { Node } from '../../graph/graph.ts';
import { weigh } from '../../graph/weigh.ts';
import type { Tensor } from '../../tensor.ts';
import type { PlanInput } from '../binding.ts';
import { aliases } from '../lower/index.ts';
import type { LayerPlan } from '../plan.ts';
import { GpuBinding } from './binding.ts';
import type { GpuTensor } from './gpu-tensor.ts';
import { lowerings } from './lower/index.ts';
import type { Lowered, Operation } from './lower/lower.ts';
import { Run, type GpuFeeds, type Staging } from './run.ts';

export interface GpuPlanOptions {
  /** Whether an output stays on the device. */
  readonly stays?: (name: string) => boolean;
  readonly onProgress?: (progress: { stage: string; done: number; total: number }) => void;
}

/** A graph bound to shaders and buffers on one device, for one set of input shapes. One run at a time. */
export interface GpuPlan {
  readonly layers: readonly LayerPlan[];
  /** Feeds must fit the graph's inputs. Outputs are the caller's own. */
  run(feeds: GpuFeeds): Promise<Record<string, Tensor | GpuTensor>>;
  /** Ms of each layer of one run: by the device's clock where it has one, else between two fences. */
  profile(feeds: GpuFeeds): Promise<number[]>;
  dispose(): void;
}

/** A layer: its operation, and how the device does it; the host does it where that is absent. */
interface Layer { readonly plan: LayerPlan; readonly op: Operation; readonly node: number; readonly lowered?: Lowered }

/** A layer and its dispatches [from, to) in the program. */
interface Part { readonly layer: number; readonly from: number; readonly to: number; readonly host?: Operation }

/** Lowers, places, uploads and compiles. @throws BurinError `limit` where the device has no room, `device` where it fails */
export async function compileForGpu(gpu: Gpu, input: PlanInput, options: GpuPlanOptions = {}): Promise<GpuPlan> {
  const binding = new GpuBinding(gpu, input), where = `plan of '${input.graph.name}'`;
  try {
    const layers = layersOf(binding, input);
    const scratch = await gpu.guard.run(where, () => binding.place(
      valuesOf(binding, input, layers), layers.map(({ node, lowered }) => ({ node, bytes: lowered?.scratch ?? [] })),
    ));
    const dispatches = await build(binding, layers, scratch, where);
    options.onProgress?.({ stage: 'compile', done: 1, total: 2 });
    const program = await programOf(gpu.guard, gpu.pipeline, dispatches.flat(), where);
    binding.own(() => program.dispose());
    options.onProgress?.({ stage: 'compile', done: 2, total: 2 });
    return bind(binding, input, program, { layers, parts: partsOf(layers, dispatches), stays: options.stays ?? (() => false) });
  } catch (error) {
    binding.dispose();
    throw error;
  }
}

function layersOf(binding: GpuBinding, input: PlanInput): Layer[] {
  return [...input.graph.nodes.entries()].filter(([, node]) => !aliases.has(node.op)).map(([place, node]) => {
    const op: Operation = {
      node, inputs: node.inputs.map((name) => (name ? { ...binding.typed(name), value: input.graph.constants.get(name) } : undefined)),
    };
    const lowered = lower(binding, op);
    return { plan: describe(input, node, lowered), op, node: place, lowered };
  });
}

/** Undefined where the host must do it: no shader, or an operand the device cannot bind. */
function lower(binding: GpuBinding, op: Operation): Lowered | undefined {
  const { inputs, outputs } = op.node, moving = [...inputs.filter((name) => name && !binding.constant(name)), ...outputs.filter(Boolean)];
  if (!moving.every((name) => binding.fits(name))) return undefined;
  const lowered = lowerings[op.node.op]?.(binding, op);
  return lowered?.scratch?.every((bytes) => bytes <= binding.mostBytes) ?? true ? lowered : undefined;
}

function describe({ graph, types, parts, given }: PlanInput, node: Node, lowered: Lowered | undefined): LayerPlan {
  const own = weigh(graph, types, node), before = given?.get(node.name);
  return {
    name: node.name, op: node.op, ...(before ?? own), ...(before && { narrowed: own }), parts: parts.get(node.name) ?? [],
    format: 'dense', candidates: [], kernel: lowered?.kernel ?? 'host',
  };
}

/** The values that lie on the device: what steps there read or write, and the graph's inputs, which may be fed as buffers. */
function valuesOf(binding: GpuBinding, { graph }: PlanInput, layers: readonly Layer[]): Set<string> {
  const touched = layers.filter(({ lowered }) => lowered).flatMap(({ op: { node } }) => [...node.inputs, ...node.outputs]);
  const fed = graph.inputs.map(({ name }) => name).filter((name) => binding.fits(name));
  return new Set([...touched, ...fed].filter((name) => name && !binding.constant(binding.root(name))).map((name) => binding.root(name)));
}

/** Dispatches of every layer; all have ended, well or not, when this does. */
async function build(binding: GpuBinding, layers: readonly Layer[], scratch: readonly GPUBuffer[][], where: string): Promise<Dispatch[][]> {
  const ended = await binding.gpu.guard.run(where, () => Promise.allSettled(
    layers.map(async ({ lowered }, i) => [...(await lowered?.build(binding.placeWith(scratch[i])) ?? [])]),
  ));
  return ended.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
}

function partsOf(layers: readonly Layer[], dispatches: readonly Dispatch[][]): Part[] {
  let at = 0;
  return layers.map(({ op, lowered }, layer) => {
    const from = at;
    at += dispatches[layer].length;
    return { layer, from, to: at, ...(!lowered && { host: op }) };
  });
}

/** Neighbouring parts on the device become one pass. */
function joined(parts: readonly Part[]): Part[] {
  const all: Part[] = [];
  for (const part of parts) {
    const last = all.at(-1);
    if (last && !last.host && !part.host) all[all.length - 1] = { ...last, to: part.to };
    else all.push(part);
  }
  return all;
}

interface Bound { readonly layers: readonly Layer[]; readonly parts: readonly Part[]; readonly stays: (name: string) => boolean }

function bind(binding: GpuBinding, { graph }: PlanInput, program: Program, { layers, parts, stays }: Bound): GpuPlan {
  const staging: Staging = {}, whole = joined(parts), where = `run of '${graph.name}'`, outputs = graph.outputs.map(({ name }) => name);
  binding.own(() => staging.buffer?.destroy());
  const begin = (feeds: GpuFeeds): Run => {
    const run = new Run(binding, program, staging, where);
    for (const { name } of graph.inputs) run.feed(name, feeds[name]);
    return run;
  };
  return {
    layers: layers.map(({ plan }) => plan),
    async run(feeds) {
      const run = begin(feeds);
      for (const part of whole) {
        if (part.host) await run.onHost(part.host);
        else run.dispatch(part.from, part.to);
      }
      return run.outputs(outputs, stays);
    },
    profile: (feeds) => profile(binding, begin(feeds), parts),
    dispose: () => binding.dispose(),
  };
}

/** Every part in a pass of its own. */
async function profile({ gpu: { guard } }: GpuBinding, run: Run, parts: readonly Part[]): Promise<number[]> {
  const watch = await stopwatchFor(guard, parts.length), wallMs: number[] = [];
  try {
    await run.flush();
    for (const [i, { host, from, to }] of parts.entries()) {
      const start = performance.now();
      if (host) await run.onHost(host);
      else run.dispatch(from, to, watch?.writes(i));
      if (!watch && !host) {
        await run.flush();
        await guard.wait('profile', 'work to end', guard.device.queue.onSubmittedWorkDone());
      }
      wallMs.push(performance.now() - start);
    }
    if (!watch) return wallMs;
    run.resolve(watch);
    await run.flush();
    const deviceMs = await watch.read();
    return parts.map(({ host }, i) => (host ? wallMs[i] : deviceMs[i]));
  } finally {
    watch?.dispose();
  }
}
