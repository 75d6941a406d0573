import { expect, fail, show } from '../../expect.ts';
import type { Packed } from '../../formats/index.ts';
import { MAP_READ, storage, USAGE, write } from './buffers.ts';
import { checkSize, guardOf, type Guard } from './guard.ts';
import { candidates } from './candidates.ts';
import { productDispatch } from './layers.ts';
import { pipelinesOf, type Pipeline } from './pipelines.ts';
import { productProblem } from './problem.ts';
import { jobBytes, writeJob, type Dispatch } from './program.ts';
import { variants } from './shaders.ts';
import { checkPacked, hold, release as free, type Held, type Weight } from './weight.ts';

export interface UploadOptions {
  /** bias[M], added to each row of C; zeros where absent. */
  readonly bias?: Float32Array;
  /** What to call the weight in errors. */
  readonly where?: string;
}

export interface MultiplyOptions {
  /** Bounds of the results; none where absent. */
  readonly min?: number;
  readonly max?: number;
  /**
   * `matmul` stages operands in workgroup memory and takes dense weights and blocks of 16 rows or more; `spmm` walks
   * any format, and so does `spmv`, made for few columns.   * Where absent, the best guess.
   */
  readonly kernel?: 'spmm' | 'matmul' | 'spmv';
}

/** Products C[M×N] = clamp(A[M×K] · B[K×N] + bias[M]) on one device, all row-major f32. */
export interface Products {
  /**
   * Copies A to the device. Pack it with `unit: 1` and 1, 2, 4, 6 or 8 lanes.
   * @throws BurinError when the packing is no such one, `limit` when it is too large for the device, `device` when that is lost
   */
  upload(packed: Packed, options?: UploadOptions): Promise<Weight>;
  /**
   * C as an array of M·N from B[K·N]. A GPUBuffer B (usage STORAGE, K·N floats from its start) gives a new GPUBuffer C
   * (STORAGE, COPY_SRC, COPY_DST), which is the caller's to destroy; nothing is read back then.
   * @throws BurinError; never gives zeros for an error
   */
  multiply(weight: Weight, b: Float32Array, n: number, options?: MultiplyOptions): Promise<Float32Array>;
  multiply(weight: Weight, b: GPUBuffer, n: number, options?: MultiplyOptions): Promise<GPUBuffer>;
  /** The name of the shader that `multiply` would run: `f32_csr_spmm_4x8` is 4 rows × 8 columns an invocation. */
  kernelFor(weight: Weight, n: number, options?: MultiplyOptions): string;
  /** Bytes that weights hold on the device. */
  memory(): { readonly usedBytes: number };
  /** Frees all weights. The device stays as it is. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/** Takes a device of the caller's, whose limits may be the default ones; it is used and never destroyed. */
export function createProducts(device: GPUDevice): Products {
  const guard = guardOf(device), pipeline = pipelinesOf(guard), weights = new Map<Weight, Held>();
  let open = true;

  const heldBy = (weight: Weight): Held => {
    const held = weights.get(weight);
    expect(held, { kind: 'state', where: 'webgpu weight', needs: 'one that was uploaded here and not disposed', got: 'another' });
    return held;
  };
  const release = (weight: Weight): void => {
    free(weights.get(weight)?.buffers ?? []);
    weights.delete(weight);
  };
  const dispose = (): void => {
    open = false;
    for (const weight of [...weights.keys()]) release(weight);
  };
  const stillOpen = (): void =>
    expect(open, { kind: 'state', where: 'webgpu products', needs: 'to be in use', got: 'a call after dispose' });

  async function upload(packed: Packed, { bias, where = 'webgpu weight' }: UploadOptions = {}): Promise<Weight> {
    stillOpen();
    checkPacked(device, packed, bias, where);
    const held = await hold(guard, packed, { bias }, where);
    const end = (): void => release(weight);
    const weight: Weight = {
      rows: packed.rows, cols: packed.cols, format: packed.format, bytes: held.bytes, dispose: end, [Symbol.dispose]: end,
    };
    weights.set(weight, held);
    if (!open) release(weight);
    stillOpen();
    return weight;
  }

  async function multiply<T extends Float32Array | GPUBuffer>(weight: Weight, b: T, n: number, options: MultiplyOptions = {}): Promise<T> {
    const task = taskOf(device, heldBy(weight), b, n, options);
    guard.alive(task.where);
    const ready = await pipeline(task.name);
    heldBy(weight);
    return (b instanceof Float32Array ? runAndRead(guard, task, ready, b) : runOnDevice(guard, task, ready, b)) as Promise<T>;
  }

  return {
    upload, multiply, dispose, [Symbol.dispose]: dispose,
    kernelFor: (weight, n, options = {}) => choose(heldBy(weight), n, options.kernel),
    memory: () => ({ usedBytes: [...weights.values()].reduce((sum, { bytes }) => sum + bytes, 0) }),
  } as Products;
}

/** One product, checked. */
interface Task {
  readonly where: string;
  readonly name: string;
  /** The shader's run on B and C. */
  readonly dispatch: (b: GPUBuffer, c: GPUBuffer) => Dispatch;
  /** Bytes of B and C. */
  readonly bBytes: number;
  readonly cBytes: number;
}

/** @throws BurinError when the operands do not fit each other or the device. */
function taskOf(device: GPUDevice, held: Held, b: Float32Array | GPUBuffer, n: number, options: MultiplyOptions): Task {
  const { min = -Infinity, max = Infinity } = options, { rows, cols } = held.packed;
  const where = `webgpu [${rows}, ${cols}] · [${cols}, ${n}]`, bBytes = cols * n * 4, cBytes = rows * n * 4;
  expect(Number.isInteger(n) && n > 0, { kind: 'argument', where, needs: 'a whole number of columns, 1 or more', got: show(n) });
  expect(min <= max, { kind: 'argument', where, needs: 'min ≤ max', got: `${min} and ${max}` });
  checkSize(device, `${where}: B`, bBytes);
  checkSize(device, `${where}: C`, cBytes);
  checkB(b, bBytes, where);
  const name = choose(held, n, options.kernel);
  // B may be a larger buffer of the caller's, larger than can be bound as a whole.
  const dispatch = (b: GPUBuffer, c: GPUBuffer): Dispatch => productDispatch(device, held, productProblem(held, n), {
    b: { buffer: b, size: bBytes || undefined }, c: { buffer: c }, min, max, shader: name,
  });
  return { where, name, dispatch, bBytes, cBytes };
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
function choose(held: Held, n: number, kernel: MultiplyOptions['kernel']): string {
  const found = candidates(held, productProblem(held, n)).find((name) => !kernel || variants[name].kernel === kernel);
  return found ?? fail({
    kind: 'argument', where: `webgpu ${kernel}`, needs: 'a dense weight or blocks of 16 rows or more', remedy: 'take spmm',
    got: `${held.format} ${held.packed.block.rows}x${held.packed.block.cols}`,
  });
}

/** Queues the product of what lies in `b` into `c`. */
function submit(device: GPUDevice, task: Task, { compute, layout }: Pipeline, [b, c, readback]: GPUBuffer[]): void {
  const { shader, job, operands, groups } = task.dispatch(b, c), { kernel } = variants[shader], size = jobBytes(kernel);
  const jobs = device.createBuffer({ label: `${task.where}: job`, size, usage: USAGE.uniform | USAGE.copyDst });
  try {
    const view = new DataView(new ArrayBuffer(size));
    writeJob(kernel, job, view);
    device.queue.writeBuffer(jobs, 0, view);
    const entries = [{ buffer: jobs }, ...operands].map((resource, binding) => ({ binding, resource }));
    const encoder = device.createCommandEncoder({ label: task.where }), pass = encoder.beginComputePass();
    pass.setPipeline(compute);
    pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
    pass.dispatchWorkgroups(...groups);
    pass.end();
    if (readback) encoder.copyBufferToBuffer(c, 0, readback, 0, task.cBytes);
    device.queue.submit([encoder.finish()]);
  } finally {
    // What was submitted runs as if it were still there.
    jobs.destroy();
  }
}

async function runOnDevice(guard: Guard, task: Task, pipeline: Pipeline, b: GPUBuffer): Promise<GPUBuffer> {
  const { device } = guard, made: GPUBuffer[] = [];
  try {
    return await guard.run(task.where, () => {
      const c = storage(device, `${task.where}: C`, task.cBytes, USAGE.copySrc);
      made.push(c);
      submit(device, task, pipeline, [b, c]);
      return c;
    });
  } catch (error) {
    for (const buffer of made) buffer.destroy();
    throw error;
  }
}

async function runAndRead(guard: Guard, task: Task, pipeline: Pipeline, data: Float32Array): Promise<Float32Array> {
  const { device } = guard, made: GPUBuffer[] = [];
  try {
    const readback = await guard.run(task.where, () => {
      made.push(storage(device, `${task.where}: B`, task.bBytes), storage(device, `${task.where}: C`, task.cBytes, USAGE.copySrc));
      made.push(device.createBuffer({ label: `${task.where}: result`, size: task.cBytes, usage: USAGE.mapRead | USAGE.copyDst }));
      write(device, made[0], data);
      submit(device, task, pipeline, made);
      return made[2];
    });
    await guard.wait(task.where, 'a result that can be read', readback.mapAsync(MAP_READ));
    return new Float32Array(readback.getMappedRange().slice(0));
  } finally {
    for (const buffer of made) buffer.destroy();
  }
}
