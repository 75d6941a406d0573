import { expect, fail, show } from '../../expect.ts';
import type { Packed } from '../../formats/index.ts';
import type { Bounds, ProductWeight, WeightOptions } from '../product.ts';
import { MAP_READ, storage, USAGE, write } from './buffers.ts';
import { checkSize, guardOf, type Guard } from './guard.ts';
import { candidates, wholeOf } from './candidates.ts';
import { productDispatches, shadersOf } from './layers.ts';
import { pipelinesOf, type Pipeline } from './pipelines.ts';
import { productProblem } from './problem.ts';
import { bindProgram, type Dispatch, type Program } from './program.ts';
import { variants } from './shaders.ts';
import { pieceBytes } from './split.ts';
import { checkPacked, hold, release as free, type Held } from './weight.ts';

export interface UploadOptions extends WeightOptions {
  /**
   * Whether A is stored in 16 bits, half the memory, for dense weights of 1, 2 or 4 lanes, csr, bsr of 2 or 4 lanes and nm. Its values
   * must be zeros or normal 16-bit floats; products are the same as with 32.
   */
  readonly half?: boolean;
}

export interface SpmmOptions extends Bounds {
  /**
   * `matmul` stages operands in workgroup memory and takes dense weights and blocks of 16 rows or more; `spmm` walks
   * any format, and so does `spmv`, made for few columns.
   * Where absent, the best guess.
   */
  readonly kernel?: 'spmm' | 'matmul' | 'spmv';
}

/** Products C[M×N] = clamp(A[M×K] · B[K×N] + bias[M]) on one device, all row-major f32. */
export interface Products {
  /**
   * Copies A to the device. Pack it with `unit: 1` and 1, 2, 4, 6 or 8 lanes.
   * @throws BurinError when the packing is no such one, `limit` when it is too large for the device, `device` when that is lost
   */
  upload(packed: Packed, options?: UploadOptions): Promise<ProductWeight>;
  /**
   * C as an array of M·N from B[K·N]. A GPUBuffer B (usage STORAGE, K·N floats from its start) gives a new GPUBuffer C
   * (STORAGE, COPY_SRC, COPY_DST), which is the caller's to destroy; nothing is read back then.
   * @throws BurinError; never gives zeros for an error
   */
  spmm(weight: ProductWeight, b: Float32Array, n: number, options?: SpmmOptions): Promise<Float32Array>;
  spmm(weight: ProductWeight, b: GPUBuffer, n: number, options?: SpmmOptions): Promise<GPUBuffer>;
  /** The name of the shader that `spmm` would run: `f32_csr_spmm_4x8` is 4 rows × 8 columns an invocation. */
  kernelFor(weight: ProductWeight, n: number, options?: SpmmOptions): string;
  /** Bytes that weights hold on the device. */
  memory(): { readonly usedBytes: number };
  /** Frees all weights. The device stays as it is. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/** Takes a device of the caller's, whose limits may be the default ones; it is used and never destroyed. */
export function createProducts(device: GPUDevice): Products {
  const guard = guardOf(device), pipeline = pipelinesOf(guard), weights = new Map<ProductWeight, Held>();
  let open = true;

  const heldBy = (weight: ProductWeight): Held => {
    const held = weights.get(weight);
    expect(held, { kind: 'state', where: 'webgpu weight', needs: 'one that was uploaded here and not disposed', got: 'another' });
    return held;
  };
  const release = (weight: ProductWeight): void => {
    free(weights.get(weight)?.buffers ?? []);
    weights.delete(weight);
  };
  const dispose = (): void => {
    open = false;
    for (const weight of [...weights.keys()]) release(weight);
  };
  const stillOpen = (): void =>
    expect(open, { kind: 'state', where: 'webgpu products', needs: 'to be in use', got: 'a call after dispose' });

  async function upload(packed: Packed, { bias, half, where = 'webgpu weight' }: UploadOptions = {}): Promise<ProductWeight> {
    stillOpen();
    checkPacked(device, packed, { bias, half }, where);
    const held = await hold(guard, packed, { bias, half }, where);
    const end = (): void => release(weight);
    const weight: ProductWeight = {
      rows: packed.rows, cols: packed.cols, format: packed.format, bytes: held.bytes, dispose: end, [Symbol.dispose]: end,
    };
    weights.set(weight, held);
    if (!open) release(weight);
    stillOpen();
    return weight;
  }

  async function spmm<T extends Float32Array | GPUBuffer>(weight: ProductWeight, b: T, n: number, options: SpmmOptions = {}): Promise<T> {
    const task = taskOf(device, heldBy(weight), b, n, options);
    guard.alive(task.where);
    const names = shadersOf(task.name), ready = new Map<string, Pipeline>();
    for (const [i, one] of (await Promise.all(names.map(pipeline))).entries()) ready.set(names[i], one);
    heldBy(weight);
    return (b instanceof Float32Array ? runAndRead(guard, task, ready, b) : runOnDevice(guard, task, ready, b)) as Promise<T>;
  }

  return {
    upload, spmm, dispose, [Symbol.dispose]: dispose,
    kernelFor: (weight, n, options = {}) => choose(device, heldBy(weight), n, options.kernel),
    memory: () => ({ usedBytes: [...weights.values()].reduce((sum, { bytes }) => sum + bytes, 0) }),
  } as Products;
}

/** One product, checked. */
interface Task {
  readonly where: string;
  readonly name: string;
  /** The shader's runs on B and C, and on room for sums of pieces where it needs that. */
  readonly dispatches: (b: GPUBuffer, c: GPUBuffer, pieces?: GPUBuffer) => readonly Dispatch[];
  /** Bytes of B and C, and of that room. */
  readonly bBytes: number;
  readonly cBytes: number;
  readonly pieceBytes: number;
}

/** @throws BurinError when the operands do not fit each other or the device. */
function taskOf(device: GPUDevice, held: Held, b: Float32Array | GPUBuffer, n: number, options: SpmmOptions): Task {
  const { min = -Infinity, max = Infinity } = options, { rows, cols } = held.packed;
  const where = `webgpu [${rows}, ${cols}] · [${cols}, ${n}]`, bBytes = cols * n * 4, cBytes = rows * n * 4;
  expect(Number.isInteger(n) && n > 0, { kind: 'argument', where, needs: 'a whole number of columns, 1 or more', got: show(n) });
  expect(min <= max, { kind: 'argument', where, needs: 'min ≤ max', got: `${min} and ${max}` });
  checkSize(device, `${where}: B`, bBytes);
  checkSize(device, `${where}: C`, cBytes);
  checkB(b, bBytes, where);
  const name = choose(device, held, n, options.kernel), problem = productProblem(held, n);
  // B may be a larger buffer of the caller's, larger than can be bound as a whole.
  const dispatches = (b: GPUBuffer, c: GPUBuffer, pieces?: GPUBuffer): readonly Dispatch[] => productDispatches(device, held, problem, {
    b: { buffer: b, size: bBytes || undefined }, c: { buffer: c }, min, max, shader: name, ...(pieces && { pieces: { buffer: pieces } }),
  });
  return { where, name, dispatches, bBytes, cBytes, pieceBytes: wholeOf(name) === name ? 0 : pieceBytes(held, problem) };
}

function checkB(b: Float32Array | GPUBuffer, bytes: number, where: string): void {
  if (b instanceof Float32Array) {
    expect(b.byteLength === bytes, { kind: 'shape', where, needs: `a B of ${bytes / 4} floats`, got: `${b.length}` });
    return;
  }
  expect(b.usage & USAGE.storage, { kind: 'argument', where, needs: 'a B with usage STORAGE', got: `usage ${b.usage}` });
  expect(b.size >= bytes, { kind: 'shape', where, needs: `a B of ${bytes} bytes or more`, got: `${b.size}` });
}

/** The best guess, of the kernel that is asked for. */
function choose(device: GPUDevice, held: Held, n: number, kernel: SpmmOptions['kernel']): string {
  const names = candidates(held, productProblem(held, n), device);
  return names.find((name) => !kernel || variants[wholeOf(name)].kernel === kernel) ?? fail({
    kind: 'argument', where: `webgpu ${kernel}`, needs: 'a dense weight or blocks of 16 rows or more', remedy: 'take spmm',
    got: `${held.format} ${held.packed.block.rows}x${held.packed.block.cols}`,
  });
}

type Ready = ReadonlyMap<string, Pipeline>;

/** Queues the product of what lies in `b` into `c`. */
function submit(device: GPUDevice, task: Task, ready: Ready, [b, c, readback]: GPUBuffer[]): void {
  const pieces = task.pieceBytes ? storage(device, `${task.where}: pieces`, task.pieceBytes) : undefined;
  let program: Program | undefined;
  try {
    const dispatches = task.dispatches(b, c, pieces);
    program = bindProgram(device, dispatches.map(({ shader }) => ready.get(shader)!), dispatches, task.where);
    const encoder = device.createCommandEncoder({ label: task.where }), pass = encoder.beginComputePass();
    program.encode(pass);
    pass.end();
    if (readback) encoder.copyBufferToBuffer(c, 0, readback, 0, task.cBytes);
    device.queue.submit([encoder.finish()]);
  } finally {
    // What was submitted runs as if they were still there.
    program?.dispose();
    pieces?.destroy();
  }
}

async function runOnDevice(guard: Guard, task: Task, ready: Ready, b: GPUBuffer): Promise<GPUBuffer> {
  const { device } = guard, made: GPUBuffer[] = [];
  try {
    return await guard.run(task.where, () => {
      const c = storage(device, `${task.where}: C`, task.cBytes, USAGE.copySrc);
      made.push(c);
      submit(device, task, ready, [b, c]);
      return c;
    });
  } catch (error) {
    for (const buffer of made) buffer.destroy();
    throw error;
  }
}

async function runAndRead(guard: Guard, task: Task, ready: Ready, data: Float32Array): Promise<Float32Array> {
  const { device } = guard, made: GPUBuffer[] = [];
  try {
    const readback = await guard.run(task.where, () => {
      made.push(storage(device, `${task.where}: B`, task.bBytes), storage(device, `${task.where}: C`, task.cBytes, USAGE.copySrc));
      made.push(device.createBuffer({ label: `${task.where}: result`, size: task.cBytes, usage: USAGE.mapRead | USAGE.copyDst }));
      write(device, made[0], data);
      submit(device, task, ready, made);
      return made[2];
    });
    await guard.wait(task.where, 'a result that can be read', readback.mapAsync(MAP_READ));
    return new Float32Array(readback.getMappedRange().slice(0));
  } finally {
    for (const buffer of made) buffer.destroy();
  }
}
