import { expect, fail } from '../expect.ts';
import type { Node } from './graph.ts';

/** Which node makes each value. @throws BurinError `model` when two nodes, or a node and a known value, share a name. */
export function producersOf(nodes: readonly Node[], known: ReadonlySet<string>): Map<string, Node> {
  const producers = new Map<string, Node>();
  for (const node of nodes) {
    for (const name of node.outputs) {
      if (name === '') continue;
      const other = known.has(name) ? 'an input or constant' : producers.has(name) ? `node '${producers.get(name)!.name}'` : undefined;
      expect(!other, {
        kind: 'model', where: `node '${node.name}' (${node.op})`, needs: 'outputs of its own', got: `'${name}', already made by ${other}`,
      });
      producers.set(name, node);
    }
  }
  return producers;
}

/**
 * The nodes in execution order: each after those that make its inputs, otherwise in the order given. `known` names the
 * values that are there from the start (inputs and constants).
 * @throws BurinError `model` for a cycle (its nodes are named), a value made twice, or one that nothing makes.
 */
export function sortNodes(nodes: readonly Node[], known: Iterable<string>): Node[] {
  const given = new Set(known);
  const producers = producersOf(nodes, given);
  const done = new Set<Node>();
  for (const root of nodes) visit(root, given, producers, done);
  return [...done]; // a set keeps the order of insertion
}

/** Adds `root` to `done` after everything it needs. A stack of our own: files may hold chains deeper than the engine's. */
function visit(root: Node, known: ReadonlySet<string>, producers: ReadonlyMap<string, Node>, done: Set<Node>): void {
  const open = new Set<Node>();
  const stack = [root];
  while (stack.length > 0) {
    const node = stack[stack.length - 1];
    if (done.has(node)) {
      stack.pop();
      continue;
    }
    open.add(node);
    const waiting = needs(node, known, producers).filter((other) => !done.has(other));
    const loop = waiting.find((other) => open.has(other));
    if (loop) failCycle([...open], loop);
    if (waiting.length > 0) {
      for (const other of waiting.reverse()) stack.push(other);
      continue;
    }
    done.add(node);
    open.delete(node);
    stack.pop();
  }
}

function needs(node: Node, known: ReadonlySet<string>, producers: ReadonlyMap<string, Node>): Node[] {
  const where = `node '${node.name}' (${node.op})`;
  return node.inputs.filter((name) => name !== '' && !known.has(name)).map((name) => producers.get(name)
    ?? fail({ kind: 'model', where, needs: 'inputs that exist', got: `'${name}', which nothing makes` }));
}

function failCycle(open: readonly Node[], loop: Node): never {
  const names = open.slice(open.indexOf(loop)).map((node) => `'${node.name}'`);
  const shown = names.length > 8 ? [...names.slice(0, 8), `${names.length - 8} more`] : names;
  return fail({
    kind: 'model', where: `node '${loop.name}' (${loop.op})`, needs: 'inputs that do not depend on its own output',
    got: `a cycle of ${shown.join(' needs ')}`,
  });
}
