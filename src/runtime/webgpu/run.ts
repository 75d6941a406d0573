import { MAP_READ, USAGE, write } from '../../backends/webgpu/buffers.ts';
import type { Program } from '../../backends/webgpu/program.ts';
import type { Stopwatch } from '../../backends/webgpu/timing.ts';
import { expect } from '../../expect.ts';
import { opOf } from '../../graph/ops/index.ts';
import { dtypes, sizeOf, Tensor, type Shape } from '../../tensor.ts';
import type { GpuBinding } from './binding.ts';
import { gpuTensor, isGpuTensor, type GpuTensor, type GpuTensorLike } from './gpu-tensor.ts';
import type { Operation } from './lower/lower.ts';

/** What a plan is fed, and what it gives. */
export type GpuFeeds = Readonly<Record<string, Tensor | GpuTensorLike>>;

/** A buffer that results are read from, kept between runs and made larger where it must. */
export interface Staging { buffer?: GPUBuffer }

type Step = (encoder: GPUCommandEncoder) => void;

/** How a pass is timed. */
export interface Timing { readonly timestampWrites?: GPUComputePassTimestampWrites; readonly times?: number }

/**
 * One run of a plan. What is to be done is noted and submitted at once when a result is needed: for a step on the host, or at the end.
 * Tensors known on the host are kept by the value whose memory they share.
 */
export class Run {
  readonly #binding: GpuBinding;
  readonly #program: Program;
  readonly #staging: Staging;
  readonly #where: string;
  readonly #host = new Map<string, Tensor>();
  #writes: (() => void)[] = [];
  #steps: Step[] = [];

  constructor(binding: GpuBinding, program: Program, staging: Staging, where: string) {
    [this.#binding, this.#program, this.#staging, this.#where] = [binding, program, staging, where];
  }

  feed(name: string, feed: Tensor | GpuTensorLike): void {
    const buffer = this.#binding.buffer(name);
    if (!isGpuTensor(feed)) return this.#know(name, feed);
    const bytes = this.#binding.bytes(name), where = `input '${name}'`, { gpuBuffer } = feed;
    expect(buffer, {
      kind: 'limit', where, needs: `a tensor this device can bind, of 32-bit elements and at most ${this.#binding.mostBytes} bytes`,
      got: `${bytes} bytes of ${feed.type}`, remedy: 'feed it from memory, or take a device with larger limits',
    });
    expect(gpuBuffer.size >= bytes, { kind: 'shape', where, needs: `a GPUBuffer of ${bytes} bytes or more`, got: `${gpuBuffer.size}` });
    expect(gpuBuffer.usage & USAGE.copySrc, { kind: 'argument', where, needs: 'usage COPY_SRC', got: `usage ${gpuBuffer.usage}` });
    if (bytes) this.#steps.push((encoder) => encoder.copyBufferToBuffer(gpuBuffer, 0, buffer, 0, bytes));
  }

  /** Dispatches [from, to) in a pass of their own, over and over where their time is taken: no layer writes what it reads. */
  dispatch(from: number, to: number, { timestampWrites, times = 1 }: Timing = {}): void {
    if (from === to && !timestampWrites) return;
    this.#steps.push((encoder) => {
      const pass = encoder.beginComputePass({ label: this.#where, timestampWrites });
      for (let i = 0; i < times; i++) this.#program.encode(pass, from, to);
      pass.end();
    });
  }

  resolve(watch: Stopwatch): void {
    this.#steps.push((encoder) => watch.resolve(encoder));
  }

  /** An operator's plain loops, on what was made so far. */
  async onHost({ node, inputs }: Operation): Promise<void> {
    await this.#fetch(node.inputs.filter((name, i) => name && !inputs[i]!.value));
    const known = inputs.map((arg, i) => arg && { ...arg, value: arg.value ?? this.#tensor(node.inputs[i]) });
    const made = opOf(node).run({ node, inputs: known });
    // Writes go before the steps of a submission: those that were noted may still use a buffer that an output takes over.
    if (this.#steps.length && node.outputs.some((name) => name && this.#binding.buffer(name))) await this.flush();
    made.forEach((tensor, i) => { if (node.outputs[i]) this.#know(node.outputs[i], tensor); });
  }

  /** The outputs: copies the caller owns, on the device where `stays` says so. */
  async outputs(names: readonly string[], stays: (name: string) => boolean): Promise<Record<string, Tensor | GpuTensor>> {
    const left = new Map<string, GpuTensor>(), binding = this.#binding;
    const here = names.filter((name) => !stays(name) || !binding.fits(name));
    try {
      for (const name of names) if (!here.includes(name)) this.#leave(name, left);
      await this.#fetch(here.filter((name) => !binding.constant(name)));
      await this.flush();
    } catch (error) {
      for (const tensor of left.values()) tensor.dispose();
      throw error;
    }
    const copy = (name: string): Tensor => {
      const { type, data, dims } = binding.constant(name) ?? this.#tensor(name);
      return new Tensor(type, data.slice(), dims);
    };
    return Object.fromEntries(names.map((name) => [name, left.get(name) ?? copy(name)]));
  }

  /** Submits what was noted. @throws BurinError with what the device says of it */
  async flush(): Promise<void> {
    if (this.#writes.length + this.#steps.length > 0) await this.#submit([]);
  }

  /** Notes a copy of a value into a new buffer of the caller's. */
  #leave(name: string, left: Map<string, GpuTensor>): void {
    const { gpu } = this.#binding, { type, shape } = this.#binding.typed(name), bytes = this.#binding.bytes(name);
    const known = this.#binding.constant(name) ?? (this.#binding.buffer(name) ? undefined : this.#tensor(name));
    this.#steps.push((encoder) => {
      const size = Math.max(16, bytes), usage = USAGE.storage | USAGE.copySrc | USAGE.copyDst;
      const made = gpu.device.createBuffer({ label: `output '${name}'`, size, usage });
      left.set(name, gpuTensor(type, shape, made));
      if (known) write(gpu.device, made, known.data);
      else if (bytes) encoder.copyBufferToBuffer(this.#binding.buffer(name)!, 0, made, 0, bytes);
    });
  }

  /** Notes a tensor that is on the host, and its way to the device where a step there reads it. */
  #know(name: string, tensor: Tensor): void {
    const buffer = this.#binding.buffer(name);
    this.#host.set(this.#binding.root(name), tensor);
    if (buffer && tensor.size) this.#writes.push(() => write(this.#binding.gpu.device, buffer, tensor.data));
  }

  #tensor(name: string): Tensor {
    const { type, shape } = this.#binding.typed(name), known = this.#host.get(this.#binding.root(name));
    expect(known, { kind: 'state', where: this.#where, needs: `the data of '${name}'`, got: 'nothing' });
    return new Tensor(type, known.data, shape);
  }

  /** Reads values back that are not known on the host yet; as many at a time as a buffer can hold. */
  async #fetch(names: readonly string[]): Promise<void> {
    const missing = [...new Map(names.map((name) => [this.#binding.root(name), name])).values()]
      .filter((name) => !this.#host.has(this.#binding.root(name)));
    const most = this.#binding.limits.maxBufferSize;
    while (missing.length > 0) {
      let [count, bytes] = [1, this.#binding.bytes(missing[0])];
      while (count < missing.length && bytes + this.#binding.bytes(missing[count]) <= most) bytes += this.#binding.bytes(missing[count++]);
      await this.#submit(missing.splice(0, count));
    }
  }

  async #submit(reads: readonly string[]): Promise<void> {
    const { guard } = this.#binding.gpu, sizes = reads.map((name) => this.#binding.bytes(name));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    try {
      const { staging, mapped } = await guard.run(this.#where, () => this.#encode(reads, sizes, total));
      if (mapped) await guard.wait(this.#where, 'a result that can be read', mapped);
      this.#receive(reads, sizes, staging?.getMappedRange(0, total));
      staging?.unmap();
    } catch (error) {
      // What became of it nobody knows: the next run takes another.
      this.#staging.buffer?.destroy();
      this.#staging.buffer = undefined;
      throw error;
    }
  }

  /** Queues what was noted, and copies of `reads` into a buffer that is about to be mapped. */
  #encode(reads: readonly string[], sizes: readonly number[], total: number): { staging?: GPUBuffer; mapped?: Promise<unknown> } {
    const { device } = this.#binding.gpu, [writes, steps] = [this.#writes, this.#steps];
    [this.#writes, this.#steps] = [[], []];
    for (const step of writes) step();
    const encoder = device.createCommandEncoder({ label: this.#where });
    for (const step of steps) step(encoder);
    const staging = total ? this.#stagingFor(total) : undefined;
    let at = 0;
    reads.forEach((name, i) => {
      if (sizes[i]) encoder.copyBufferToBuffer(this.#binding.buffer(name)!, 0, staging!, at, sizes[i]);
      at += sizes[i];
    });
    device.queue.submit([encoder.finish()]);
    const mapped = staging?.mapAsync(MAP_READ, 0, total);
    // Where the device refuses the work, its scopes say why; that the buffer cannot be mapped then is no news.
    mapped?.catch(() => {});
    return { staging, mapped };
  }

  #receive(reads: readonly string[], sizes: readonly number[], all: ArrayBuffer | undefined): void {
    let at = 0;
    reads.forEach((name, i) => {
      const { type, shape } = this.#binding.typed(name), bytes = all ? all.slice(at, at + sizes[i]) : new ArrayBuffer(0);
      this.#host.set(this.#binding.root(name), tensorOf(type, bytes, shape));
      at += sizes[i];
    });
  }

  #stagingFor(bytes: number): GPUBuffer {
    const { gpu } = this.#binding, held = this.#staging.buffer;
    if (held && held.size >= bytes) return held;
    if (held) held.destroy();
    return this.#staging.buffer = gpu.device.createBuffer({ label: 'results', size: bytes, usage: USAGE.mapRead | USAGE.copyDst });
  }
}

function tensorOf(type: Tensor['type'], bytes: ArrayBuffer, shape: Shape): Tensor {
  const Data = dtypes[type] as Float32ArrayConstructor;
  return new Tensor(type, new Data(bytes, 0, sizeOf(shape)), shape);
}
