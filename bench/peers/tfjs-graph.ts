import * as tf from '@tensorflow/tfjs-core';
import { fail } from '../../src/expect.ts';
import { specialize } from '../../src/graph/evaluate.ts';
import type { Graph, Node } from '../../src/graph/graph.ts';
import { optimize } from '../../src/graph/passes/index.ts';
import { permuteTensor } from '../../src/graph/permute.ts';
import { numbersOf, type Tensor } from '../../src/tensor.ts';
import type { Feeds } from './peer.ts';
import { nhwc, plain, type Site, type Step, type Value } from './tfjs-layout.ts';
import { tfjsOps, wantsNhwc } from './tfjs-ops.ts';

/** A graph as calls of TensorFlow.js on the backend that is set, in the layout it is made for: channels last from end to end. */
export interface Inference {
  /** One inference. It gives its inputs back; the outputs, by their names in the graph, are the caller's. */
  run(inputs: ReadonlyMap<string, Value>): Map<string, Value>;
  dispose(): void;
}

/** What TensorFlow.js, which fuses nothing by itself, is given: the graph that our own passes make of it. */
export function fusedGraph(graph: Graph): Graph {
  const fixed = specialize(graph, {});
  return optimize(fixed.graph, fixed.types, { removeDead: false }).graph;
}

/** A node ready to run: its step, the values it still takes at run time, and the values nobody needs after it. */
interface Task {
  readonly node: Node;
  readonly step: Step;
  readonly inputs: readonly string[];
  readonly free: readonly string[];
}

/** @throws BurinError `unsupported`, by the engine's `name`, for an operator that our bridge lacks */
export function inferenceOf(name: string, graph: Graph): Inference {
  const weights = new Map<string, Value>(), kept: tf.Tensor[] = [];
  const upload = (tensor: Tensor): tf.Tensor => {
    const type = tensor.type === 'float32' ? 'float32' : 'int32';
    const handle = tf.keep(tf.tensor(numbersOf(tensor) as Float32Array, [...tensor.dims], type));
    kept.push(handle);
    return handle;
  };
  const tasks = plan(graph, graph.nodes.map((node) => prepare({ name, graph, node, upload, weights })));
  return {
    run(inputs) {
      const values = new Map([...weights, ...inputs]);
      for (const { node, step, inputs: taken, free } of tasks) {
        const call = (): Value[] => step(...taken.map((value) => values.get(value)));
        // To TypeScript a tidied function returns tensors or plain containers of them, not records of ours.
        const outputs = tf.tidy(call as unknown as () => tf.TensorContainer) as unknown as Value[];
        outputs.forEach((value, i) => { if (node.outputs[i]) values.set(node.outputs[i], value); });
        for (const value of free) values.get(value)?.tensor.dispose();
      }
      return new Map(graph.outputs.map((output) => [output.name, values.get(output.name)!]));
    },
    dispose: () => { for (const handle of kept) handle.dispose(); },
  };
}

type Upload = (tensor: Tensor) => tf.Tensor;
interface Setting { name: string; graph: Graph; node: Node; upload: Upload; weights: Map<string, Value> }

/** Makes the step of a node. Constants the step did not take for itself (as a convolution does) are uploaded as they are. */
function prepare({ name, graph, node, upload, weights }: Setting): Omit<Task, 'free'> {
  const taken = new Set<number>();
  const refuse: Site['refuse'] = (why) =>
    fail({ kind: 'unsupported', where: `${name}, node '${node.name}' (${node.op})`, needs: 'what our bridge to tfjs knows', got: why });
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
  const inputs = node.inputs.map((value, i) => (taken.has(i) ? '' : value));
  for (const value of inputs) {
    const tensor = graph.constants.get(value);
    if (tensor && !weights.has(value)) weights.set(value, { tensor: upload(tensor), order: plain(tensor.dims.length) });
  }
  return { node, step, inputs };
}

/** A value is given back after its last use, as tfjs's own graph executor does. */
function plan(graph: Graph, prepared: readonly Omit<Task, 'free'>[]): Task[] {
  const lasting = new Set([...graph.constants.keys(), ...graph.outputs.map((output) => output.name), '']);
  const tasks: Task[] = [];
  for (const task of [...prepared].reverse()) {
    const free = [...new Set([...task.inputs, ...task.node.outputs])].filter((value) => !lasting.has(value));
    for (const value of free) lasting.add(value);
    tasks.push({ ...task, free });
  }
  return tasks.reverse();
}

/** A feed as tfjs would be given it. */
export interface Image {
  readonly name: string;
  readonly data: Float32Array;
  readonly dims: readonly number[];
  readonly order: readonly number[];
}

/** Feeds in tfjs' own order: images channels last, which is done here and not while the clock runs. */
export function imagesOf(engine: string, graph: Graph, feeds: Feeds): Image[] {
  return graph.inputs.map(({ name }) => {
    const feed = feeds[name] ?? fail({
      kind: 'argument', where: engine, needs: `the input '${name}'`, got: Object.keys(feeds).join(', '),
    });
    const isImage = feed.dims.length === 4 && graph.nodes.some((node) => node.inputs[0] === name && wantsNhwc.has(node.op));
    const order = isImage ? nhwc : plain(feed.dims.length);
    const { data, dims } = permuteTensor(feed, order);
    return { name, data: data as Float32Array, dims, order };
  });
}

export const tensorOf = ({ data, dims, order }: Image): Value => ({ tensor: tf.tensor(data, [...dims], 'float32'), order });
