import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { expect } from '../../src/expect.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { inverse, permuteTensor } from '../../src/graph/permute.ts';
import { Tensor } from '../../src/tensor.ts';
import type { Feeds, Loaded, Peer } from './peer.ts';
import type { Value } from './tfjs-layout.ts';
import { fusedGraph, imagesOf, inferenceOf, tensorOf } from './tfjs-graph.ts';

/** TensorFlow.js on its WebGPU backend, in a page. Inputs and outputs stay on the device. */
export const tfjsWebgpu: Peer = {
  name: 'tfjs-webgpu',
  where: 'chromium',
  available: () => start().then(() => true, () => false),
  // Packages of a release have one version; the backend says none of its own.
  version: async () => tf.version_core,
  load,
};

async function start(): Promise<WebGPUBackend> {
  if (tf.getBackend() !== 'webgpu') {
    expect(await tf.setBackend('webgpu'), { kind: 'device', where: tfjsWebgpu.name, needs: 'its webgpu backend', got: 'a failed start' });
    await tf.ready();
  }
  return tf.backend() as WebGPUBackend;
}

/** What was queued so far goes to the device, as when tfjs reads, and is awaited there. */
async function finish(backend: WebGPUBackend): Promise<void> {
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
  await backend.device.queue.onSubmittedWorkDone();
}

async function load(graph: Graph, feeds: Feeds): Promise<Loaded> {
  const backend = await start(), fused = fusedGraph(graph), inference = inferenceOf(tfjsWebgpu.name, fused);
  const images = imagesOf(tfjsWebgpu.name, fused, feeds).map((image) => [image.name, tensorOf(image)] as const);
  let last = new Map<string, Value>();
  const forget = (): void => { for (const { tensor } of last.values()) tensor.dispose(); };
  const run = async (): Promise<void> => {
    forget();
    // An inference gives back what it was fed: it gets handles of its own.
    last = inference.run(new Map(images.map(([name, { tensor, order }]) => [name, { tensor: tf.clone(tensor), order }])));
    await finish(backend);
  };
  return {
    run,
    outputs: async () => {
      if (!last.size) await run();
      return Object.fromEntries(await Promise.all([...last].map(async ([name, { tensor, order }]) => [
        name, permuteTensor(new Tensor('float32', await tensor.data<'float32'>(), tensor.shape), inverse(order)),
      ] as const)));
    },
    dispose: () => {
      forget();
      for (const [, { tensor }] of images) tensor.dispose();
      inference.dispose();
    },
  };
}
