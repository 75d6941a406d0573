import type { MemoryUse } from '../backends/index.ts';
import { BurinError, expect, fail, lookUp, show } from '../expect.ts';
import { checkGraph, specialize } from '../graph/evaluate.ts';
import type { Graph, ValueInfo } from '../graph/graph.ts';
import { optimize } from '../graph/passes/index.ts';
import { readModel } from '../io/index.ts';
import { checkShape, sameShape, Tensor, tensorFrom, type Shape, type TensorLike } from '../tensor.ts';
import { engines, type Engine, type EnginePlan } from './engine.ts';
import type { LayerPlan } from './plan.ts';
import { environment, type Environment } from './environment.ts';
import { checkOptions, DEFAULT_BUDGET_MS, type SessionOptions } from './options.ts';
import { inTurn } from './turn.ts';
import { sharedMemory, TuneMemory, type TuneTable } from './tune.ts';
import { isGpuTensor, type GpuTensor, type GpuTensorLike } from './webgpu/gpu-tensor.ts';

export type { OutputLocation, SessionOptions } from './options.ts';
export type { LayerPlan } from './plan.ts';
export type { GpuTensor, GpuTensorLike } from './webgpu/gpu-tensor.ts';

/** Plans kept for different input shapes. */
const MOST_PLANS = 4;

/** Tensors by input. */
export type Feeds = Readonly<Record<string, TensorLike>>;
/** On the provider webgpu inputs may also lie on the device. */
export type DeviceFeeds = Readonly<Record<string, TensorLike | GpuTensorLike>>;
type Fed = Record<string, Tensor | GpuTensorLike>;

/**
 * A network ready to run on one device. Shaped like ONNX Runtime's InferenceSession. T is what its outputs are: Tensor, or GpuTensor where
 * {@link SessionOptions.preferredOutputLocation} leaves them on the device.
 */
export class SparseSession<T extends Tensor | GpuTensor = Tensor> {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly ValueInfo[];
  readonly outputMetadata: readonly ValueInfo[];
  readonly #graph: Graph;
  readonly #options: SessionOptions;
  readonly #memory: TuneMemory;
  readonly #plans = new Map<string, EnginePlan>();
  /** Calls that use the device do so one after the other. */
  readonly #inTurn = inTurn();
  #engine: Engine | undefined;

  private constructor(graph: Graph, engine: Engine, options: SessionOptions) {
    this.#graph = graph;
    this.#engine = engine;
    this.#options = options;
    this.#memory = options.tuning ? new TuneMemory(options.tuning) : sharedMemory;
    this.inputMetadata = graph.inputs;
    this.outputMetadata = graph.outputs;
    this.inputNames = graph.inputs.map(({ name }) => name);
    this.outputNames = graph.outputs.map(({ name }) => name);
  }

  /**
   * @param model ONNX or TFLite bytes (told apart by their content), or a Graph
   * @throws BurinError for a file that cannot be read, a network that cannot be run, an unknown option, a device that is missing
   */
  static async create<T extends Tensor | GpuTensor = Tensor>(
    model: Graph | Uint8Array | ArrayBuffer, options: SessionOptions = {},
  ): Promise<SparseSession<T>> {
    checkOptions(options);
    const graph = model instanceof Uint8Array || model instanceof ArrayBuffer ? await readModel(model) : model;
    checkGraph(graph);
    const inputs = Object.fromEntries(graph.inputs.map((info) => [info.name, info]));
    for (const name of Object.keys(options.shapes ?? {})) lookUp(inputs, name, 'option shapes');
    const outputs = Object.fromEntries(graph.outputs.map((info) => [info.name, info])), where = options.preferredOutputLocation;
    if (typeof where === 'object') for (const name of Object.keys(where)) lookUp(outputs, name, 'option preferredOutputLocation');
    return new SparseSession<T>(graph, await firstEngine(options), options);
  }

  /**
   * Chooses formats and kernels for these input shapes (measuring where asked to) and keeps the result; `run` does it
   * by itself when needed.
   * @returns what was decided for each layer, in the order of execution
   */
  prepare(shapes: Readonly<Record<string, Shape>> = {}): Promise<readonly LayerPlan[]> {
    return this.#inTurn(async () => (await this.#planFor({ ...this.#options.shapes, ...shapes })).layers);
  }

  /**
   * @returns the outputs by name, the caller's own; those that stay on the device ({@link SessionOptions.preferredOutputLocation}) are
   * GpuTensors
   * @throws BurinError for feeds that do not fit, a device that fails (`device`) or has no room (`limit`); the session stays usable
   */
  async run(feeds: DeviceFeeds): Promise<Record<string, T>> {
    const fed = this.#check(feeds);
    return this.#inTurn(async () => await (await this.#planFor(shapesOf(fed))).run(fed) as Record<string, T>);
  }

  /**
   * Times runs: ms of the whole without instruments, and of each layer (in `prepare`'s order) measured one by one; on a GPU by its own
   * clock where it has one, else between two fences.
   */
  async profile(feeds: DeviceFeeds, { samples = 1 }: { samples?: number } = {}): Promise<{ totalMs: number[]; layerMs: number[][] }> {
    const fed = this.#check(feeds);
    return this.#inTurn(async () => {
      const plan = await this.#planFor(shapesOf(fed)), totalMs: number[] = [], layerMs: number[][] = plan.layers.map(() => []);
      for (let i = 0; i < samples; i++) {
        const start = performance.now(), outputs = await plan.run(fed);
        totalMs.push(performance.now() - start);
        for (const output of Object.values(outputs)) if (isGpuTensor(output)) output.dispose();
        (await plan.profile(fed)).forEach((ms, layer) => layerMs[layer].push(ms));
      }
      return { totalMs, layerMs };
    });
  }

  /**
   * Goes on with a new device after the old one was lost, the given one or one of the adapter's; plans are made anew when they are needed.
   * Calls under way end first, with an error. Without effect where no device can be lost.
   * @throws BurinError `device` where there is none; it may be tried again
   */
  recover(device?: GPUDevice): Promise<void> {
    return this.#inTurn(async () => {
      const engine = this.#device();
      if (!engine.recover) return;
      this.#forget();
      const next = await engine.recover(device);
      if (this.#engine === engine) this.#engine = next;
      else next.dispose();
    });
  }

  /** What was measured so far, to be given to another session as `tuning`. */
  tuning(): TuneTable {
    return this.#memory.toJSON();
  }

  environment(): Environment {
    return environment(this.#device().told());
  }

  memory(): MemoryUse {
    return this.#device().memory();
  }

  /** Gives all memory back; the session cannot be used any more. */
  release(): void {
    this.#forget();
    this.#engine?.dispose();
    this.#engine = undefined;
  }

  dispose(): void { this.release(); }

  [Symbol.dispose](): void { this.release(); }

  #device(): Engine {
    return this.#engine ?? fail({
      kind: 'state', where: `session of '${this.#graph.name}'`, needs: 'a session in use', got: 'one that was released',
    });
  }

  #forget(): void {
    for (const plan of this.#plans.values()) plan.dispose();
    this.#plans.clear();
  }

  async #planFor(shapes: Readonly<Record<string, Shape>>): Promise<EnginePlan> {
    const engine = this.#device(), key = JSON.stringify(this.inputMetadata.map(({ name, dims }) => shapes[name] ?? dims));
    const known = this.#plans.get(key);
    if (known) {
      // The map keeps the order of use: the first plan is the one to go.
      this.#plans.delete(key);
      this.#plans.set(key, known);
      return known;
    }
    while (this.#plans.size >= MOST_PLANS) this.#dropOldest();
    const plan = await this.#compile(engine, shapes);
    if (this.#engine !== engine) plan.dispose();
    this.#device();
    this.#plans.set(key, plan);
    return plan;
  }

  #dropOldest(): void {
    const [[key, plan]] = this.#plans;
    plan.dispose();
    this.#plans.delete(key);
  }

  /** A new plan; older ones make room for it where the memory does not hold them all. */
  async #compile(engine: Engine, shapes: Readonly<Record<string, Shape>>): Promise<EnginePlan> {
    const { removeDead, formats: allowed, tune = 'measure', tuneBudgetMs = DEFAULT_BUDGET_MS, onProgress } = this.#options;
    const fixed = specialize(this.#graph, shapes), optimized = optimize(fixed.graph, fixed.types, { removeDead });
    const stays = (name: string): boolean => this.#stays(name);
    for (;;) {
      try {
        return await engine.compile(optimized, { formats: allowed, tune, tuneBudgetMs, memory: this.#memory, onProgress, stays });
      } catch (error) {
        if (!(error instanceof BurinError && error.kind === 'limit') || this.#plans.size === 0) throw error;
        this.#dropOldest();
      }
    }
  }

  #stays(name: string): boolean {
    const { preferredOutputLocation: where } = this.#options;
    return (typeof where === 'object' ? where[name] : where) === 'gpu-buffer';
  }

  /** The feeds as our tensors, each of the type and shape the model asks for. */
  #check(feeds: DeviceFeeds): Fed {
    const { buffers, name: provider } = this.#device();
    expect(feeds && typeof feeds === 'object', {
      kind: 'argument', where: 'run', needs: `feeds for ${this.inputNames.join(', ')}`, got: show(feeds),
    });
    for (const name of Object.keys(feeds)) {
      expect(this.inputNames.includes(name), {
        kind: 'argument', where: 'run', needs: `one of ${this.inputNames.join(', ')}`, got: `a feed '${name}'`,
      });
    }
    const hostOnly = buffers ? undefined : provider;
    return Object.fromEntries(this.inputMetadata.map((info) => [info.name, fitting(info, feeds[info.name], hostOnly)]));
  }
}

function shapesOf(fed: Fed): Record<string, Shape> {
  return Object.fromEntries(Object.entries(fed).map(([name, { dims }]) => [name, dims]));
}

/** A feed that fits; `hostOnly` is the provider where that takes no GPUBuffer. */
function fitting(info: ValueInfo, feed: TensorLike | GpuTensorLike | undefined, hostOnly: string | undefined): Tensor | GpuTensorLike {
  const where = `input '${info.name}' ${info.type} [${info.dims}]`;
  expect(feed, { kind: 'argument', where, needs: 'a tensor', got: 'nothing' });
  const onDevice = isGpuTensor(feed);
  expect(!onDevice || !hostOnly, {
    kind: 'argument', where, needs: `data in memory for the provider ${hostOnly}`, got: 'a GPUBuffer',
    remedy: 'use the provider webgpu',
  });
  const tensor = onDevice ? feed : tensorFrom(feed, where);
  checkShape(tensor.dims, where);
  expect(tensor.type === info.type, { kind: 'dtype', where, needs: info.type, got: show(tensor.type) });
  const wanted = info.dims.map((dim, i) => (typeof dim === 'number' ? dim : tensor.dims[i]));
  expect(sameShape(wanted, tensor.dims), { kind: 'shape', where, needs: `shape [${info.dims}]`, got: `[${tensor.dims}]` });
  return tensor;
}

/** The first provider that starts; the reasons of all where none does. */
async function firstEngine(options: SessionOptions): Promise<Engine> {
  const reasons: string[] = [];
  for (const name of options.executionProviders ?? ['wasm', 'reference']) {
    try {
      return await engines[name as keyof typeof engines](options);
    } catch (error) {
      reasons.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return fail({ kind: 'device', where: 'executionProviders', needs: 'one that works here', got: reasons.join('; ') });
}
