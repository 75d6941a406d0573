import { expect, expectOptions, show } from '../../expect.ts';
import { expectGraph } from '../../graph/evaluate.ts';
import type { Graph } from '../../graph/graph.ts';
import { prunableLayers } from '../../graph/layers.ts';
import { randomFrom, type Random } from '../../random.ts';
import { Tensor } from '../../tensor.ts';
import { checkMasks, type Masks } from '../masks/masks.ts';
import { withWeights } from './weights.ts';

/** The float32 constants of a model at one moment: weights, biases, statistics of normalisations. */
export type Snapshot = ReadonlyMap<string, Tensor<Float32Array>>;

const none: Masks = new Map();

/** Copies everything that training may change: the float32 constants. @throws BurinError `argument` for what is no graph */
export function snapshot(model: Graph): Snapshot {
  expectGraph(model);
  const copies = new Map<string, Tensor<Float32Array>>();
  for (const [name, { data, dims }] of model.constants) {
    if (data instanceof Float32Array) copies.set(name, new Tensor('float32', data.slice(), dims));
  }
  return copies;
}

/**
 * The model with the weights of the snapshot, zero where a mask drops: a lottery ticket (Frankle and Carbin, 2019).
 * Its arrays are new, so that they may be trained in place.
 * @throws BurinError `argument` for a snapshot or a mask of another model.
 */
export function rewind(model: Graph, to: Snapshot, masks: Masks = none): Graph {
  expectGraph(model);
  expect(to instanceof Map, { kind: 'argument', where: 'rewind', needs: 'a snapshot, a Map of tensors by name', got: show(to) });
  checkMasks(masks, 'rewind');
  const stray = [...masks.keys()].filter((name) => !to.has(name));
  expect(stray.length === 0, { kind: 'argument', where: 'rewind', needs: 'masks of weights that the snapshot has', got: show(stray) });
  return withWeights(model, to, masks);
}

/**
 * The model with its layers initialised anew, from `seed`: the values of each weight and bias in random order. So each layer keeps
 * exactly the distribution it had, whichever that was, and nothing of where the values were. Give it the model as it was initialised.
 * @throws BurinError `argument` for what is no graph, and a seed that is no number.
 */
export function reinitialise(model: Graph, options: { seed?: number } = {}): Graph {
  expectGraph(model);
  expectOptions(options, 'reinitialise options');
  const { seed = 0 } = options;
  expect(Number.isFinite(seed), { kind: 'argument', where: 'option seed', needs: 'a finite number', got: show(seed) });
  const shuffled = new Map<string, Tensor<Float32Array>>();
  for (const { node, weight } of prunableLayers(model)) {
    for (const name of [weight, node.inputs[2] ?? '']) {
      const tensor = model.constants.get(name);
      if (!(tensor?.data instanceof Float32Array)) continue;
      shuffled.set(name, new Tensor('float32', shuffle(tensor.data.slice(), randomFrom(seed, name)), tensor.dims));
    }
  }
  return withWeights(model, shuffled, none);
}

/** Fisher and Yates. */
function shuffle(values: Float32Array, { next }: Random): Float32Array {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [values[i], values[j]] = [values[j], values[i]];
  }
  return values;
}
