import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-web';
import { fail, show } from '../../src/expect.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { writeOnnx } from '../../src/io/onnx/index.ts';
import { Tensor, type DType, type TensorData } from '../../src/tensor.ts';
import type { Feeds, Loaded, Peer } from './peer.ts';

type Ort = typeof import('onnxruntime-web');

/** ONNX Runtime Web on its wasm provider, which gets the graph as ONNX bytes and does its own fusing. */
export const ort: Peer = {
  name: 'onnxruntime-web',
  where: 'node',
  available: () => start().then(() => true, () => false),
  version: async () => (await start()).env.versions.web ?? 'unknown',
  load,
};

async function start(): Promise<Ort> {
  const runtime = await import('onnxruntime-web');
  runtime.env.wasm.numThreads = 1;
  runtime.env.logLevel = 'error';
  return runtime;
}

async function load(graph: Graph, feeds: Feeds): Promise<Loaded> {
  const { InferenceSession, Tensor: OrtTensor } = await start();
  const options: InferenceSession.SessionOptions = { executionProviders: ['wasm'], graphOptimizationLevel: 'all', logSeverityLevel: 3 };
  const session = await InferenceSession.create(writeOnnx(graph), options).catch((cause: unknown) => fail({
    kind: 'unsupported', where: `onnxruntime-web, ${graph.name}`, needs: 'a graph it can load', got: show(cause), cause,
  }));
  // Their union of typed tensors is not one constructor to TypeScript; names and arrays are the same as ours.
  const inputs = Object.fromEntries(Object.entries(feeds).map(([name, { type, data, dims }]) => [
    name, new OrtTensor(type as 'float32', data as Float32Array, dims),
  ]));
  let last: Record<string, OrtTensor> | undefined;
  const run = async (): Promise<void> => { last = await session.run(inputs); };
  return {
    run,
    outputs: async () => {
      if (!last) await run();
      return Object.fromEntries(Object.entries(last!).map(([name, { type, data, dims }]) => [
        name, new Tensor(type as DType, data as TensorData, dims),
      ]));
    },
    dispose: () => void session.release(),
  };
}
