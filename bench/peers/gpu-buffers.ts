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
