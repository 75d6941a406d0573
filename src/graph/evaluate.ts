import { expect, fail, lookUp, show } from '../expect.ts';
import { checkShape, sameShape, sizeOf, type Shape, type Tensor } from '../tensor.ts';
import { opOf } from './ops/index.ts';
import { producersOf, sortNodes } from './sort.ts';
import type { Graph, Node, Typed, ValueInfo } from './graph.ts';
import type { Arg, Call } from './ops/op.ts';

/** What folding may still make and compute. What exceeds it stays in the graph: a few bytes of a file could fill memory or hours. */
interface Budget { elements: number; macs: number }

/** 64 MiB of f32 and four times what the file holds itself; about a second or two of plain loops. */
function foldBudget(graph: Graph): Budget {
  const held = [...graph.constants.values()].reduce((sum, tensor) => sum + tensor.size, 0);
  return { elements: 2 ** 24 + 4 * held, macs: 2 ** 29 };
}

const whereOf = (node: Node) => `node '${node.name}' (${node.op})`;
const typedOf = (tensor: Tensor): Typed => ({ type: tensor.type, shape: tensor.dims });

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const named = (value: unknown): boolean => isRecord(value) && typeof value.name === 'string';

/** The parts of a graph and what each must be. */
const parts: Readonly<Record<keyof Graph, { readonly needs: string; readonly test: (part: unknown) => boolean }>> = {
  name: { needs: 'a string', test: (part) => typeof part === 'string' },
  inputs: { needs: 'a list of { name, type, dims }', test: (part) => isList(part, (value) => named(value) && Array.isArray(value.dims)) },
  outputs: { needs: 'a list of { name, type, dims }', test: (part) => isList(part, named) },
  nodes: {
    needs: 'a list of { name, op, inputs, outputs, attrs }',
    test: (part) => isList(part, (node) =>
      named(node) && Array.isArray(node.inputs) && Array.isArray(node.outputs) && isRecord(node.attrs)),
  },
  constants: { needs: 'a Map of tensors by name', test: (part) => part instanceof Map },
};

function isList(part: unknown, test: (item: Record<string, unknown>) => boolean): boolean {
  return Array.isArray(part) && part.every(test);
}

/**
 * That a value is a graph at all; whether it can be executed is for {@link checkGraph}.
 * @throws BurinError `argument` for anything else, naming the part that is missing.
 */
export function expectGraph(graph: unknown): asserts graph is Graph {
  const remedy = 'read a file with readModel, or take a graph of the zoo';
  const listed = Array.isArray(graph);
  expect(isRecord(graph) && !listed, {
    kind: 'argument', where: 'graph', needs: `a Graph: { ${Object.keys(parts).join(', ')} }`, got: listed ? 'a list' : show(graph), remedy,
  });
  for (const [name, { needs, test }] of Object.entries(parts)) {
    const part = graph[name];
    expect(test(part), { kind: 'argument', where: 'graph', needs: `a Graph with ${name}, ${needs}`, got: shortly(part), remedy });
  }
}

/** What stands where a part of a graph should be; a list of objects says nothing when it is printed. */
function shortly(part: unknown): string {
  if (Array.isArray(part)) return 'a list of something else';
  return isRecord(part) ? 'another object' : show(part);
}

function unique(names: readonly string[], where: string, what: string): Set<string> {
  const seen = new Set<string>();
  for (const name of names) {
    expect(!seen.has(name), { kind: 'model', where, needs: `${what} of different names`, got: `'${name}' twice` });
    seen.add(name);
  }
  return seen;
}

/**
 * That a graph can be executed as it is written: known operators with the right number of inputs, names that occur once,
 * every value made before it is used.
 * @throws BurinError `argument` for what is no graph; `model` or `unsupported`, naming the node.
 */
export function checkGraph(graph: Graph): void {
  expectGraph(graph);
  const where = `graph '${graph.name}'`;
  unique(graph.nodes.map((node) => node.name), where, 'nodes');
  const known = unique([...graph.inputs.map((value) => value.name), ...graph.constants.keys()], where, 'inputs and constants');
  const producers = producersOf(graph.nodes, known);
  for (const node of graph.nodes) {
    opOf(node);
    for (const name of node.inputs) if (name !== '' && !known.has(name)) failUnmade(graph, node, name, producers);
    for (const name of node.outputs) if (name !== '') known.add(name);
  }
  for (const { name } of graph.outputs) {
    expect(known.has(name), {
      kind: 'model', where: `output '${name}' of ${where}`, needs: 'a node, input or constant of that name', got: 'nothing',
    });
  }
}

/** Says why `name` is not there when `node` needs it: nothing makes it, it depends on the node itself, or the order is wrong. */
function failUnmade(graph: Graph, node: Node, name: string, producers: ReadonlyMap<string, Node>): never {
  const maker = producers.get(name);
  if (maker) sortNodes(graph.nodes, [...graph.inputs.map((value) => value.name), ...graph.constants.keys()]); // throws for a cycle
  return fail({
    kind: 'model', where: whereOf(node), needs: 'inputs that were made before it',
    got: maker ? `'${name}' of the later node '${maker.name}'` : `'${name}', which nothing makes`,
  });
}

/** The shape input `info` has in this run. */
function fixedShape(info: ValueInfo, given: Shape | undefined): Shape {
  const where = `input '${info.name}' [${info.dims}]`;
  const free = info.dims.filter((dim) => typeof dim === 'string');
  if (!given) {
    expect(free.length === 0, {
      kind: 'shape', where, needs: `a shape that fixes ${free.join(', ')}`, got: 'none', remedy: 'give the shape of this input',
    });
    return info.dims as Shape;
  }
  checkShape(given, where);
  const fits = given.length === info.dims.length && info.dims.every((dim, d) => typeof dim === 'string' || dim === given[d]);
  expect(fits, { kind: 'shape', where, needs: 'a shape that agrees with it', got: `[${given}]` });
  return given;
}

/** What is known before the run: types of all values, data of those that depend on no input's data. */
interface Known {
  readonly types: Map<string, Typed>;
  readonly values: Map<string, Tensor>;
}

function callOf(node: Node, { types, values }: Known): Call {
  const arg = (name: string): Arg => ({ ...types.get(name)!, value: values.get(name) });
  return { node, inputs: node.inputs.map((name) => (name === '' ? undefined : arg(name))) };
}

function inferNode(call: Call): Typed[] {
  const types = opOf(call.node).infer(call);
  for (const { shape } of types) checkShape(shape, whereOf(call.node));
  return types;
}

/** Names that a node or the caller reads. */
function readNames(graph: Graph): ReadonlySet<string> {
  return new Set([...graph.nodes.flatMap(({ inputs }) => inputs), ...graph.outputs.map(({ name }) => name)].filter((name) => name !== ''));
}

/**
 * The node without the outputs beyond the `count` its operator makes here: exporters leave the mask of a Dropout, which
 * nothing reads.
 * @throws BurinError `unsupported` where one of them is read.
 */
function withoutSpare(node: Node, count: number, read: ReadonlySet<string>): Node {
  if (node.outputs.length <= count) return node;
  const needed = node.outputs.findLastIndex((name) => read.has(name)) + 1;
  expect(count >= needed, { kind: 'unsupported', where: whereOf(node), needs: `at most ${count} outputs`, got: String(needed) });
  return { ...node, outputs: node.outputs.slice(0, count) };
}

/** The results of `call` where they can be known now and the budget allows it; the budget shrinks by what they cost. */
function fold(call: Call, types: readonly Typed[], budget: Budget): Tensor[] | undefined {
  const op = opOf(call.node);
  if (!op.fromShapes && !call.inputs.every((input) => !input || input.value)) return undefined;
  const elements = types.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const macs = op.work?.(call).macs ?? 0;
  if (elements > budget.elements || macs > budget.macs) return undefined;
  budget.elements -= elements;
  budget.macs -= macs;
  return op.run(call);
}

function propagate(graph: Graph, inputShapes: Readonly<Record<string, Shape>>): Known & { nodes: Node[] } {
  checkGraph(graph);
  expect(isRecord(inputShapes), {
    kind: 'argument', where: `shapes for graph '${graph.name}'`, needs: 'an object of shapes by input', got: show(inputShapes),
  });
  const inputs = Object.fromEntries(graph.inputs.map((info) => [info.name, info]));
  for (const name of Object.keys(inputShapes)) lookUp(inputs, name, `shapes for graph '${graph.name}'`);
  const known: Known = { types: new Map(), values: new Map(graph.constants) };
  const budget = foldBudget(graph);
  for (const [name, tensor] of graph.constants) known.types.set(name, typedOf(tensor));
  for (const info of graph.inputs) known.types.set(info.name, { type: info.type, shape: fixedShape(info, inputShapes[info.name]) });
  const read = readNames(graph);
  const nodes = graph.nodes.map((given) => {
    const call = callOf(given, known);
    const types = inferNode(call);
    const results = fold(call, types, budget);
    const node = withoutSpare(given, types.length, read);
    node.outputs.forEach((name, i) => {
      if (name === '') return;
      known.types.set(name, types[i]);
      if (results) known.values.set(name, results[i]);
    });
    return node;
  });
  return { ...known, nodes };
}

/**
 * Type and shape of every value, inputs and constants included. `inputShapes` are needed for inputs with free dimensions.
 * @throws BurinError as {@link specialize}.
 */
export function inferShapes(graph: Graph, inputShapes: Readonly<Record<string, Shape>> = {}): Map<string, Typed> {
  return propagate(graph, inputShapes).types;
}

/**
 * The graph for one set of input shapes: every shape is known, what depends on no input's data is a constant (so that the
 * Shape–Gather–Concat chains of exported models vanish), what no output needs is gone.
 * @throws BurinError `shape` for a free or contradicting dimension; `model` or `unsupported` for nodes that do not fit,
 * also where a shape depends on an input's data.
 */
export function specialize(
  graph: Graph, inputShapes: Readonly<Record<string, Shape>> = {},
): { graph: Graph; types: ReadonlyMap<string, Typed> } {
  const { types, values, nodes: fitting } = propagate(graph, inputShapes);
  const needed = new Set(graph.outputs.map(({ name }) => name));
  const nodes = fitting.filter((node) => node.outputs.some((name) => name !== '' && !values.has(name))).reverse().filter((node) => {
    const live = node.outputs.some((name) => needed.has(name));
    if (live) for (const name of node.inputs) needed.add(name);
    return live;
  }).reverse();
  for (const node of nodes) for (const name of node.outputs) needed.add(name);
  for (const { name } of graph.inputs) needed.add(name);
  const kept = <V>(map: ReadonlyMap<string, V>) => new Map([...map].filter(([name]) => needed.has(name)));
  const typed = ({ name }: ValueInfo): ValueInfo => ({ name, type: types.get(name)!.type, dims: types.get(name)!.shape });
  return {
    graph: { ...graph, inputs: graph.inputs.map(typed), outputs: graph.outputs.map(typed), nodes, constants: kept(values) },
    types: kept(types),
  };
}

/** The tensor fed for `info`. @throws BurinError when it is missing or of another type or shape. */
function fed(info: ValueInfo, feeds: Readonly<Record<string, Tensor>>): Tensor {
  const where = `input '${info.name}' ${info.type} [${info.dims}]`;
  const tensor = Object.hasOwn(feeds, info.name) ? feeds[info.name] : fail({ kind: 'argument', where, needs: 'a tensor', got: 'nothing' });
  expect(tensor.type === info.type, { kind: 'dtype', where, needs: info.type, got: tensor.type });
  fixedShape(info, tensor.dims);
  return tensor;
}

/** For every node, the values that nothing reads after it. */
function lastReads(graph: Graph): Map<Node, string[]> {
  const reader = new Map<string, Node>();
  for (const node of graph.nodes) for (const name of [...node.inputs, ...node.outputs]) reader.set(name, node);
  for (const { name } of graph.outputs) reader.delete(name);
  const reads = new Map<Node, string[]>();
  for (const [name, node] of reader) reads.set(node, [...(reads.get(node) ?? []), name]);
  return reads;
}

/**
 * Runs every node with the plain loops of the operator table: the oracle of all backends. Values are let go after their
 * last use. Free dimensions take what is fed.
 * @param feeds one tensor for every graph input.
 * @throws BurinError for feeds that do not fit and as {@link checkGraph}.
 */
export function evaluate(graph: Graph, feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  checkGraph(graph);
  expect(isRecord(feeds), { kind: 'argument', where: 'feeds', needs: 'an object of tensors by input', got: show(feeds) });
  const known: Known = { types: new Map(), values: new Map() };
  const set = (name: string, tensor: Tensor) => {
    known.values.set(name, tensor);
    known.types.set(name, typedOf(tensor));
  };
  for (const [name, tensor] of graph.constants) set(name, tensor);
  for (const info of graph.inputs) set(info.name, fed(info, feeds));
  const done = lastReads(graph), read = readNames(graph);
  for (const node of graph.nodes) {
    const call = callOf(node, known);
    const types = inferNode(call);
    withoutSpare(node, types.length, read);
    opOf(node).run(call).forEach((tensor, i) => {
      expect(sameShape(tensor.dims, types[i].shape) && tensor.type === types[i].type, {
        kind: 'state', where: whereOf(node), needs: `the inferred ${types[i].type} [${types[i].shape}]`,
        got: `${tensor.type} [${tensor.dims}]`,
      });
      if (node.outputs[i]) set(node.outputs[i], tensor);
    });
    for (const name of done.get(node) ?? []) known.values.delete(name);
  }
  return Object.fromEntries(graph.outputs.map(({ name }) => [name, known.values.get(name)!]));
}
