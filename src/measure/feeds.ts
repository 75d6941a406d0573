import { expect, fail, lookUp } from '../expect.ts';
import type { ValueInfo } from '../graph/graph.ts';
import { randomFrom } from '../random.ts';
import { allocate, sizeOf, Tensor, type Shape } from '../tensor.ts';

/** Ways to make up an input: element i from its index and the seed. */
export const fillings = {
  /** sin(0.37·i), the input of the golden outputs. */
  sin: () => (i: number) => Math.sin(0.37 * i),
  /** Uniform in [-1, 1). */
  random: (seed: number) => {
    const { next } = randomFrom(seed);
    return () => 2 * next() - 1;
  },
  zeros: () => () => 0,
} satisfies Record<string, (seed: number) => (i: number) => number>;

export type Filling = keyof typeof fillings;

/** Elements of the largest input made up here: 1 GiB of float32. */
const mostElements = 2 ** 28;

function checkSize(input: ValueInfo, shape: Shape): void {
  expect(sizeOf(shape) <= mostElements, {
    kind: 'limit', where: `input '${input.name}'`, needs: `at most ${mostElements} elements`, got: `${sizeOf(shape)} in [${shape}]`,
  });
}

/**
 * The whole shape of an input.
 * @throws BurinError `shape` when a dimension has only a name and none was given, or they do not fit; `limit` beyond 2^28 elements
 */
export function shapeOf(input: ValueInfo, given?: Shape): Shape {
  const where = `input '${input.name}' [${input.dims}]`;
  const fits = (shape: Shape): boolean =>
    shape.length === input.dims.length && input.dims.every((dim, i) => typeof dim === 'string' || dim === shape[i]);
  if (given) {
    expect(fits(given), { kind: 'shape', where, needs: 'a shape that fits', got: `[${given}]` });
    checkSize(input, given);
    return given;
  }
  const unknown = input.dims.find((dim) => typeof dim === 'string');
  if (unknown === undefined) return input.dims as Shape;
  const example = input.dims.map((dim) => (typeof dim === 'string' ? 1 : dim)).join('x');
  const remedy = `give its shape, e.g. --shape ${input.name}=${example} on the command line, or the option shapes`;
  return fail({ kind: 'shape', where, needs: 'every dimension', got: `'${unknown}'`, remedy });
}

/**
 * A made-up tensor for an input; whole numbers for whole types (values are truncated).
 * @throws BurinError `argument` for an unknown filling, `limit` beyond 2^28 elements
 */
export function fill(input: ValueInfo, shape: Shape, filling = 'sin', seed = 0): Tensor {
  const value = lookUp<(seed: number) => (i: number) => number>(fillings, filling, `filling of input '${input.name}'`)(seed);
  checkSize(input, shape);
  const data = allocate(input.type, sizeOf(shape));
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let i = 0; i < data.length; i++) data[i] = BigInt(Math.trunc(value(i)));
  } else for (let i = 0; i < data.length; i++) data[i] = value(i);
  return new Tensor(input.type, data, shape);
}
