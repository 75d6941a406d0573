/** GPUBufferUsage and GPUMapMode as numbers: outside of browsers a device may come without these globals. */
export const USAGE = { mapRead: 1, copySrc: 4, copyDst: 8, uniform: 64, storage: 128, queryResolve: 512 } as const;
export const MAP_READ = 1;

/** Bytes a binding's offset is a multiple of on every device. */
export const BINDING_STEP = 256;

/** One vec4f: the smallest binding every shader takes. */
const SMALLEST = 16;

/** Bytes of a buffer that holds `bytes`: whole words, and something to bind where there is nothing to hold. */
export function sizeFor(bytes: number): number {
  return Math.max(SMALLEST, Math.ceil(bytes / 4) * 4);
}

/** A new storage buffer; more usages as asked. */
export function storage(device: GPUDevice, label: string, bytes: number, usage = 0): GPUBuffer {
  return device.createBuffer({ label, size: sizeFor(bytes), usage: USAGE.storage | USAGE.copyDst | usage });
}

/** Queues `data` for the start of the buffer; a last half word is filled up with zeros. */
export function write(device: GPUDevice, buffer: GPUBuffer, data: ArrayBufferView): void {
  const whole = data.byteLength - (data.byteLength % 4);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  device.queue.writeBuffer(buffer, 0, bytes, 0, whole);
  if (whole === data.byteLength) return;
  const last = new Uint8Array(4);
  last.set(bytes.subarray(whole));
  device.queue.writeBuffer(buffer, whole, last);
}
