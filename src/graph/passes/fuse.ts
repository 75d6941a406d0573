import type { Node } from '../graph.ts';
import { knownNumber, ownProducer, passOf, readOnlyBy, takeOver, type Rule, type Scope } from './rewrite.ts';

// What follows a sum on its way to memory: an addition of equal shape (residual) and a clamp.

const CLAMPING: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Linear', 'Add']);
const ADDING: ReadonlySet<string> = new Set(['Conv', 'Linear']);

const bound = (node: Node, name: 'min' | 'max', otherwise: number): number => (node.attrs[name] as number | undefined) ?? otherwise;

/** The bounds of a Relu or of a Clip with constant bounds. */
function boundsOf(scope: Scope, node: Node): [number, number] | undefined {
  if (node.op === 'Relu') return [0, Infinity];
  const [low, high] = [
    node.inputs[1] ? knownNumber(scope, node.inputs[1]) : -Infinity,
    node.inputs[2] ? knownNumber(scope, node.inputs[2]) : Infinity,
  ];
  return low === undefined || high === undefined || low > high ? undefined : [low, high];
}

const activation: Rule = (scope, node) => {
  const producer = ownProducer(scope, node, 0, CLAMPING), bounds = boundsOf(scope, node);
  if (!producer || !bounds || scope.types.get(node.inputs[0])!.type !== 'float32') return false;
  const clamp = (value: number): number => Math.min(Math.max(value, bounds[0]), bounds[1]);
  const [min, max] = [clamp(bound(producer, 'min', -Infinity)), clamp(bound(producer, 'max', Infinity))];
  return takeOver(scope, producer, node, { attrs: { ...producer.attrs, min, max } });
};

const slotOf = (scope: Scope, node: Node): number => scope.slotOf.get(node)!;

/** A sum that can still take an addition: no clamp and no residual yet. */
function open(scope: Scope, add: Node, place: number): Node | undefined {
  const producer = ownProducer(scope, add, place, ADDING);
  return producer && !producer.inputs[3] && producer.attrs.min === undefined && producer.attrs.max === undefined ? producer : undefined;
}

const shapeIn = (scope: Scope, name: string): string => String(scope.types.get(name)!.shape);

/** The later of two sums takes the addition over: it moves to the addition's place, where both operands are there. */
const residual: Rule = (scope, add) => {
  if (add.inputs.length !== 2 || shapeIn(scope, add.inputs[0]) !== shapeIn(scope, add.inputs[1])) return false;
  const found = [0, 1].flatMap((place) => {
    const producer = open(scope, add, place);
    return producer ? [{ place, producer }] : [];
  }).sort((a, b) => slotOf(scope, b.producer) - slotOf(scope, a.producer));
  if (found.length === 0) return false;
  const [{ place, producer }] = found, other = add.inputs[1 - place];
  if (other === add.inputs[place] || !readOnlyBy(scope, add.inputs[place], add)) return false;
  const [x, w, b = ''] = producer.inputs;
  return takeOver(scope, producer, add, { inputs: [x, w, b, other], attrs: { ...producer.attrs, ...add.attrs } });
};

export const residuals = passOf({ Add: [residual] });
export const activations = passOf({ Relu: [activation], Clip: [activation] });
