import { programOf, type Dispatch, type Program } from '../../backends/webgpu/program.ts';
import type { Gpu } from '../../backends/webgpu/gpu.ts';
import { stopwatchFor } from '../../backends/webgpu/timing.ts';
import type { Node } from '../../graph/graph.ts';
import { weigh } from '../../graph/weigh.ts';
import type { Tensor } from '../../tensor.ts';
import type { PlanInput } from '../binding.ts';
import { aliases } from '../lower/index.ts';
import { signatureOf, type LayerPlan } from '../plan.ts';
import type { TuneMemory, TuneMode } from '../tune.ts';
import { GpuBinding } from './binding.ts';
import { chooseWay, storagesOf, type Storable } from './choose.ts';
import type { GpuTensor } from './gpu-tensor.ts';
import { lowerings } from './lower/index.ts';
import type { Lowered, Operation } from './lower/lower.ts';
import { Run, type GpuFeeds, type Staging } from './run.ts';

export interface GpuPlanOptions {
  readonly formats?: readonly string[];
  readonly tune: TuneMode;
  readonly memory: TuneMemory;
  /** Most milliseconds to spend on measuring; what is left over is guessed. */
  readonly tuneBudgetMs: number;
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
interface Layer { readonly op: Operation; readonly node: number; readonly lowered?: Lowered; readonly storages?: readonly Storable[] }
/** A layer ready to run. */
type Built = Pick<LayerPlan, 'format' | 'kernel' | 'candidates' | 'decided'> & { readonly dispatches: readonly Dispatch[] };

/** A layer and its dispatches [from, to) in the program. */
interface Part { readonly layer: number; readonly from: number; readonly to: number; readonly host?: Operation }

/** Lowers, places, uploads and compiles. @throws BurinError `limit` where the device has no room, `device` where it fails */
export async function compileForGpu(gpu: Gpu, input: PlanInput, options: GpuPlanOptions): Promise<GpuPlan> {
  const binding = new GpuBinding(gpu, input), where = `plan of '${input.graph.name}'`;
  try {
    const layers = layersOf(binding, input, options);
    const scratch = await gpu.guard.run(where, () => binding.place(
      valuesOf(binding, input, layers), layers.map(({ node, lowered }) => ({ node, bytes: lowered?.scratch ?? [] })),
    ));
    const built = await build(binding, layers, scratch, options);
    const program = await programOf(gpu.guard, gpu.pipeline, built.flatMap(({ dispatches }) => dispatches), where);
    binding.own(() => program.dispose());
    const plans = layers.map(({ op }, i) => describe(input, op.node, built[i]));
    return bind(binding, input, program, { plans, parts: partsOf(layers, built), stays: options.stays ?? (() => false) });
  } catch (error) {
    binding.dispose();
    throw error;
  }
}

function layersOf(binding: GpuBinding, input: PlanInput, { formats }: GpuPlanOptions): Layer[] {
  return [...input.graph.nodes.entries()].filter(([, node]) => !aliases.has(node.op)).map(([place, node]): Layer => {
    const op: Operation = {
      node, inputs: node.inputs.map((name) => (name ? { ...binding.typed(name), value: input.graph.constants.get(name) } : undefined)),
    };
    const lowered = lower(binding, op);
    if (!lowered?.weight) return { op, node: place, lowered };
    const storages = storagesOf(lowered.weight, binding.mostBytes, formats);
    return storages.length ? { op, node: place, lowered, storages } : { op, node: place };
  });
}

/** Undefined where the host must do it: no shader, or an operand the device cannot bind. */
function lower(binding: GpuBinding, op: Operation): Lowered | undefined {
  const { inputs, outputs } = op.node, own = lowerings[op.node.op];
  const moving = [...inputs.filter((name) => name && !binding.constant(binding.root(name))), ...outputs.filter(Boolean)];
  if (!own || !moving.every((name) => binding.fits(name))) return undefined;
  const lowered = own(binding, op), constants = inputs.filter((name) => name && binding.constant(binding.root(name)));
  if (!lowered || lowered.scratch?.some((bytes) => bytes > binding.mostBytes)) return undefined;
  return lowered.weight || constants.every((name) => binding.bytes(name) <= binding.mostBytes) ? lowered : undefined;
}

function describe({ graph, types, parts, given }: PlanInput, node: Node, { dispatches: _, ...built }: Built): LayerPlan {
  const own = weigh(graph, types, node), before = given?.get(node.name);
  return {
    name: node.name, op: node.op, backend: 'webgpu', ...(before ?? own), ...(before && { narrowed: own }),
    parts: parts.get(node.name) ?? [], ...built,
  };
}

/** The values that lie on the device: what steps there read or write, and the graph's inputs, which may be fed as buffers. */
function valuesOf(binding: GpuBinding, { graph }: PlanInput, layers: readonly Layer[]): Set<string> {
  const touched = layers.filter(({ lowered }) => lowered).flatMap(({ op: { node } }) => [...node.inputs, ...node.outputs]);
  const fed = graph.inputs.map(({ name }) => name).filter((name) => binding.fits(name));
  return new Set([...touched, ...fed].filter((name) => name && !binding.constant(binding.root(name))).map((name) => binding.root(name)));
}

/** Makes every layer ready, choosing how weights are stored. */
async function build(
  binding: GpuBinding, layers: readonly Layer[], scratch: readonly GPUBuffer[][],
  { tune, memory, tuneBudgetMs, onProgress }: GpuPlanOptions,
): Promise<Built[]> {
  const plain = await binding.gpu.guard.run('constants', () => layers.map(({ lowered }, i): Built => ({
    format: 'dense', kernel: lowered?.kernel ?? 'host', candidates: [], dispatches: lowered?.build?.(binding.placeWith(scratch[i])) ?? [],
  })));
  const all: Built[] = [];
  let spentMs = 0;
  for (const [i, { op, lowered, storages }] of layers.entries()) {
    if (lowered?.weight && storages) {
      const start = performance.now();
      const { ways, ...chosen } = await chooseWay({
        gpu: binding.gpu, place: binding.placeWith(scratch[i]), weight: lowered.weight, storages, signature: signatureOf(op), tune, memory,
        leftMs: tuneBudgetMs - spentMs,
      });
      binding.own(ways.dispose);
      spentMs += performance.now() - start;
      all.push(chosen);
    } else all.push(plain[i]);
    onProgress?.({ stage: 'tune', done: i + 1, total: layers.length });
  }
  return all;
}

function partsOf(layers: readonly Layer[], built: readonly Built[]): Part[] {
  let at = 0;
  return layers.map(({ op, lowered }, layer) => {
    const from = at;
    at += built[layer].dispatches.length;
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

interface Bound { readonly plans: readonly LayerPlan[]; readonly parts: readonly Part[]; readonly stays: (name: string) => boolean }

function bind(binding: GpuBinding, { graph }: PlanInput, program: Program, { plans, parts, stays }: Bound): GpuPlan {
  const staging: Staging = {}, whole = joined(parts), where = `run of '${graph.name}'`, outputs = graph.outputs.map(({ name }) => name);
  const repeats = parts.map(() => 1);
  binding.own(() => staging.buffer?.destroy());
  const begin = (feeds: GpuFeeds): Run => {
    const run = new Run(binding, program, staging, where);
    for (const { name } of graph.inputs) run.feed(name, feeds[name]);
    return run;
  };
  return {
    layers: plans,
    async run(feeds) {
      const run = begin(feeds);
      for (const part of whole) {
        if (part.host) await run.onHost(part.host);
        else run.dispatch(part.from, part.to);
      }
      return run.outputs(outputs, stays);
    },
    profile: (feeds) => profile(binding, begin(feeds), parts, repeats),
    dispose: () => binding.dispose(),
  };
}

/** A timed pass should last about this long: the clocks of GPUs count in steps of up to 0.1 ms, and a fence costs as much. */
const PASS_MS = 0.5;
const MOST_REPEATS = 32;

/** Every part in a pass of its own, repeated as often as earlier profiles say that it takes to be seen by the clock. */
async function profile({ gpu: { guard } }: GpuBinding, run: Run, parts: readonly Part[], repeats: number[]): Promise<number[]> {
  const watch = await stopwatchFor(guard, parts.length), wallMs: number[] = [];
  const drained = async (): Promise<void> => {
    await run.flush();
    await guard.wait('profile', 'work to end', guard.device.queue.onSubmittedWorkDone());
  };
  try {
    await run.flush();
    for (const [i, { host, from, to }] of parts.entries()) {
      // A step on the host reads what the device made: its time begins when that is there.
      if (host) await drained();
      const start = performance.now();
      if (host) await run.onHost(host);
      else run.dispatch(from, to, { timestampWrites: watch?.writes(i), times: repeats[i] });
      if (!watch && !host) await drained();
      wallMs.push(performance.now() - start);
    }
    if (watch) run.resolve(watch);
    await run.flush();
    const deviceMs = await watch?.read() ?? wallMs, times = parts.map(({ host }, i) => (host ? wallMs[i] : deviceMs[i] / repeats[i]));
    times.forEach((ms, i) => {
      // Never fewer again: times of few and of many repeats are not alike.
      if (!parts[i].host) repeats[i] = Math.max(repeats[i], Math.ceil(PASS_MS / Math.max(ms, PASS_MS / MOST_REPEATS)));
    });
    return times;
  } finally {
    watch?.dispose();
  }
}
