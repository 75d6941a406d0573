import { readdirSync, readFileSync } from 'node:fs';
import { readOnnx, readTensorProto } from '../../src/io/onnx/index.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { numbersOf, sizeOf, Tensor } from '../../src/tensor.ts';
import { shared } from '../shared.ts';

/** One operator of the ONNX conformance tests: `graph` given `feeds` makes `expected`. */
export interface NodeCase {
  readonly name: string;
  readonly graph: Graph;
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly expected: Readonly<Record<string, Tensor>>;
}

/** A whole network whose weights are all alike, so that the file can say them as ConstantOfShape. */
export interface LightCase {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The network with its weights as constants, as networks have them: 5 MB, 102 MB and 575 MB. */
  readonly graph: () => Graph;
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly expected: Readonly<Record<string, Tensor>>;
}

/** Operators whose inputs are all data; of the others only the first is, the rest are weights and settings. */
const allData = new Set(['Add', 'Sub', 'Mul', 'Div', 'Pow', 'MatMul', 'Concat']);

const tensorAt = (url: URL) => readTensorProto(readFileSync(url));

function named(folder: URL, kind: string, names: readonly string[]): Record<string, Tensor> {
  return Object.fromEntries(names.map((name, i) => [name, tensorAt(new URL(`test_data_set_0/${kind}_${i}.pb`, folder))]));
}

/**
 * Every case of the shared `onnx-node` data; none where it is absent. With `fixed`, weights and settings are constants of
 * the graph, as they are in models, and the feeds are data alone; otherwise everything is fed.
 */
export function onnxNodeCases(options: { fixed: boolean } = { fixed: true }): NodeCase[] {
  const root = shared('data/onnx-node/');
  if (!root) return [];
  return readdirSync(root).filter((name) => name.startsWith('test_')).sort().map((name) => {
    const folder = new URL(`${name}/`, root);
    const graph = readOnnx(readFileSync(new URL('model.onnx', folder)), { name });
    const feeds = named(folder, 'input', graph.inputs.map((info) => info.name));
    const expected = named(folder, 'output', graph.outputs.map((info) => info.name));
    return options.fixed ? fix({ name, graph, feeds, expected }) : { name, graph, feeds, expected };
  });
}

/** Makes every feed but the data a constant. */
function fix({ name, graph, feeds, expected }: NodeCase): NodeCase {
  const isData = (value: string) => graph.nodes.some((node) => node.inputs.indexOf(value) === 0 || allData.has(node.op));
  const [data, constants] = [true, false].map((wanted) => Object.entries(feeds).filter(([value]) => isData(value) === wanted));
  const inputs = graph.inputs.filter((info) => isData(info.name));
  return { name, graph: { ...graph, inputs, constants: new Map([...graph.constants, ...constants]) }, feeds: Object.fromEntries(data),
    expected };
}

/** The whole networks of the shared `onnx-light` data, each fed x[i] = i/n; none where it is absent. */
export function lightCases(): LightCase[] {
  const root = shared('data/onnx-light/');
  if (!root) return [];
  return ['squeezenet', 'resnet50', 'vgg19'].map((name) => {
    const bytes = readFileSync(new URL(`light_${name}.onnx`, root));
    const { inputs, outputs } = readOnnx(bytes);
    const output = tensorAt(new URL(`light_${name}_output_0.pb`, root));
    const feeds = Object.fromEntries(inputs.map(({ name, dims }) => [name, ramp(dims as number[])]));
    return { name, bytes, graph: () => filled(readOnnx(bytes)), feeds, expected: { [outputs[0].name]: output } };
  });
}

function ramp(dims: readonly number[]): Tensor {
  const size = sizeOf(dims);
  return new Tensor('float32', Float32Array.from({ length: size }, (_, i) => i / size), dims);
}

/** Turns every ConstantOfShape of a known shape into a constant. */
function filled(graph: Graph): Graph {
  const constants = new Map(graph.constants);
  const nodes = graph.nodes.filter(({ op, inputs, outputs, attrs }) => {
    const shape = op === 'ConstantOfShape' ? constants.get(inputs[0]) : undefined;
    if (!shape) return true;
    const dims = Array.from(numbersOf(shape));
    constants.set(outputs[0], new Tensor('float32', new Float32Array(sizeOf(dims)).fill(Number((attrs.value as Tensor).data[0])), dims));
    return false;
  });
  return { ...graph, nodes, constants };
}
