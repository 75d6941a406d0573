import { findDevice } from '../../src/backends/webgpu/device.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { SparseSession, type GpuTensor } from '../../src/runtime/session.ts';
import { Tensor } from '../../src/tensor.ts';
import { bufferWith, bytesOf, keepingLast } from './gpu-buffers.ts';
import type { Feeds, Loaded } from './peer.ts';

/** Our own session on WebGPU, called as the others are: inputs and outputs stay on the device, whose end of work is awaited. */
export async function burinWebgpu(graph: Graph, feeds: Feeds, formats?: readonly string[]): Promise<Loaded & { kernels: string[] }> {
  const { device } = await findDevice({ powerPreference: 'high-performance' });
  const session = await SparseSession.create<GpuTensor>(graph, {
    executionProviders: ['webgpu'], webgpu: { device }, preferredOutputLocation: 'gpu-buffer', formats,
  });
  const layers = await session.prepare();
  const inputs = Object.fromEntries(Object.entries(feeds).map(([name, { type, data, dims }]) => [
    name, { type, dims, gpuBuffer: bufferWith(device, data as Float32Array) },
  ]));
  const { run, last, forget } = keepingLast<GpuTensor>(device, () => session.run(inputs));
  return {
    run,
    kernels: layers.map(({ kernel }) => kernel),
    outputs: async () => {
      return Object.fromEntries(await Promise.all(Object.entries(await last()).map(async ([name, { type, gpuBuffer, dims }]) => {
        const bytes = await bytesOf(device, gpuBuffer, dims.reduce((a, b) => a * b, 1) * 4);
        return [name, new Tensor(type, new Float32Array(bytes), dims)] as const;
      })));
    },
    dispose: () => {
      forget();
      for (const { gpuBuffer } of Object.values(inputs)) gpuBuffer.destroy();
      session.release();
      device.destroy();
    },
  };
}
