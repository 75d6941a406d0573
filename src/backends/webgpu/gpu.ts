import type { MemoryUse } from '../backend.ts';
import { storage } from './buffers.ts';
import { findDevice, type Found, type WebGpuOptions } from './device.ts';
import { guardOf, type Guard } from './guard.ts';
import { pipelinesOf, type Pipeline } from './pipelines.ts';
import { sharing } from './shared.ts';

/** A device in use: its guard, its pipelines and the buffers of one user of it. */
export interface Gpu extends Found {
  readonly guard: Guard;
  /** A shader ready to run, compiled once a device. */
  readonly pipeline: (name: string) => Promise<Pipeline>;
  /** A new buffer, counted until it is dropped. Call it inside of `guard.run`, which turns a lack of memory into an error. */
  buffer(label: string, bytes: number, usage?: number): GPUBuffer;
  drop(buffer: GPUBuffer): void;
  /** What is made of equal data, shared by all plans. */
  readonly share: ReturnType<typeof sharing>;
  /** Counts bytes of buffers that were made elsewhere, until what it returns is called. */
  count(bytes: number): () => void;
  memory(): MemoryUse;
  /** Frees all buffers, and the device where it was made here. */
  dispose(): void;
}

/** Several sessions on one device share what is compiled for it, and its end. */
const shared = new WeakMap<GPUDevice, Pick<Gpu, 'guard' | 'pipeline'>>();

function sharedOf(device: GPUDevice): Pick<Gpu, 'guard' | 'pipeline'> {
  const known = shared.get(device);
  if (known) return known;
  const guard = guardOf(device), made = { guard, pipeline: pipelinesOf(guard) };
  shared.set(device, made);
  return made;
}

/** @throws BurinError `device` where there is none */
export async function openGpu(options: WebGpuOptions = {}): Promise<Gpu> {
  const found = await findDevice(options), { device, own } = found, buffers = new Set<GPUBuffer>();
  let usedBytes = 0;
  const drop = (buffer: GPUBuffer): void => {
    if (buffers.delete(buffer)) usedBytes -= buffer.size;
    buffer.destroy();
  };
  return {
    ...found, ...sharedOf(device), drop, share: sharing(),
    buffer(label, bytes, usage) {
      const buffer = storage(device, label, bytes, usage);
      buffers.add(buffer);
      usedBytes += buffer.size;
      return buffer;
    },
    count(bytes) {
      usedBytes += bytes;
      return () => {
        usedBytes -= bytes;
        bytes = 0;
      };
    },
    memory: () => ({ usedBytes, totalBytes: usedBytes }),
    dispose() {
      for (const buffer of [...buffers]) drop(buffer);
      if (own) device.destroy();
    },
  };
}
