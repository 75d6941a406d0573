import { backends, type Backend, type BackendName, type MemoryUse } from '../backends/index.ts';
import { BurinError, expect, fail, lookUp, show } from '../expect.ts';
import { checkGraph, specialize } from '../graph/evaluate.ts';
import type { Graph, ValueInfo } from '../graph/graph.ts';
import { optimize } from '../graph/passes/index.ts';
import { readModel } from '../io/index.ts';
import { checkShape, sameShape, Tensor, tensorFrom, type Shape, type TensorLike } from '../tensor.ts';
import { compile, type LayerPlan, type Plan } from './plan.ts';
import { environment, type Environment } from './environment.ts';
import { checkOptions, DEFAULT_BUDGET_MS, type SessionOptions } from './options.ts';
import { sharedMemory, TuneMemory, type TuneTable } from './tune.ts';

export type { SessionOptions } from './options.ts';
export type { LayerPlan } from './plan.ts';

/** Plans kept for different input shapes. */
const MOST_PLANS = 4;

export type Feeds = Readonly<Record<string, TensorLike>>;

/** A network ready to run on one device. Shaped like ONNX Runtime's InferenceSession. */
export class SparseSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly ValueInfo[];
  readonly outputMetadata: readonly ValueInfo[];
  readonly #graph: Graph;
  readonly #options: SessionOptions;
  readonly #memory: TuneMemory;
  readonly #plans = new Map<string, Plan>();
  #backend: Backend | undefined;

  private constructor(graph: Graph, backend: Backend, options: SessionOptions) {
    this.#graph = graph;
    this.#backend = backend;
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
  static async create(model: Graph | Uint8Array | ArrayBuffer, options: SessionOptions = {}): Promise<SparseSession> {
    checkOptions(options);
    const graph = model instanceof Uint8Array || model instanceof ArrayBuffer ? await readModel(model) : model;
    checkGraph(graph);
    const inputs = Object.fromEntries(graph.inputs.map((info) => [info.name, info]));
    for (const name of Object.keys(options.shapes ?? {})) lookUp(inputs, name, 'option shapes');
    return new SparseSession(graph, await firstBackend(options), options);
  }

  /**
   * Chooses formats and kernels for these input shapes (measuring where asked to) and keeps the result; `run` does it
   * by itself when needed.
   * @returns what was decided for each layer, in the order of execution
   */
  async prepare(shapes: Readonly<Record<string, Shape>> = {}): Promise<readonly LayerPlan[]> {
    return this.#planFor({ ...this.#options.shapes, ...shapes }).layers;
  }

  /** @returns the outputs by name, copies the caller owns. @throws BurinError for feeds that do not fit; the session stays usable. */
  async run(feeds: Feeds): Promise<Record<string, Tensor>> {
    const tensors = this.#check(feeds);
    return this.#planFor(shapesOf(tensors)).run(tensors);
  }

  /** Times runs: ms of the whole without instruments, and of each layer (in `prepare`'s order) measured one by one. */
  async profile(feeds: Feeds, { samples = 1 }: { samples?: number } = {}): Promise<{ totalMs: number[]; layerMs: number[][] }> {
    const tensors = this.#check(feeds), plan = this.#planFor(shapesOf(tensors));
    const totalMs: number[] = [], layerMs: number[][] = plan.layers.map(() => []);
    for (let i = 0; i < samples; i++) {
      const start = performance.now();
      plan.run(tensors);
      totalMs.push(performance.now() - start);
      plan.profile(tensors).forEach((ms, layer) => layerMs[layer].push(ms));
    }
    return { totalMs, layerMs };
  }

  /** What was measured so far, to be given to another session as `tuning`. */
  tuning(): TuneTable {
    return this.#memory.toJSON();
  }

  environment(): Environment {
    return environment(this.#device());
  }

  memory(): MemoryUse {
    return this.#device().memory();
  }

  /** Gives all memory back; the session cannot be used any more. */
  release(): void {
    this.#plans.clear();
    this.#backend?.dispose();
    this.#backend = undefined;
  }

  dispose(): void { this.release(); }

  [Symbol.dispose](): void { this.release(); }

  #device(): Backend {
    return this.#backend ?? fail({
      kind: 'state', where: `session of '${this.#graph.name}'`, needs: 'a session in use', got: 'one that was released',
    });
  }

  #planFor(shapes: Readonly<Record<string, Shape>>): Plan {
    const backend = this.#device(), key = JSON.stringify(this.inputMetadata.map(({ name, dims }) => shapes[name] ?? dims));
    const known = this.#plans.get(key);
    if (known) {
      // The map keeps the order of use: the first plan is the one to go.
      this.#plans.delete(key);
      this.#plans.set(key, known);
      return known;
    }
    while (this.#plans.size >= MOST_PLANS) this.#dropOldest();
    const plan = this.#compile(backend, shapes);
    this.#plans.set(key, plan);
    return plan;
  }

  #dropOldest(): void {
    const [[key, plan]] = this.#plans;
    plan.dispose();
    this.#plans.delete(key);
  }

  /** A new plan; older ones make room for it where the memory does not hold them all. */
  #compile(backend: Backend, shapes: Readonly<Record<string, Shape>>): Plan {
    const { removeDead, formats: allowed, tune = 'measure', tuneBudgetMs = DEFAULT_BUDGET_MS, onProgress } = this.#options;
    const fixed = specialize(this.#graph, shapes), optimized = optimize(fixed.graph, fixed.types, { removeDead });
    for (;;) {
      try {
        return compile(backend, optimized, { formats: allowed, tune, tuneBudgetMs, memory: this.#memory, onProgress });
      } catch (error) {
        if (!(error instanceof BurinError && error.kind === 'limit') || this.#plans.size === 0) throw error;
        this.#dropOldest();
      }
    }
  }

  /** The feeds as our tensors, each of the type and shape the model asks for. */
  #check(feeds: Feeds): Record<string, Tensor> {
    this.#device();
    expect(feeds && typeof feeds === 'object', {
      kind: 'argument', where: 'run', needs: `feeds for ${this.inputNames.join(', ')}`, got: show(feeds),
    });
    for (const name of Object.keys(feeds)) {
      expect(this.inputNames.includes(name), {
        kind: 'argument', where: 'run', needs: `one of ${this.inputNames.join(', ')}`, got: `a feed '${name}'`,
      });
    }
    return Object.fromEntries(this.inputMetadata.map((info) => [info.name, fitting(info, feeds[info.name])]));
  }
}

function shapesOf(tensors: Readonly<Record<string, Tensor>>): Record<string, Shape> {
  return Object.fromEntries(Object.entries(tensors).map(([name, { dims }]) => [name, dims]));
}

function fitting(info: ValueInfo, feed: TensorLike | undefined): Tensor {
  const where = `input '${info.name}' ${info.type} [${info.dims}]`;
  expect(feed, { kind: 'argument', where, needs: 'a tensor', got: 'nothing' });
  const tensor = tensorFrom(feed, where);
  checkShape(tensor.dims, where);
  expect(tensor.type === info.type, { kind: 'dtype', where, needs: info.type, got: tensor.type });
  const wanted = info.dims.map((dim, i) => (typeof dim === 'number' ? dim : tensor.dims[i]));
  expect(sameShape(wanted, tensor.dims), { kind: 'shape', where, needs: `shape [${info.dims}]`, got: `[${tensor.dims}]` });
  return tensor;
}

/** The first provider that starts; the reasons of all where none does. */
async function firstBackend(options: SessionOptions): Promise<Backend> {
  const reasons: string[] = [];
  for (const name of options.executionProviders ?? ['wasm', 'reference']) {
    try {
      return await backends[name as BackendName](options);
    } catch (error) {
      reasons.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return fail({ kind: 'device', where: 'executionProviders', needs: 'one that works here', got: reasons.join('; ') });
}
