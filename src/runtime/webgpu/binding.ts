import { USAGE, write } from '../../backends/webgpu/buffers.ts';
import { mostBound } from '../../backends/webgpu/guard.ts';
import type { Gpu } from '../../backends/webgpu/gpu.ts';
import { expect } from '../../expect.ts';
import type { Typed } from '../../graph/graph.ts';
import { bytesOf, sizeOf, type Tensor } from '../../tensor.ts';
import type { Lifetime } from '../arena.ts';
import { lifetimes, rootsOf, type PlanInput } from '../binding.ts';
import { isWord, type Place, type Query } from './lower/lower.ts';
import { shareBuffers } from './slots.ts';

/** Bytes vectors of four are read in: a buffer ends with a whole one. */
const VECTOR = 16;

/** The buffers of a plan: of values that a device step reads or writes, of constants, of scratch. */
export class GpuBinding implements Query {
  readonly gpu: Gpu;
  readonly limits: GPUSupportedLimits;
  readonly features: GPUSupportedFeatures;
  readonly #input: PlanInput;
  readonly #roots: ReadonlyMap<string, string>;
  readonly #lifetimes: readonly Lifetime[];
  readonly #values = new Map<string, GPUBuffer>();
  readonly #uploads = new Map<string, GPUBuffer>();
  readonly #own: (() => void)[] = [];
  /** The largest buffer a step here may bind. */
  readonly mostBytes: number;

  constructor(gpu: Gpu, input: PlanInput) {
    this.gpu = gpu;
    this.limits = gpu.device.limits;
    this.features = gpu.device.features;
    this.#input = input;
    this.#roots = rootsOf(input.graph);
    this.#lifetimes = lifetimes(input, this.#roots as Map<string, string>);
    this.mostBytes = mostBound(this.limits) - VECTOR;
  }

  typed(name: string): Typed {
    const typed = this.#input.types.get(name);
    expect(typed, { kind: 'state', where: 'plan', needs: `the type of '${name}'`, got: 'nothing' });
    return typed;
  }

  constant(name: string): Tensor | undefined { return this.#input.graph.constants.get(name); }

  /** The value whose memory a value shares. */
  root(name: string): string { return this.#roots.get(name) ?? name; }

  /** Whether a value can lie on this device at all. */
  fits(name: string): boolean {
    const typed = this.typed(name);
    return isWord(typed) && this.bytes(name) <= this.mostBytes;
  }

  bytes(name: string): number {
    const { type, shape } = this.typed(name);
    return sizeOf(shape) * bytesOf(type);
  }

  /** Makes the buffers of these values (by their roots) and of the scratch of each node. Call it inside of `guard.run`. */
  place(names: ReadonlySet<string>, scratch: readonly { node: number; bytes: readonly number[] }[]): GPUBuffer[][] {
    const nameOf = (node: number, i: number): string => `scratch ${i} of ${node}`;
    const values = this.#lifetimes.filter(({ name }) => names.has(name));
    const pieces = scratch.flatMap(({ node, bytes }) =>
      bytes.map((size, i): Lifetime => ({ name: nameOf(node, i), bytes: size, first: node, last: node })));
    const shared = shareBuffers([...values, ...pieces]);
    const buffers = shared.sizes.map((bytes, i) =>
      this.gpu.buffer(`values ${i}`, Math.ceil(bytes / VECTOR) * VECTOR, USAGE.copySrc));
    const bufferOf = (name: string): GPUBuffer => buffers[shared.buffers.get(name)!];
    for (const buffer of buffers) this.own(() => this.gpu.drop(buffer));
    for (const { name } of values) this.#values.set(name, bufferOf(name));
    return scratch.map(({ node, bytes }) => bytes.map((_, i) => bufferOf(nameOf(node, i))));
  }

  /** The buffer of a value that has one. */
  buffer(name: string): GPUBuffer | undefined { return this.#values.get(this.root(name)); }

  own(dispose: () => void): void { this.#own.push(dispose); }

  placeWith(scratch: readonly GPUBuffer[]): Place {
    return {
      limits: this.limits, features: this.features, guard: this.gpu.guard, scratch: scratch.map((buffer) => ({ buffer })),
      typed: (name) => this.typed(name), constant: (name) => this.constant(name),
      share: this.gpu.share, count: (bytes) => this.gpu.count(bytes),
      value: (name) => this.#valueOf(name), upload: (key, make) => this.#upload(key, make),
    };
  }

  #valueOf(name: string): GPUBufferBinding {
    const buffer = this.buffer(name);
    if (buffer) return { buffer };
    const root = this.root(name), tensor = this.constant(root);
    expect(tensor, { kind: 'state', where: 'plan', needs: `a buffer for '${name}'`, got: 'none' });
    return this.#upload(`constant|${root}`, () => tensor.data as Float32Array);
  }

  #upload(key: string, make: () => ArrayBufferView): GPUBufferBinding {
    const known = this.#uploads.get(key);
    if (known) return { buffer: known };
    const data = make(), { made: buffer, release } = this.gpu.share({
      key: 'constant', data: [data], end: (gone) => this.gpu.drop(gone),
      make: () => {
        const buffer = this.gpu.buffer(key, Math.ceil(data.byteLength / VECTOR) * VECTOR);
        write(this.gpu.device, buffer, data);
        return buffer;
      },
    });
    this.own(release);
    this.#uploads.set(key, buffer);
    return { buffer };
  }

  dispose(): void {
    for (const end of this.#own.splice(0)) end();
  }
}
