import { expect, fail, show } from '../../expect.ts';
import type { Graph } from '../../graph/graph.ts';
import { sameShape, Tensor, type Shape, type TensorLike } from '../../tensor.ts';
import type { Mask } from '../masks/mask.ts';
import { checkMasks, type Masks } from '../masks/masks.ts';

/** Values of one weight in the stored order of the model's tensor: an array, or anybody's float32 tensor. */
export type WeightValues = Float32Array | TensorLike;

/** Weights by the names they have among the model's constants, `fc1.weight`. */
export type Weights = ReadonlyMap<string, WeightValues> | Readonly<Record<string, WeightValues>>;

export function entriesOf<T>(weights: ReadonlyMap<string, T> | Readonly<Record<string, T>>, where: string): [string, T][] {
  if (typeof weights !== 'object' || weights === null || Array.isArray(weights) || ArrayBuffer.isView(weights)) {
    fail({ kind: 'argument', where, needs: 'a Map or an object by name', got: show(weights) });
  }
  return weights instanceof Map ? [...weights] : Object.entries(weights);
}

/** The numbers of one weight, which must be those of a tensor [dims]. Not a copy. */
export function valuesOf(values: WeightValues | undefined, name: string, dims: Shape): Float32Array {
  const data = values instanceof Float32Array ? values : values?.data;
  const where = `${name} [${dims.join(', ')}]`;
  expect(data instanceof Float32Array, {
    kind: values === undefined ? 'argument' : 'dtype', where, needs: 'a Float32Array, or a tensor of one', got: show(data),
    remedy: values === undefined ? 'give the weights of every layer that is pruned, by the names the model has' : undefined,
  });
  const given = values instanceof Float32Array ? undefined : values!.dims ?? values!.shape;
  expect(data.length === dims.reduce((size, dim) => size * dim, 1) && (given === undefined || sameShape(given, dims)), {
    kind: 'shape', where, needs: 'values in the stored order of the model', got: given ? `[${given.join(', ')}]` : `${data.length} values`,
  });
  return data;
}

/** Writes zeros where the mask drops. Without a branch a weight, as this runs after every step of training: −1 keeps all bits, 0 none. */
export function maskInPlace({ bits }: Mask, data: Float32Array): void {
  const words = new Int32Array(data.buffer, data.byteOffset, data.length);
  const whole = data.length >> 3;
  for (let byte = 0, i = 0; byte < whole; byte++, i += 8) {
    const kept = bits[byte];
    if (kept === 0xff) continue;
    for (let bit = 0; bit < 8; bit++) words[i + bit] &= -((kept >> bit) & 1);
  }
  for (let i = whole * 8; i < data.length; i++) words[i] &= -((bits[i >> 3] >> (i & 7)) & 1);
}

/** Writes zeros into the weights where masks drop, and returns them. @throws BurinError `argument`, `dtype`, `shape` for what misfits. */
export function maskWeights<W extends Weights>(masks: Masks, weights: W): W {
  checkMasks(masks, 'maskWeights');
  for (const [name, values] of entriesOf(weights, 'maskWeights')) {
    const mask = masks.get(name);
    if (mask) maskInPlace(mask, valuesOf(values, name, mask.dims));
  }
  return weights;
}

/** How many weights that the mask drops are not zero. */
export function countUnmasked({ bits }: Mask, data: Float32Array): number {
  let count = 0;
  for (let i = 0; i < data.length; i++) if (data[i] !== 0 && ((bits[i >> 3] >> (i & 7)) & 1) === 0) count++;
  return count;
}

/** The model with copies of these weights, zero where a mask drops. @throws BurinError `argument`, `dtype`, `shape` for what misfits. */
export function withWeights(model: Graph, weights: Weights, masks: Masks): Graph {
  const constants = new Map(model.constants);
  for (const [name, values] of entriesOf(weights, 'weights')) {
    const own = model.constants.get(name);
    const float = own?.type === 'float32';
    // A map of all constants of a graph is fine: what cannot be trained is the model's own.
    if (own !== undefined && !float && values === own) continue;
    expect(float, { kind: 'argument', where: 'weights', needs: 'names of float32 constants of the model', got: show(name) });
    const data = valuesOf(values, name, own.dims).slice();
    const mask = masks.get(name);
    if (mask) maskInPlace(mask, data);
    constants.set(name, new Tensor('float32', data, own.dims));
  }
  return { ...model, constants };
}
