import { numbersOf, type Shape, type Tensor } from '../../tensor.ts';
import type { Attr, Graph, Node, Typed } from '../graph.ts';
import { freshNames } from '../names.ts';
import { opOf } from '../ops/index.ts';
import type { Arg, Call } from '../ops/op.ts';

/** Which nodes of the network a node now does the work of, beside its own. */
export type Parts = Map<string, readonly string[]>;

/** Turns a graph into an equal one; tells `parts` which nodes went into which. The same graph where there is nothing to do. */
export type Pass = (graph: Graph, types: ReadonlyMap<string, Typed>, parts: Parts) => Graph;

/** A graph while it is rewritten. A node that takes the place of others stands in the slot of the last of them. */
export interface Scope {
  readonly slots: Node[][];
  readonly slotOf: Map<Node, number>;
  readonly producers: Map<string, Node>;
  readonly readers: Map<string, Set<Node>>;
  readonly constants: Map<string, Tensor>;
  readonly types: Map<string, Typed>;
  readonly outputs: ReadonlySet<string>;
  readonly parts: Parts;
  /** A name that no node and no value has. */
  readonly fresh: (name: string) => string;
}

/** Rewrites `node` and what leads to it, or returns false and leaves everything as it is. */
export type Rule = (scope: Scope, node: Node) => boolean;

/** A pass that tries, node by node in execution order, the rules for its operator; the first that fits ends the visit. */
export function passOf(rules: Readonly<Record<string, readonly Rule[]>>): Pass {
  return (graph, types, parts) => {
    const scope = openScope(graph, types, parts);
    let changed = false;
    for (const slot of scope.slots) {
      for (const node of [...slot]) {
        if (Object.hasOwn(rules, node.op) && scope.slotOf.has(node)) changed = rules[node.op].some((rule) => rule(scope, node)) || changed;
      }
    }
    return changed ? closeScope(scope, graph) : graph;
  };
}

function openScope(graph: Graph, types: ReadonlyMap<string, Typed>, parts: Parts): Scope {
  const fresh = freshNames(graph);
  const scope: Scope = {
    slots: graph.nodes.map(() => []), slotOf: new Map(), producers: new Map(), readers: new Map(), constants: new Map(graph.constants),
    types: new Map(types), outputs: new Set(graph.outputs.map(({ name }) => name)), parts, fresh,
  };
  graph.nodes.forEach((node, slot) => enter(scope, node, slot));
  return scope;
}

/** The graph of a scope, without what no output needs. */
function closeScope(scope: Scope, graph: Graph): Graph {
  const needed = new Set(scope.outputs);
  const nodes = scope.slots.flat().reverse().filter((node) => {
    const live = node.outputs.some((name) => needed.has(name));
    if (live) for (const name of node.inputs) needed.add(name);
    return live;
  }).reverse();
  return { ...graph, nodes, constants: new Map([...scope.constants].filter(([name]) => needed.has(name))) };
}

function enter(scope: Scope, node: Node, slot: number): void {
  scope.slots[slot].push(node);
  scope.slotOf.set(node, slot);
  for (const name of node.outputs) if (name !== '') scope.producers.set(name, node);
  for (const name of node.inputs) scope.readers.set(name, (scope.readers.get(name) ?? new Set()).add(node));
}

function leave(scope: Scope, node: Node): void {
  const slot = scope.slots[scope.slotOf.get(node)!];
  slot.splice(slot.indexOf(node), 1);
  scope.slotOf.delete(node);
  for (const name of node.outputs) if (scope.producers.get(name) === node) scope.producers.delete(name);
  for (const name of node.inputs) scope.readers.get(name)?.delete(node);
}

/** `node` as its operator sees it. */
export function callOf(scope: Scope, node: Node): Call {
  const arg = (name: string): Arg => ({ ...scope.types.get(name)!, value: scope.constants.get(name) });
  return { node, inputs: node.inputs.map((name) => (name === '' ? undefined : arg(name))) };
}

/**
 * Puts `made` in the place of `last`; the nodes `gone` go too. One of `made` has the name of the survivor, into which all others are
 * absorbed, and the last of `made` has the outputs of `last`.
 */
export function replace(scope: Scope, last: Node, gone: readonly Node[], made: readonly Node[], survivor: string): void {
  const slot = scope.slotOf.get(last)!;
  const all = [...gone, last];
  for (const node of all) leave(scope, node);
  for (const node of made) {
    enter(scope, node, slot);
    opOf(node).infer(callOf(scope, node)).forEach((typed, i) => { if (node.outputs[i]) scope.types.set(node.outputs[i], typed); });
  }
  const parts = all.flatMap(({ name }) => [...(name === survivor ? [] : [name]), ...(scope.parts.get(name) ?? [])]);
  for (const { name } of all) scope.parts.delete(name);
  if (parts.length > 0) scope.parts.set(survivor, parts);
}

/** {@link replace} for one node by another of its name. */
export function become(scope: Scope, node: Node, changes: Partial<Omit<Node, 'name'>>, gone: readonly Node[] = []): boolean {
  replace(scope, node, gone, [{ ...node, ...changes }], node.name);
  return true;
}

/** `producer` takes over what `node`, the only reader of its result, does. */
export function takeOver(scope: Scope, producer: Node, node: Node, changes: Partial<Omit<Node, 'name'>>): boolean {
  replace(scope, node, [producer], [{ ...producer, ...changes, outputs: node.outputs }], producer.name);
  return true;
}

/**
 * Drops `node`, whose first output is the value `from`. A graph output keeps its name: what makes `from` makes it then, or, where that
 * has to keep its name too, an Identity.
 */
export function forward(scope: Scope, node: Node, from: string): boolean {
  const [name, ...more] = node.outputs;
  if (more.some((other) => isRead(scope, other))) return false;
  const maker = scope.producers.get(from);
  if (!scope.outputs.has(name)) {
    leave(scope, node);
    rename(scope, name, from);
  } else if (maker && !scope.outputs.has(from)) {
    leave(scope, node);
    swap(scope, maker, { ...maker, outputs: maker.outputs.map((output) => (output === from ? name : output)) });
    rename(scope, from, name);
  } else {
    return node.op !== 'Identity' && become(scope, node, { op: 'Identity', inputs: [from], outputs: [name], attrs: {} });
  }
  return true;
}

function swap(scope: Scope, node: Node, by: Node): void {
  const slot = scope.slotOf.get(node)!;
  const place = scope.slots[slot].indexOf(node);
  leave(scope, node);
  enter(scope, by, slot);
  scope.slots[slot].splice(place, 0, scope.slots[slot].pop()!);
}

/** Everyone who read `name` reads `by`. */
function rename(scope: Scope, name: string, by: string): void {
  for (const reader of [...(scope.readers.get(name) ?? [])]) {
    swap(scope, reader, { ...reader, inputs: reader.inputs.map((input) => (input === name ? by : input)) });
  }
}

export const isRead = (scope: Scope, name: string): boolean => scope.outputs.has(name) || (scope.readers.get(name)?.size ?? 0) > 0;

/** Whether `node` is all that needs the value, and needs it once. */
export function readOnlyBy(scope: Scope, name: string, node: Node): boolean {
  return !scope.outputs.has(name) && scope.readers.get(name)?.size === 1 && node.inputs.filter((input) => input === name).length === 1;
}

/** The node of an operator among `ops` that makes input `i` of `node`, for `node` alone. */
export function ownProducer(scope: Scope, node: Node, i: number, ops: ReadonlySet<string>): Node | undefined {
  const maker = scope.producers.get(node.inputs[i]);
  return maker && ops.has(maker.op) && readOnlyBy(scope, node.inputs[i], node) ? maker : undefined;
}

/** The numbers of a constant; undefined for what is absent or computed. */
export function knownNumbers(scope: Scope, name: string | undefined): ArrayLike<number> | undefined {
  const tensor = name ? scope.constants.get(name) : undefined;
  return tensor && numbersOf(tensor);
}

/** The number of a constant of one element. */
export function knownNumber(scope: Scope, name: string | undefined): number | undefined {
  const values = knownNumbers(scope, name);
  return values?.length === 1 ? values[0] : undefined;
}

/** Whether every element of the constant passes; false for what is not constant. */
export function everyNumber(scope: Scope, name: string | undefined, test: (value: number) => boolean): boolean {
  const values = knownNumbers(scope, name);
  return values !== undefined && Array.prototype.every.call(values, test);
}

/** A new constant, called `name` where that is free. */
export function addConstant(scope: Scope, name: string, tensor: Tensor): string {
  const unique = scope.fresh(name);
  scope.constants.set(unique, tensor);
  scope.types.set(unique, { type: tensor.type, shape: tensor.dims });
  return unique;
}

/** The constant `name` with another content for `node`: under its own name where nobody else reads it. */
export function changeConstant(scope: Scope, name: string, node: Node, tensor: Tensor): string {
  if (!readOnlyBy(scope, name, node)) return addConstant(scope, name, tensor);
  scope.constants.set(name, tensor);
  scope.types.set(name, { type: tensor.type, shape: tensor.dims });
  return name;
}

/** Inputs without the absent ones at the end. */
export function trimmed(inputs: readonly (string | undefined)[]): string[] {
  const all = inputs.map((name) => name ?? '');
  return all.slice(0, all.findLastIndex((name) => name !== '') + 1);
}

export const shapeOf = (scope: Scope, name: string): Shape => scope.types.get(name)!.shape;

/** Whether a fused clamp ends the node. */
export const isClamped = (attrs: Readonly<Record<string, Attr>>): boolean => attrs.min !== undefined || attrs.max !== undefined;
