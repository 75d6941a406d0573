import * as tf from '@tensorflow/tfjs-core';
import { setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import { fileURLToPath } from 'node:url';
import { expect } from '../../src/expect.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { inverse, permuteTensor } from '../../src/graph/permute.ts';
import { Tensor } from '../../src/tensor.ts';
import type { Feeds, Loaded, Peer } from './peer.ts';
import { imagesOf, inferenceOf, tensorOf } from './tfjs-graph.ts';

/** TensorFlow.js on its wasm backend (XNNPACK underneath), in the layout it is made for: channels last from end to end. */
export const tfjs: Peer = {
  name: 'tfjs-wasm',
  where: 'node',
  available: () => start().then(() => true, () => false),
  version: async () => version_wasm,
  load,
};

/** In Node it has SIMD and one thread. */
async function start(): Promise<void> {
  if (tf.getBackend() === 'wasm') return;
  setWasmPaths(fileURLToPath(new URL('./', import.meta.resolve('@tensorflow/tfjs-backend-wasm'))));
  expect(await tf.setBackend('wasm'), { kind: 'device', where: 'tfjs-wasm', needs: 'its wasm backend', got: 'a failed start' });
  await tf.ready();
}

interface Read { readonly data: Float32Array; readonly dims: number[]; readonly order: readonly number[] }

async function load(graph: Graph, feeds: Feeds): Promise<Loaded> {
  await start();
  const inference = inferenceOf(tfjs.name, graph), images = imagesOf(tfjs.name, graph, feeds);
  let last = new Map<string, Read>();
  const run = async (): Promise<void> => {
    const outputs = inference.run(new Map(images.map((image) => [image.name, tensorOf(image)])));
    last = new Map([...outputs].map(([name, { tensor, order }]) => [
      name, { data: tensor.dataSync<'float32'>(), dims: tensor.shape, order },
    ]));
    for (const { tensor } of outputs.values()) tensor.dispose();
  };
  return {
    run,
    outputs: async () => {
      if (!last.size) await run();
      return Object.fromEntries([...last].map(([name, { data, dims, order }]) => [
        name, permuteTensor(new Tensor('float32', data, dims), inverse(order)),
      ]));
    },
    dispose: () => inference.dispose(),
  };
}
