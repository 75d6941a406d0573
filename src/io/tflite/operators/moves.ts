import { expect } from '../../../expect.ts';
import type { Tensor } from '../../../tensor.ts';
import { dequantize, isQuantized } from '../data.ts';
import { byte, int, ints } from '../flat.ts';
import {
  constantNumbers, emit, emitMany, has, inner, inputDims, inputTensor, knownInput, longList, operand, outputDims, outputTensor,
  type Site, type Step,
} from '../draft.ts';
import type { FileTensor } from '../schema.ts';
import { axisFrom, fused, positive, type Rewrite } from './common.ts';
import { castTo } from './elements.ts';

function concatenation(site: Site): void {
  const axis = axisFrom(site, site.options({ axis: [0, int()] }).axis, inputDims(site, 0).length);
  const more = site.inputs.slice(1).map((_, i) => operand(site, i + 1));
  emit(site, operand(site, 0), [{ op: 'Concat', more, attrs: { axis } }, ...fused(site, 1)]);
}

/** The shape is a second input, constant or computed as int32, or stands in the options. */
function reshape(site: Site): void {
  const shape = has(site, 1) ? undefined : (site.options({ shape: [0, ints] }).shape ?? outputDims(site, 0));
  emit(site, operand(site, 0), [{ op: 'Reshape', more: [shape ? longList(site, shape) : longInput(site, 1)] }]);
}

/** Input `i` as int64, which is what shapes are here. */
function longInput(site: Site, i: number): string {
  return knownInput(site, i) ? longList(site, constantNumbers(site, i)) : inner(site, castTo('int64'), operand(site, i));
}

function squeeze(site: Site): void {
  const axes = site.options({ axes: [0, ints] }).axes ?? [];
  emit(site, operand(site, 0), [{ op: 'Squeeze', more: axes.length > 0 ? [longList(site, axes)] : [] }]);
}

function expandDims(site: Site): void {
  emit(site, operand(site, 0), [{ op: 'Unsqueeze', more: [longList(site, constantNumbers(site, 1))] }]);
}

/** Paddings [rank, 2] become [starts …, ends …]. */
function padsOf(site: Site): string {
  const pairs = constantNumbers(site, 1);
  const rank = inputDims(site, 0).length;
  const fits = pairs.length === 2 * rank;
  expect(fits, { kind: 'file', where: site.where, needs: `${rank} pairs of paddings`, got: `${pairs.length} numbers` });
  return longList(site, [...pairs.filter((_, i) => i % 2 === 0), ...pairs.filter((_, i) => i % 2 === 1)]);
}

function pad(site: Site): void {
  const value = has(site, 2) ? [operand(site, 2)] : [];
  emit(site, operand(site, 0), [{ op: 'Pad', more: [padsOf(site), ...value], attrs: { mode: 'constant' } }]);
}

function mirrorPad(site: Site): void {
  const { mode } = site.options({ mode: [0, byte()] });
  expect(mode === 0, { kind: 'unsupported', where: site.where, needs: 'mode REFLECT', got: mode === 1 ? 'SYMMETRIC' : `${mode}` });
  emit(site, operand(site, 0), [{ op: 'Pad', more: [padsOf(site)], attrs: { mode: 'reflect' } }]);
}

/** Past every end, within int32. */
const farEnd = 2 ** 31 - 1;

function sliceStep(site: Site, starts: number[], ends: number[], strides?: number[]): Step {
  const axes = starts.map((_, i) => i);
  const steps = strides?.some((stride) => stride !== 1) ? [longList(site, strides)] : [];
  return { op: 'Slice', more: [longList(site, starts), longList(site, ends), longList(site, axes), ...steps] };
}

function slice(site: Site): void {
  const begins = constantNumbers(site, 1);
  const sizes = constantNumbers(site, 2);
  expect(begins.length === sizes.length, { kind: 'file', where: site.where, needs: `${begins.length} sizes`, got: `${sizes.length}` });
  emit(site, operand(site, 0), [sliceStep(site, begins, begins.map((begin, i) => (sizes[i] < 0 ? farEnd : begin + sizes[i])))]);
}

const bit = (mask: number, i: number): boolean => ((mask >> i) & 1) === 1;

/** Python's x[begin:end:stride, …]; a bit of a mask says: from the very start, to the very end, or one element whose dimension goes. */
function stridedSlice(site: Site): void {
  const o = site.options({
    begin: [0, int()], end: [1, int()], ellipsis: [2, int()], newAxis: [3, int()], shrink: [4, int()], offset: [5, byte()],
  });
  const plain = o.ellipsis === 0 && o.newAxis === 0;
  expect(plain, { kind: 'unsupported', where: site.where, needs: 'no ellipsis and no new axis', got: 'one of them' });
  const [begins, given, strides] = [1, 2, 3].map((i) => constantNumbers(site, i));
  expect(given.length === begins.length && strides.length === begins.length, {
    kind: 'file', where: site.where, needs: `${begins.length} ends and strides`, got: `${given.length} and ${strides.length}`,
  });
  const ends = o.offset ? given.map((end, i) => begins[i] + end) : given;
  const starts = begins.map((begin, i) => (bit(o.begin, i) && !bit(o.shrink, i) ? (strides[i] > 0 ? 0 : farEnd) : begin));
  const stops = ends.map((end, i) => {
    if (bit(o.shrink, i)) return begins[i] === -1 ? farEnd : begins[i] + 1;
    return bit(o.end, i) ? (strides[i] > 0 ? farEnd : -farEnd) : end;
  });
  const shrunk = begins.map((_, i) => i).filter((i) => bit(o.shrink, i));
  const squeezed: Step[] = shrunk.length > 0 ? [{ op: 'Squeeze', more: [longList(site, shrunk)] }] : [];
  emit(site, operand(site, 0), [sliceStep(site, starts, stops, strides.map((stride, i) => (bit(o.shrink, i) ? 1 : stride))), ...squeezed]);
}

function split(site: Site): void {
  const axis = axisFrom(site, constantNumbers(site, 0)[0], inputDims(site, 1).length);
  emitMany(site, { op: 'Split', attrs: { axis, num_outputs: site.outputs.length } }, operand(site, 1));
}

/** Sizes are given; one of -1 takes what is left. */
function splitSizes(site: Site): void {
  const dims = inputDims(site, 0);
  const axis = axisFrom(site, constantNumbers(site, 2)[0], dims.length);
  const sizes = constantNumbers(site, 1);
  const rest = dims[axis] - sizes.reduce((sum, size) => sum + Math.max(size, 0), 0);
  const whole = sizes.map((size) => (size < 0 ? rest : size));
  emitMany(site, { op: 'Split', more: [longList(site, whole)], attrs: { axis, num_outputs: site.outputs.length } }, operand(site, 0));
}

function transpose(site: Site): void {
  emit(site, operand(site, 0), [{ op: 'Transpose', attrs: { perm: constantNumbers(site, 1) } }]);
}

function gather(site: Site): void {
  const { axis, batch } = site.options({ axis: [0, int()], batch: [1, int()] });
  expect(batch === 0, { kind: 'unsupported', where: site.where, needs: 'no batch dimensions', got: `${batch}` });
  emit(site, operand(site, 0), [{ op: 'Gather', more: [operand(site, 1)], attrs: { axis } }]);
}

function pack(site: Site): void {
  const axis = axisFrom(site, site.options({ axis: [1, int()] }).axis, inputDims(site, 0).length + 1);
  const unsqueeze: Step = { op: 'Unsqueeze', more: [longList(site, [axis])] };
  const [first, ...more] = site.inputs.map((_, i) => inner(site, unsqueeze, operand(site, i)));
  emit(site, first, [{ op: 'Concat', more, attrs: { axis } }]);
}

function unpack(site: Site): void {
  const axis = axisFrom(site, site.options({ axis: [1, int()] }).axis, inputDims(site, 0).length);
  const parts = site.outputs.map((_, i) => site.draft.valueNames(`${site.name}/part${i}`));
  emitMany(site, { op: 'Split', attrs: { axis, num_outputs: positive(site, 'number of outputs', parts.length) } }, operand(site, 0), parts);
  parts.forEach((part, i) => emit(site, part, [{ op: 'Squeeze', more: [longList(site, [axis])] }], i));
}

/** TensorFlow Lite's shapes are int32 unless the options (type 4) say int64. */
function shapeOf(site: Site): void {
  const { type } = site.options({ type: [0, byte(2)] });
  emit(site, operand(site, 0), type === 4 ? [{ op: 'Shape' }] : [{ op: 'Shape' }, castTo('int32')]);
}

type FromStorage = (tensor: Tensor, quantization: FileTensor['quantization'], where: string) => Tensor;

/** Of a constant, a constant: f16 is widened and sparse storage filled in where a tensor is read. */
const stored = (convert: FromStorage): Rewrite => (site) => {
  const tensor = inputTensor(site, 0);
  const known = knownInput(site, 0);
  expect(known || !isQuantized(tensor), {
    kind: 'unsupported', where: `${site.where} tensor '${tensor.name}'`, needs: 'a constant or real numbers', got: 'quantised activations',
    remedy: 'convert the model without quantising its activations',
  });
  if (!known) return emit(site, operand(site, 0), []);
  outputTensor(site, 0);
  site.draft.known.set(site.outputs[0], { ...known, tensor: convert(known.tensor, tensor.quantization, site.where) });
};

/** Operators that move data or describe it. */
export const moves = {
  CONCATENATION: concatenation, RESHAPE: reshape, SQUEEZE: squeeze, EXPAND_DIMS: expandDims, PAD: pad, PADV2: pad, MIRROR_PAD: mirrorPad,
  SLICE: slice, STRIDED_SLICE: stridedSlice, SPLIT: split, SPLIT_V: splitSizes, TRANSPOSE: transpose, GATHER: gather,
  PACK: pack, UNPACK: unpack, SHAPE: shapeOf, DEQUANTIZE: stored(dequantize), DENSIFY: stored((tensor) => tensor),
} satisfies Readonly<Record<string, Rewrite>>;
