import * as tf from '@tensorflow/tfjs-core';
import { setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import { fileURLToPath } from 'node:url';
import { expect, fail } from '../../src/expect.ts';
import type { Graph, Node } from '../../src/graph/graph.ts';
import { inverse, permuteTensor } from '../../src/graph/permute.ts';
import { numbersOf, Tensor } from '../../src/tensor.ts';
import type { Feeds, Loaded, Peer } from './peer.ts';
import { nhwc, plain, type Site, type Step, type Value } from './tfjs-layout.ts';
import { tfjsOps, wantsNhwc } from './tfjs-ops.ts';

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

/** A node ready to run: its step, the values it still takes at run time, and the values nobody needs after it. */
interface Task {
  readonly node: Node;
  readonly step: Step;
  readonly inputs: readonly string[];
  readonly free: readonly string[];
}

async function load(graph: Graph, feeds: Feeds): Promise<Loaded> {
  await start();
  const weights = new Map<string, Value>();
  const kept: tf.Tensor[] = [];
  const upload = (tensor: Tensor): tf.Tensor => {
    const type = tensor.type === 'float32' ? 'float32' : 'int32';
    const handle = tf.keep(tf.tensor(numbersOf(tensor) as Float32Array, [...tensor.dims], type));
    kept.push(handle);
    return handle;
  };
  const tasks = plan(graph, graph.nodes.map((node) => prepare({ graph, node, upload, weights })));
  const images = inputsOf(graph, feeds);
  let last = new Map<string, { data: Float32Array; dims: number[]; order: readonly number[] }>();
  const run = async (): Promise<void> => { last = inference({ graph, tasks, weights, images }); };
  return {
    run,
    outputs: async () => {
      if (!last.size) await run();
      return Object.fromEntries([...last].map(([name, { data, dims, order }]) => [
        name, permuteTensor(new Tensor('float32', data, dims), inverse(order)),
      ]));
    },
    dispose: () => { for (const handle of kept) handle.dispose(); },
  };
}

type Upload = (tensor: Tensor) => tf.Tensor;
interface Setting { graph: Graph; node: Node; upload: Upload; weights: Map<string, Value> }

/** Makes the step of a node. Constants the step did not take for itself (as a convolution does) are uploaded as they are. */
function prepare({ graph, node, upload, weights }: Setting): Omit<Task, 'free'> {
  const taken = new Set<number>();
  const refuse: Site['refuse'] = (why) =>
    fail({ kind: 'unsupported', where: `tfjs-wasm, node '${node.name}' (${node.op})`, needs: 'what our bridge to tfjs knows', got: why });
  const site: Site = {
    node, upload, refuse,
    constant: (i) => {
      const tensor = graph.constants.get(node.inputs[i] ?? '');
      if (tensor) taken.add(i);
      return tensor;
    },
  };
  if (!Object.hasOwn(tfjsOps, node.op)) refuse(`the operator ${node.op}`);
  const step = tfjsOps[node.op](site);
  const inputs = node.inputs.map((name, i) => (taken.has(i) ? '' : name));
  for (const name of inputs) {
    const tensor = graph.constants.get(name);
    if (tensor && !weights.has(name)) weights.set(name, { tensor: upload(tensor), order: plain(tensor.dims.length) });
  }
  return { node, step, inputs };
}

/** A value is given back after its last use, as tfjs's own graph executor does. */
function plan(graph: Graph, prepared: readonly Omit<Task, 'free'>[]): Task[] {
  const lasting = new Set([...graph.constants.keys(), ...graph.outputs.map((output) => output.name), '']);
  const tasks: Task[] = [];
  for (const task of [...prepared].reverse()) {
    const free = [...new Set([...task.inputs, ...task.node.outputs])].filter((name) => !lasting.has(name));
    for (const name of free) lasting.add(name);
    tasks.push({ ...task, free });
  }
  return tasks.reverse();
}

interface Image { name: string; data: Float32Array; dims: readonly number[]; order: readonly number[] }

/** Feeds as tfjs would be given them: images channels last, which is done here and not while the clock runs. */
function inputsOf(graph: Graph, feeds: Feeds): Image[] {
  return graph.inputs.map(({ name }) => {
    const feed = feeds[name] ?? fail({
      kind: 'argument', where: 'tfjs-wasm', needs: `the input '${name}'`, got: Object.keys(feeds).join(', '),
    });
    const isImage = feed.dims.length === 4 && graph.nodes.some((node) => node.inputs[0] === name && wantsNhwc.has(node.op));
    const order = isImage ? nhwc : plain(feed.dims.length);
    const { data, dims } = permuteTensor(feed, order);
    return { name, data: data as Float32Array, dims, order };
  });
}

interface Inference { graph: Graph; tasks: readonly Task[]; weights: ReadonlyMap<string, Value>; images: readonly Image[] }

function inference(
  { graph, tasks, weights, images }: Inference
): Map<string, { data: Float32Array; dims: number[]; order: readonly number[] }> {
  const values = new Map(weights);
  for (const { name, data, dims, order } of images) values.set(name, { tensor: tf.tensor(data, [...dims], 'float32'), order });
  for (const { node, step, inputs, free } of tasks) {
    const outputs = tf.tidy(() => step(...inputs.map((name) => values.get(name))) as unknown as tf.TensorContainer) as unknown as Value[];
    outputs.forEach((value, i) => { if (node.outputs[i]) values.set(node.outputs[i], value); });
    for (const name of free) values.get(name)?.tensor.dispose();
  }
  const results = graph.outputs.map(({ name }) => ({ name, value: values.get(name)! }));
  const read = new Map(results.map(({ name, value: { tensor, order } }) => [
    name, { data: tensor.dataSync<'float32'>(), dims: tensor.shape, order },
  ]));
  for (const { value } of results) value.tensor.dispose();
  return read;
}
