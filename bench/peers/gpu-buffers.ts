import { MAP_READ, storage, USAGE, write } from '../../src/backends/webgpu/buffers.ts';

/** A new storage buffer with these floats, which may be copied from. */
export function bufferWith(device: GPUDevice, data: Float32Array): GPUBuffer {
  const buffer = storage(device, 'bench', data.byteLength, USAGE.copySrc);
  write(device, buffer, data);
  return buffer;
}

/** What the first `bytes` of a buffer hold, once all work submitted before is done. */
export async function bytesOf(device: GPUDevice, from: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
  const to = device.createBuffer({ size: bytes, usage: USAGE.mapRead | USAGE.copyDst }), encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(from, 0, to, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await to.mapAsync(MAP_READ);
  const data = to.getMappedRange().slice(0);
  to.destroy();
  return data;
}

export interface Kept<T> {
  /** Runs anew; what the run before left is disposed. */
  readonly run: () => Promise<void>;
  /** Outputs of the latest run, of a first one where there was none. */
  readonly last: () => Promise<Readonly<Record<string, T>>>;
  readonly forget: () => void;
}

/** Runs whose outputs stay on the device until the next one, and whose end of work is awaited. */
export function keepingLast<T extends { dispose(): void }>(device: GPUDevice, work: () => Promise<Readonly<Record<string, T>>>): Kept<T> {
  let left: Readonly<Record<string, T>> = {};
  const forget = (): void => {
    for (const tensor of Object.values(left)) tensor.dispose();
    left = {};
  };
  const run = async (): Promise<void> => {
    forget();
    left = await work();
    await device.queue.onSubmittedWorkDone();
  };
  const last = async (): Promise<Readonly<Record<string, T>>> => {
    if (!Object.keys(left).length) await run();
    return left;
  };
  return { run, last, forget };
}
