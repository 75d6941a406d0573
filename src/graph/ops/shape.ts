import { checkShape, sizeOf, Tensor, type Shape } from '../../tensor.ts';
import { expect } from '../../expect.ts';
import { result, steps, take } from './elements.ts';
import { at, data, input, num, numbers, type Call, type Op } from './op.ts';
import type { Typed } from '../graph.ts';

/** The lengths from attribute start to end, as `Shape` reports them; bounds outside the rank are clamped. */
function lengths(call: Call): Shape {
  const { shape } = input(call, 0);
  return shape.slice(num(call, 'start', 0), num(call, 'end', shape.length));
}

/** Attribute value of ConstantOfShape: one element of any type, float32 zero when absent. */
function filler(call: Call): Tensor {
  const { value } = call.node.attrs;
  if (value === undefined) return new Tensor('float32', new Float32Array(1));
  expect(value instanceof Tensor && value.size === 1, {
    kind: 'model', where: `${at(call)} attribute value`, needs: 'a tensor of one element', got: String(value),
  });
  return value;
}

function inferConstant(call: Call): Typed[] {
  const shape = numbers(call, 0) ?? [];
  checkShape(shape, at(call));
  return [{ type: filler(call).type, shape }];
}

function runConstant(call: Call): Tensor[] {
  const [{ shape }] = inferConstant(call);
  return [take(filler(call), shape, new Float64Array(sizeOf(shape)))];
}

function inferRange(call: Call): Typed[] {
  const [start, limit, delta] = [0, 1, 2].map((i) => numbers(call, i)?.[0] ?? NaN);
  const length = Math.max(0, Math.ceil((limit - start) / delta));
  expect(Number.isFinite(length), {
    kind: 'model', where: at(call), needs: 'numbers and a delta other than 0', got: `${start}, ${limit}, ${delta}`,
  });
  checkShape([length], at(call));
  return [{ type: input(call, 0).type, shape: [length] }];
}

function runRange(call: Call): Tensor[] {
  const [{ type, shape }] = inferRange(call);
  const [start, delta] = [0, 2].map((i) => Number(data(call, i).data[0]));
  return [result(type, shape, steps(shape[0], delta, start))];
}

/** Operators about shapes. */
export const shape = {
  Shape: {
    inputs: [1, 1],
    fromShapes: true,
    infer: (call) => [{ type: 'int64', shape: [lengths(call).length] }],
    run: (call) => [result('int64', [lengths(call).length], Float64Array.from(lengths(call)))],
  },
  Size: {
    inputs: [1, 1],
    fromShapes: true,
    infer: () => [{ type: 'int64', shape: [] }],
    run: (call) => [result('int64', [], Float64Array.of(sizeOf(input(call, 0).shape)))],
  },
  ConstantOfShape: { inputs: [1, 1], infer: inferConstant, run: runConstant },
  Range: { inputs: [3, 3], infer: inferRange, run: runRange },
} satisfies Record<string, Op>;
