import type { Node } from '../graph.ts';
import { become, knownNumber, ownProducer, passOf, replace, type Rule, type Scope } from './rewrite.ts';

// Activations that exporters write out in plain arithmetic, put back together.

const near = (value: number | undefined, wanted: number): boolean =>
  value !== undefined && Math.abs(value - wanted) <= 1e-6 * Math.abs(wanted);
const only = (...ops: string[]): ReadonlySet<string> => new Set(ops);

/** The place of the operand that is the constant `wanted`, or −1. */
const constantPlace = (scope: Scope, node: Node, wanted: number): number =>
  node.inputs.findIndex((name) => near(knownNumber(scope, name), wanted));

/** x and the nodes of min(max(x + 3, 0), 6), whose last is `clip`. */
function shiftedClip(scope: Scope, clip: Node | undefined): { x: string; nodes: Node[] } | undefined {
  if (!clip || knownNumber(scope, clip.inputs[1]) !== 0 || knownNumber(scope, clip.inputs[2]) !== 6) return undefined;
  const add = ownProducer(scope, clip, 0, only('Add')), three = add ? constantPlace(scope, add, 3) : -1;
  return add && three >= 0 ? { x: add.inputs[1 - three], nodes: [add, clip] } : undefined;
}

const sameShape = (scope: Scope, a: string, b: string): boolean => String(scope.types.get(a)!.shape) === String(scope.types.get(b)!.shape);

/** The operand that `node` divides by six, or multiplies by a sixth; −1 where it does neither. */
function dividesBySix(scope: Scope, node: Node): number {
  if (node.op === 'Div') return near(knownNumber(scope, node.inputs[1]), 6) ? 0 : -1;
  const sixth = constantPlace(scope, node, 1 / 6);
  return sixth < 0 ? -1 : 1 - sixth;
}

/** min(max(x + 3, 0), 6) / 6. */
const hardSigmoid: Rule = (scope, node) => {
  const operand = dividesBySix(scope, node);
  const found = operand >= 0 ? shiftedClip(scope, ownProducer(scope, node, operand, only('Clip'))) : undefined;
  return found !== undefined && sameShape(scope, found.x, node.outputs[0])
    && become(scope, node, { op: 'HardSigmoid', inputs: [found.x], attrs: { alpha: 1 / 6, beta: 0.5 } }, found.nodes);
};

/** x · min(max(x + 3, 0), 6) / 6. */
const hardSwish: Rule = (scope, node) => {
  const operand = dividesBySix(scope, node), product = operand >= 0 ? ownProducer(scope, node, operand, only('Mul')) : undefined;
  if (!product) return false;
  for (const place of [0, 1]) {
    const found = shiftedClip(scope, ownProducer(scope, product, place, only('Clip')));
    if (found && product.inputs[1 - place] === found.x && sameShape(scope, found.x, node.outputs[0])) {
      return become(scope, node, { op: 'HardSwish', inputs: [found.x], attrs: {} }, [...found.nodes, product]);
    }
  }
  return false;
};

const isSixth = ({ attrs }: Node): boolean => near(attrs.alpha as number, 1 / 6) && (attrs.beta ?? 0.5) === 0.5;

/** x · gate(x). */
const gated: Rule = (scope, node) => {
  for (const place of [0, 1]) {
    const gate = ownProducer(scope, node, place, only('Sigmoid', 'HardSigmoid'));
    if (!gate || gate.inputs[0] !== node.inputs[1 - place] || (gate.op === 'HardSigmoid' && !isSixth(gate))) continue;
    const [op, attrs] = gate.op === 'Sigmoid' ? (['Swish', { alpha: 1 }] as const) : (['HardSwish', {}] as const);
    replace(scope, node, [gate], [{ ...node, op, attrs, inputs: [gate.inputs[0]] }], node.name);
    return true;
  }
  return false;
};

export const patterns = passOf({ Div: [hardSwish, hardSigmoid], Mul: [hardSwish, hardSigmoid, gated] });
