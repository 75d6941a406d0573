import { expect, lookUp, show } from '../../expect.ts';
import { toOihw, type Layer } from '../../graph/layers.ts';
import type { Tensor } from '../../tensor.ts';

/** How many numbers a piece of evidence has, more than one count where several are understood. */
interface Kind {
  readonly about: string;
  readonly lengths: (layer: Layer) => readonly number[];
  /** One number a weight, in the order of the stored weight. */
  readonly perWeight?: true;
}

const weights = ({ dims }: Layer): number => dims.reduce((product, dim) => product * dim, 1);
const columns = ({ dims }: Layer): number => dims[1] * dims[2] * dims[3];
const perWeight = (about: string): Kind => ({ about, lengths: (layer) => [weights(layer)], perWeight: true });

/** What criteria may ask for besides the weights: what a training loop or sample inputs tell about a layer. */
export const evidences = {
  gradient: perWeight('∂L/∂w, one a weight'),
  squaredGradient: perWeight('mean over samples of (∂L/∂w)², one a weight'),
  movement: perWeight('Σ −w·∂L/∂w over the steps of training, one a weight'),
  initial: perWeight('the weights training began with'),
  inputNorms: {
    about: '‖x‖₂ of each input over all samples and pixels: one a channel, or one a column of the unfolded input (I·KH·KW)',
    lengths: (layer) => [layer.dims[1] * layer.groups, columns(layer) * layer.groups],
  },
  hessian: {
    about: 'second derivatives [n, n] of the loss by the n = I·KH·KW weights of one filter (2·X·Xᵀ); one after the other for each group',
    lengths: (layer) => [columns(layer) ** 2 * layer.groups],
  },
} satisfies Record<string, Kind>;

/** A row of {@link evidences}. */
export type EvidenceName = keyof typeof evidences;

/** Numbers in an order of their own, or a tensor of them. */
export type Numbers = Float32Array | Float64Array | readonly number[] | Tensor;

/** What a criterion is given of one layer: numbers as {@link evidences} says, those of one a weight in OIHW order. */
export type LayerEvidence = Readonly<Partial<Record<EvidenceName, ArrayLike<number>>>>;

/** By the name of a layer or of its weight. */
export type Evidence = Readonly<Record<string, Readonly<Partial<Record<EvidenceName, Numbers>>>>>;

/**
 * What `needs` names, of one layer; what is one number a weight in OIHW order.
 * @throws BurinError `argument` where something is not there, `shape` where it has another size, `model` where it is no number
 */
export function evidenceFor(layer: Layer, needs: readonly EvidenceName[], given: Evidence = {}): LayerEvidence {
  const own = given[layer.weight] ?? given[layer.name] ?? {};
  return Object.fromEntries(needs.map((name) => [name, checked(layer, name, own[name])]));
}

function checked(layer: Layer, name: EvidenceName, given: Numbers | undefined): ArrayLike<number> {
  const { about, lengths, perWeight: ordered }: Kind = lookUp<Kind>(evidences, name, 'evidence');
  const where = `evidence of ${layer.name} [${layer.dims.join(', ')}], ${name}`;
  expect(given !== undefined && given !== null, {
    kind: 'argument', where, needs: about, got: 'nothing',
    remedy: `give evidence: { '${layer.name}': { ${name}: … } }`,
  });
  expect(typeof given === 'object' && ('data' in given || 'length' in given), {
    kind: 'argument', where, needs: 'numbers or a tensor', got: show(given),
  });
  const numbers = 'data' in given ? given.data : given, wanted = lengths(layer);
  expect(wanted.includes(numbers.length), { kind: 'shape', where, needs: `${wanted.join(' or ')} numbers`, got: `${numbers.length}` });
  const floats = numbers instanceof Float32Array || numbers instanceof Float64Array ? numbers : Float64Array.from(numbers as number[]);
  const odd = floats.findIndex((value) => !Number.isFinite(value));
  expect(odd < 0, { kind: 'model', where, needs: 'finite numbers', got: `${show(floats[odd])} at ${odd}` });
  return ordered ? toOihw(floats, layer) : floats;
}
