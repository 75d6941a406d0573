import { env, InferenceSession, Tensor as OrtTensor } from 'onnxruntime-web/webgpu';
import { fail, show } from '../../src/expect.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { writeOnnx } from '../../src/io/onnx/index.ts';
import { Tensor, type DType, type TensorData } from '../../src/tensor.ts';
import { bufferWith, keepingLast } from './gpu-buffers.ts';
import type { Feeds, Loaded, Peer } from './peer.ts';

/** ONNX Runtime Web on its WebGPU provider, in a page. Inputs and outputs stay on the device. */
export const ortWebgpu: Peer & { start(folder: string): void } = {
  name: 'onnxruntime-web',
  where: 'chromium',
  start,
  available: async () => 'gpu' in navigator,
  version: async () => env.versions.web ?? 'unknown',
  load,
};

/** @param folder where its wasm files are served, with a slash at the end */
function start(folder: string): void {
  env.wasm.wasmPaths = folder;
  env.wasm.numThreads = 1;
  env.logLevel = 'error';
  env.webgpu.powerPreference = 'high-performance';
}

async function load(graph: Graph, feeds: Feeds): Promise<Loaded> {
  const options: InferenceSession.SessionOptions = {
    executionProviders: ['webgpu'], graphOptimizationLevel: 'all', logSeverityLevel: 3, preferredOutputLocation: 'gpu-buffer',
  };
  const session = await InferenceSession.create(writeOnnx(graph), options).catch((cause: unknown) => fail({
    kind: 'unsupported', where: `${ortWebgpu.name}, ${graph.name}`, needs: 'a graph it can load', got: show(cause), cause,
  }));
  const device = await env.webgpu.device;
  const buffers = Object.entries(feeds).map(([name, { data, dims }]) => ({ name, dims, buffer: bufferWith(device, data as Float32Array) }));
  const inputs = Object.fromEntries(buffers.map(({ name, dims, buffer }) => [
    name, OrtTensor.fromGpuBuffer(buffer, { dataType: 'float32', dims }),
  ]));
  const { run, last, forget } = keepingLast<OrtTensor>(device, () => session.run(inputs));
  return {
    run,
    outputs: async () => {
      return Object.fromEntries(await Promise.all(Object.entries(await last()).map(async ([name, tensor]) => [
        name, new Tensor(tensor.type as DType, await tensor.getData() as TensorData, tensor.dims),
      ] as const)));
    },
    dispose: () => {
      forget();
      for (const { buffer } of buffers) buffer.destroy();
      void session.release();
    },
  };
}
