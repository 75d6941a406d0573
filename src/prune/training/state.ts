import { lookUp } from '../../expect.ts';
import type { Layer } from '../../graph/layers.ts';
import type { TensorLike } from '../../tensor.ts';
import { criterionFrom } from '../criteria/ask.ts';
import { criteria, type Criterion, type CriterionName } from '../criteria/criteria.ts';
import { evidences, type Evidence, type EvidenceName, type Numbers } from '../criteria/evidence.ts';
import type { PruneOptions } from '../options.ts';
import { entriesOf, type Weights } from './weights.ts';

/** What criteria need besides the weights, kind by kind, each by the name of a weight or its layer: { gradient: { fc1: … } }. */
export type StateEvidence = {
  readonly [kind in EvidenceName]?: ReadonlyMap<string, Numbers | TensorLike> | Readonly<Record<string, Numbers | TensorLike>>;
};

/** The network at one moment of training. Weights are in the stored order of the model's tensors. */
export interface PrunerState extends StateEvidence {
  /** The weights now, of all layers that are pruned. Default the model's own. */
  readonly weights?: Weights;
  /** The same as the kinds beside it, layer by layer, as `prune` takes it. */
  readonly evidence?: Evidence;
}

/** The criterion as a record, if it exists. */
export function criterionOf({ criterion }: PruneOptions): Criterion | undefined {
  if (typeof criterion === 'function') return criterionFrom(criterion);
  if (typeof criterion !== 'string') return criterion;
  return Object.hasOwn(criteria, criterion) ? criteria[criterion as CriterionName] : undefined;
}

/** What the criterion must be given. */
export function needsOf(options: PruneOptions): readonly EvidenceName[] {
  return criterionOf(options)?.needs ?? [];
}

export interface Sources {
  /** The weights that training began with, where they are asked for. */
  readonly first: ReadonlyMap<string, Float32Array>;
  readonly given?: Evidence;
  readonly state: PrunerState;
}

/** What is known of each layer: what the model began with, the options, and what the state says now; the last has the last word. */
export function evidenceOf(layers: readonly Layer[], from: Sources): Evidence {
  const { weights: _, evidence: now, ...kinds } = from.state;
  const byLayer = new Map<string, Record<string, Numbers>>();
  for (const { name, weight } of layers) {
    const initial = from.first.get(weight);
    const own = (all: Evidence | undefined): object => all?.[weight] ?? all?.[name] ?? {};
    byLayer.set(weight, { ...(initial && { initial }), ...own(from.given), ...own(now) });
  }
  for (const [kind, values] of Object.entries(kinds)) {
    lookUp<unknown>({ weights: 0, evidence: 0, ...evidences }, kind, 'pruner.step, state');
    if (values === undefined) continue;
    for (const [name, numbers] of entriesOf(values, `state.${kind}`)) {
      const layer = layers.find((own) => own.weight === name || own.name === name);
      if (layer) byLayer.get(layer.weight)![kind] = numbers as Numbers;
    }
  }
  return Object.fromEntries(byLayer);
}
