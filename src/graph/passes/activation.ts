import type { Node } from '../graph.ts';
import { knownNumber, ownProducer, passOf, type Rule, type Scope, takeOver } from './rewrite.ts';

/** Operators that can end in a clamp. */
const clampable = new Set(['Conv', 'ConvTranspose', 'Linear', 'Add']);

type Bounds = readonly [low: number, high: number];

const ofRelu = (): Bounds => [0, Infinity];

/** The bounds of a Clip; undefined where they are computed. */
function ofClip(scope: Scope, { inputs: [, min, max] }: Node): Bounds | undefined {
  const low = min ? knownNumber(scope, min) : -Infinity;
  const high = max ? knownNumber(scope, max) : Infinity;
  return low === undefined || high === undefined ? undefined : [low, high];
}

/** Clamping to `own` and then to the bounds is clamping once to the bounds' own clamp. */
const clamp = (bounds: (scope: Scope, node: Node) => Bounds | undefined): Rule => (scope, node) => {
  const producer = ownProducer(scope, node, 0, clampable);
  const found = producer && bounds(scope, node);
  if (!found || scope.types.get(node.outputs[0])?.type !== 'float32') return false;
  const { min = -Infinity, max = Infinity, ...rest } = producer.attrs;
  const [low, high] = [min as number, max as number].map((v) => Math.min(found[1], Math.max(found[0], v)));
  const attrs = { ...rest, ...(low > -Infinity && { min: low }), ...(high < Infinity && { max: high }) };
  return takeOver(scope, producer, node, { attrs });
};

/** A clamp behind a layer or a sum becomes the end of it. */
export const fuseClamps = passOf({ Relu: [clamp(ofRelu)], Clip: [clamp(ofClip)] });
