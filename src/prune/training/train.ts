import { expect, show } from '../../expect.ts';
import type { Graph } from '../../graph/graph.ts';
import type { LintWarning } from './pruner-options.ts';
import type { PrunerState } from './state.ts';
import type { Masks } from '../masks/masks.ts';
import { countUnmasked, valuesOf, withWeights, type Weights } from './weights.ts';

/** What a call of `train` is for. */
export interface TrainStep {
  /** Number of the call, from 0. */
  readonly round: number;
  /** Where the training stands, in steps: a learning-rate schedule reads it. */
  readonly begin: number;
  /** Up to where to train, this step not included. */
  readonly end: number;
  /** What the masks drop of the layers that are pruned, 0 … 1. */
  readonly sparsity: number;
  /** Whether it is the network itself or one that it is compared with. */
  readonly variant: 'pruned' | 'random' | 'reinitialised';
}

/** What `train` returns: the weights it ends with (those that changed), what it measured, what the criterion needs (as for a pruner). */
export interface Trained<M> extends PrunerState {
  readonly weights: Weights;
  readonly metrics?: M;
}

/** Trains a network in which masked weights are zero and have to stay so. The arrays are its own to change. */
export type Train<M> = (model: Graph, masks: Masks, step: TrainStep) => Trained<M> | Promise<Trained<M>>;

/** One call of `train` and what came of it. */
export interface Round<M> extends TrainStep {
  /** The sparsity that the schedule asked for: 0 … 1, or by layer name. */
  readonly target: number | Readonly<Record<string, number>>;
  readonly masks: Masks;
  readonly metrics: M;
  /** The same with random masks, where that was asked for. */
  readonly baseline?: M;
  /** The same masks on weights initialised anew, where that was asked for. */
  readonly reinitialised?: M;
}

/** What a driver returns. */
export interface Run<M> {
  /** The network as it was trained last, zero where the masks drop. */
  readonly model: Graph;
  readonly masks: Masks;
  readonly history: readonly Round<M>[];
  readonly warnings: readonly LintWarning[];
}

/** A network after training, with what its trainer said. */
export interface TrainedNow<M> {
  readonly model: Graph;
  readonly evidence: Omit<PrunerState, 'weights'>;
  readonly metrics?: M;
}

export interface TrainCall<M> {
  readonly train: Train<M>;
  readonly model: Graph;
  readonly masks: Masks;
  readonly step: TrainStep;
  readonly warn: (warning: LintWarning) => void;
}

/** Calls `train` on masked copies of the model's weights and puts what it returns, masked, into the model. */
export async function trainOnce<M>({ train, model, masks, step, warn }: TrainCall<M>): Promise<TrainedNow<M>> {
  expect(typeof train === 'function', { kind: 'argument', where: 'option train', needs: 'a function', got: show(train) });
  const given = withWeights(model, floatsOf(model), masks);
  const result = await train(given, masks, step);
  expect(typeof result?.weights === 'object' && result.weights !== null, {
    kind: 'argument', where: 'train', needs: 'to return { weights, metrics }', got: show(result),
    remedy: 'return at least the weights that changed',
  });
  const { weights, metrics, ...evidence } = result;
  const trained = withWeights(given, weights, new Map());
  warnOfUnmasked(trained, masks, warn);
  return { model: withWeights(given, weights, masks), evidence, metrics };
}

function floatsOf(model: Graph): Weights {
  return new Map([...model.constants].filter(([, tensor]) => tensor.type === 'float32')) as Weights;
}

/** A trainer that forgets the masks measures a network that is not the pruned one. */
function warnOfUnmasked(model: Graph, masks: Masks, warn: (warning: LintWarning) => void): void {
  for (const [name, mask] of masks) {
    const count = countUnmasked(mask, valuesOf(model.constants.get(name), name, mask.dims));
    if (count > 0) {
      warn({
        code: 'unmasked-training', where: name,
        what: `${count} dropped weights are not zero after train: its metrics are not of the pruned network`,
        remedy: 'call maskWeights(masks, weights) after each update',
      });
    }
  }
}
