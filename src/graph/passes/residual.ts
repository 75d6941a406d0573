import { sameShape } from '../../tensor.ts';
import type { Node } from '../graph.ts';
import { isClamped, ownProducer, passOf, type Rule, type Scope, shapeOf, takeOver, trimmed } from './rewrite.ts';

/** Operators that can add a tensor to their result. */
const adding = new Set(['Conv', 'Linear']);

/** The layer that makes operand `i` of a sum and can add the other operand itself. */
function layerOf(scope: Scope, sum: Node, i: number): Node | undefined {
  const layer = ownProducer(scope, sum, i, adding);
  if (!layer || isClamped(layer.attrs) || layer.inputs[3] || scope.constants.has(sum.inputs[1 - i])) return undefined;
  const fits = sameShape(shapeOf(scope, sum.inputs[0]), shapeOf(scope, sum.inputs[1])) && scope.types.get(sum.outputs[0])?.type === 'float32';
  return fits ? layer : undefined;
}

/** The layer moves to where the sum is, so that the other operand is there; of two layers the later one. A clamp of the sum stays. */
const residual: Rule = (scope, sum) => {
  const layers = [0, 1].map((i) => layerOf(scope, sum, i));
  const place = (layer: Node | undefined): number => (layer ? scope.slotOf.get(layer)! : -1);
  const i = place(layers[0]) > place(layers[1]) ? 0 : 1;
  const layer = layers[i];
  if (!layer) return false;
  const [x, w, bias] = layer.inputs;
  return takeOver(scope, layer, sum, { inputs: trimmed([x, w, bias, sum.inputs[1 - i]]), attrs: { ...layer.attrs, ...sum.attrs } });
};

/** A sum behind a layer becomes the end of it. */
export const fuseResiduals = passOf({ Add: [residual] });
