import { expect, fail, show } from '../../expect.ts';
import type { Dim, Graph, ValueInfo } from '../../graph/graph.ts';
import { isQuantized, mostElements, typeOf } from './data.ts';
import { dimsOf, type Draft, knownTensor, place, type Site, uniqueNames } from './draft.ts';
import { decodeRoot } from './flat.ts';
import type { Rewrite } from './operators/common.ts';
import { elements } from './operators/elements.ts';
import { moves } from './operators/moves.ts';
import { spatial, transposeConvBias } from './operators/spatial.ts';
import { type FileOperator, type FileOperatorCode, model as modelFields, operatorNames, placeholderCode } from './schema.ts';

const transposeConvBiasName = "CUSTOM 'Convolution2DTransposeBias'";
const rewrites: Readonly<Record<string, Rewrite>> = { ...spatial, ...elements, ...moves, [transposeConvBiasName]: transposeConvBias };
/** Operators whose second input is their weights. */
const weighted = new Set(['CONV_2D', 'DEPTHWISE_CONV_2D', 'TRANSPOSE_CONV', 'FULLY_CONNECTED', transposeConvBiasName]);
/** These turn quantised constants into real numbers; all others compute. */
const fromStorage = new Set(['DEQUANTIZE', 'DENSIFY']);

/**
 * A TensorFlow Lite file (schema version 3) as a graph. Inputs and outputs keep the file's names and layout (images are NHWC);
 * operators on images stand between Transposes, which the pass `sinkTransposes` removes. float16 is widened, sparse tensors are filled
 * in, the first subgraph is the network. Facts after TensorFlow's schema.fbs.
 * @throws BurinError `file` for bytes that are no such file or contradict themselves, `unsupported` for a quantised network or an operator
 *   that is not in the table, `limit` for a file that unfolds to absurd size.
 */
export function readTflite(bytes: Uint8Array, options: { name?: string } = {}): Graph {
  const model = decodeRoot(bytes, 'TFL3', modelFields);
  expect(model.version === 3, { kind: 'file', where: 'tflite file', needs: 'schema version 3', got: `${model.version}` });
  const [graph] = model.subgraphs;
  expect(graph, { kind: 'file', where: 'tflite file', needs: 'a subgraph', got: 'none' });
  const draft = newDraft({ bytes, model, graph, left: mostElements(bytes) });
  const inputs = (graph.inputs ?? []).map((index) => inputOf(draft, index));
  graph.operators.forEach((operator, i) => rewrite(draft, operator, i));
  const outputs = (graph.outputs ?? []).map((index) => outputOf(draft, index));
  return { name: options.name ?? (graph.name || 'tflite'), inputs, outputs, nodes: draft.nodes, constants: draft.constants };
}

function newDraft(file: Draft['file']): Draft {
  const valueNames = uniqueNames();
  const values = file.graph.tensors.map(({ name }, i) => valueNames(name || `tensor_${i}`));
  return {
    file, values, valueNames, nodeNames: uniqueNames(), nodes: [], constants: new Map(),
    known: new Map(), computed: new Set(), placed: new Map(),
  };
}

function checkIndex(draft: Draft, index: number, where: string): number {
  const count = draft.values.length;
  expect(index >= 0 && index < count, { kind: 'file', where, needs: `a tensor below ${count}`, got: `${index}` });
  return index;
}

/** A tensor as the world sees it; a dimension only known at run time gets a name. */
function infoOf(draft: Draft, index: number, name: string): ValueInfo {
  const dims = dimsOf(draft.file.graph.tensors[index]).map((dim, i): Dim => (dim < 0 ? `${name}_dim${i}` : dim));
  return { name, type: typeOf(draft.file.graph.tensors[index]), dims };
}

function inputOf(draft: Draft, index: number): ValueInfo {
  checkIndex(draft, index, 'graph inputs');
  rejectQuantized(draft, index, 'graph inputs');
  draft.computed.add(index);
  return infoOf(draft, index, draft.values[index]);
}

function outputOf(draft: Draft, index: number): ValueInfo {
  const known = knownTensor(draft, checkIndex(draft, index, 'graph outputs'), 'graph outputs');
  return infoOf(draft, index, known ? place(draft, known) : draft.values[index]);
}

function rejectQuantized(draft: Draft, index: number, where: string): void {
  const tensor = draft.file.graph.tensors[index];
  expect(!isQuantized(tensor), {
    kind: 'unsupported', where, needs: 'tensors of real numbers', got: `the quantised tensor '${tensor.name}'`,
    remedy: 'convert the model with float32 or float16 weights',
  });
}

/** The operator's name in the schema; a custom one is `CUSTOM 'Name'`. */
function nameOf({ deprecated, builtin, custom }: FileOperatorCode): string {
  const number = deprecated >= placeholderCode ? builtin : Math.max(deprecated, builtin);
  const name = operatorNames[number] ?? `operator code ${number}`;
  return name === 'CUSTOM' ? `CUSTOM ${show(custom)}` : name;
}

function rewriteOf(name: string, where: string): Rewrite {
  if (Object.hasOwn(rewrites, name)) return rewrites[name];
  return fail({ kind: 'unsupported', where, needs: `one of ${Object.keys(rewrites).join(', ')}`, got: name });
}

function rewrite(draft: Draft, operator: FileOperator, i: number): void {
  const code = draft.file.model.operatorCodes[operator.code] ?? fail({
    kind: 'file', where: `operator ${i}`, needs: `an operator code below ${draft.file.model.operatorCodes.length}`, got: `${operator.code}`,
  });
  const operatorName = nameOf(code);
  const where = `operator ${i} (${operatorName})`;
  const inputs = operator.inputs ?? [];
  const outputs = operator.outputs ?? [];
  for (const index of inputs) if (index !== -1) checkIndex(draft, index, where);
  for (const index of outputs) checkOutput(draft, index, where);
  const touched = [...inputs.filter((index) => index >= 0), ...outputs];
  if (!fromStorage.has(operatorName)) for (const index of touched) rejectQuantized(draft, index, where);
  const name = layerName(draft, operatorName, operator);
  const site: Site = { draft, where, name, inputs, outputs, options: operator.options, custom: operator.custom };
  rewriteOf(operatorName, where)(site);
  for (const index of outputs) if (!draft.known.has(index)) draft.computed.add(index);
}

function checkOutput(draft: Draft, index: number, where: string): void {
  const name = draft.values[checkIndex(draft, index, where)];
  const isNew = !draft.computed.has(index) && !draft.known.has(index);
  expect(isNew, { kind: 'file', where, needs: 'outputs that nothing else computes', got: `'${name}', which is there already` });
}

/** The shorter of the output's name and the weights' (converters join the names of fused operators to lines of several hundred letters). */
function layerName(draft: Draft, operatorName: string, { inputs, outputs }: FileOperator): string {
  const name = outputs?.length ? draft.values[outputs[0]] : operatorName;
  const second = inputs?.[1] ?? -1;
  const weights = weighted.has(operatorName) && second >= 0 ? knownTensor(draft, second, operatorName) : undefined;
  return weights && weights.name.length < name.length ? weights.name : name;
}
