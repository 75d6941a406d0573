import { MAP_READ, USAGE, write } from '../backends/webgpu/buffers.ts';
import type { Gpu } from '../backends/webgpu/gpu.ts';
import { programOf, type Program } from '../backends/webgpu/program.ts';
import { fail } from '../expect.ts';
import { specialize } from '../graph/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import { toldOf } from '../runtime/engine.ts';
import { environment } from '../runtime/environment.ts';
import { formatName } from '../runtime/lower/weight.ts';
import { GpuBinding } from '../runtime/webgpu/binding.ts';
import { storagesOf } from '../runtime/webgpu/choose.ts';
import { lowerings } from '../runtime/webgpu/lower/index.ts';
import type { Place, Storage, Weighted } from '../runtime/webgpu/lower/lower.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import { isWanted, type Bed, type BenchDevice, type Entrant, type Wanted } from './bed.ts';
import { timeOnGpu } from './gpu-time.ts';
import { operationOf } from './site.ts';

interface GpuEntrant extends Entrant { readonly storage: Storage; readonly program: Program }

/** Shaders of a storage that are tried unless all are asked for: the list begins with the best guess. */
const MOST_SHADERS = 3;
const SHORT = { samples: 3, warmUpMs: 50 };

/** A storage that keeps every position. */
const whole = (storage: Storage): Storage =>
  (storage.block.of ? { ...storage, block: { ...storage.block, keep: storage.block.of } } : storage);

interface Laid { readonly weight: Weighted; readonly place: Place; readonly x: Tensor; readonly where: string }

/** A graph of one layer on a device. */
class GpuSite implements Bed<GpuEntrant> {
  readonly #gpu: Gpu;
  readonly #binding: GpuBinding;
  readonly #weight: Weighted;
  readonly #place: Place;
  readonly #x: Tensor;
  readonly #where: string;
  readonly #own: (() => void)[] = [];

  private constructor(gpu: Gpu, binding: GpuBinding, { weight, place, x, where }: Laid) {
    [this.#gpu, this.#binding, this.#weight, this.#place, this.#x, this.#where] = [gpu, binding, weight, place, x, where];
  }

  static async of(gpu: Gpu, graph: Graph, x: Tensor): Promise<GpuSite> {
    const binding = new GpuBinding(gpu, { graph, types: specialize(graph, {}).types, parts: new Map() });
    const op = operationOf(graph), where = graph.name;
    try {
      const { weight, scratch = [] } = lowerings[op.node.op]?.(binding, op) ?? {};
      if (!weight) return fail({ kind: 'argument', where, needs: 'a layer that shaders multiply by a weight', got: op.node.op });
      const [buffers] = await gpu.guard.run(where, () => binding.place(new Set(['x', 'y']), [{ node: 0, bytes: scratch }]));
      return new GpuSite(gpu, binding, { weight, place: binding.placeWith(buffers), x, where });
    } catch (error) {
      binding.dispose();
      throw error;
    }
  }

  get matrix(): Bed<GpuEntrant>['matrix'] { return this.#weight.matrix(); }

  async entrants(dense: boolean, wanted: Wanted): Promise<GpuEntrant[]> {
    const found = storagesOf(this.#weight, this.#binding.mostBytes).filter((storage) =>
      (dense ? storage.format === 'dense' : storage.format !== 'dense' && isWanted(wanted, formatName(storage))));
    const entrants: GpuEntrant[] = [];
    const most = wanted.all ? Infinity : MOST_SHADERS;
    for (const storage of found) entrants.push(...await this.#stored(storage, (shaders) => shaders.slice(0, most)));
    return entrants;
  }

  async identity({ storage, kernel }: GpuEntrant): Promise<GpuEntrant | undefined> {
    const [same] = await this.#stored(whole(storage), (shaders) => shaders.filter((shader) => shader === kernel));
    return same;
  }

  async reset(): Promise<void> {
    const { guard: { device, run } } = this.#gpu, bytes = this.#binding.bytes('y');
    await run(this.#where, () => {
      write(device, this.#binding.buffer('x')!, this.#x.data);
      write(device, this.#binding.buffer('y')!, new Float32Array(bytes / 4).fill(NaN));
    });
  }

  async output(): Promise<Float32Array> {
    const { guard: { device, run, wait } } = this.#gpu, size = sizeOf(this.#binding.typed('y').shape) * 4;
    const to = await run(this.#where, () => {
      const readable = device.createBuffer({ label: `${this.#where}: y`, size, usage: USAGE.mapRead | USAGE.copyDst });
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(this.#binding.buffer('y')!, 0, readable, 0, size);
      device.queue.submit([encoder.finish()]);
      return readable;
    });
    try {
      await wait(this.#where, 'a result that can be read', to.mapAsync(MAP_READ));
      return new Float32Array(to.getMappedRange().slice(0));
    } finally {
      to.destroy();
    }
  }

  dispose(): void {
    for (const end of this.#own.splice(0)) end();
    this.#binding.dispose();
  }

  /** The weight stored one way, with some of the shaders that can walk it. */
  async #stored(storage: Storage, choose: (shaders: readonly string[]) => readonly string[]): Promise<GpuEntrant[]> {
    const ways = await this.#weight.ways(this.#place, storage), entrants: GpuEntrant[] = [];
    this.#own.push(ways.dispose);
    for (const kernel of choose(ways.shaders)) {
      const program = await programOf(this.#gpu.guard, this.#gpu.pipeline, ways.dispatches(kernel), this.#where);
      this.#own.push(() => program.dispose());
      entrants.push({ format: formatName(storage), kernel, storage, program, run: () => this.#run(program) });
    }
    return entrants;
  }

  async #run(program: Program): Promise<void> {
    const { guard: { device, run, wait } } = this.#gpu;
    await run(this.#where, () => {
      const encoder = device.createCommandEncoder({ label: this.#where }), pass = encoder.beginComputePass();
      program.encode(pass);
      pass.end();
      device.queue.submit([encoder.finish()]);
    });
    await wait(this.#where, 'work to end', device.queue.onSubmittedWorkDone());
  }
}

/** Shaders on a GPU. Sparse ones are also timed beside themselves with every position stored. */
export function gpuBench(gpu: Gpu, samples: number | undefined): BenchDevice<GpuEntrant> {
  return {
    environment: environment(toldOf(gpu)),
    bed: (graph, x) => GpuSite.of(gpu, graph, x),
    async time(entrants, race) {
      const programs = Object.fromEntries(Object.entries(entrants).map(([name, { program }]) => [name, program]));
      return { of: await timeOnGpu(gpu, programs, race === 'short' ? SHORT : { samples }) };
    },
  };
}
