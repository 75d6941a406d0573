import { create } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType as Kind, AttributeProtoSchema, type AttributeProto } from 'onnx-buf';
import { fail } from '../../expect.ts';
import type { Attr } from '../../graph/graph.ts';
import { Tensor } from '../../tensor.ts';
import type { External } from './external.ts';
import { integer } from './proto.ts';
import { sparseTensorOf, type Budget } from './sparse.ts';
import { tensorOf, tensorProto } from './tensor.ts';

/** What reading an attribute may draw on. */
export interface AttrSource {
  readonly budget: Budget;
  readonly external?: External;
}

const text = new TextDecoder();
const encoder = new TextEncoder();

const readers: Readonly<Record<number, (proto: AttributeProto, where: string, source: AttrSource) => Attr>> = {
  [Kind.FLOAT]: ({ f }) => f,
  [Kind.INT]: (proto) => integer(proto.i),
  [Kind.STRING]: (proto) => text.decode(proto.s),
  [Kind.FLOATS]: (proto) => proto.floats,
  [Kind.INTS]: (proto) => proto.ints.map(integer),
  [Kind.STRINGS]: (proto) => proto.strings.map((s) => text.decode(s)),
  [Kind.TENSOR]: (proto, where, source) => (proto.t ? tensorOf(proto.t, where, source.external) : fail(noValue(where))),
  [Kind.SPARSE_TENSOR]: ({ sparseTensor: t }, where, source) => (t ? sparseTensorOf(t, source.budget, where) : fail(noValue(where))),
};

function noValue(where: string) {
  return { kind: 'file', where, needs: 'a tensor', got: 'nothing' } as const;
}

/** An attribute of the file as a plain value. @throws BurinError `unsupported` for subgraphs, types and lists of tensors. */
export function attrOf(proto: AttributeProto, where: string, source: AttrSource): Attr {
  const kind = proto.type || guessKind(proto);
  const read = readers[kind];
  const place = `${where} attribute ${proto.name}`;
  if (read) return read(proto, place, source);
  const needs = `a value of ${Object.keys(readers).map((k) => Kind[Number(k)]).join(', ')}`;
  return fail({ kind: 'unsupported', where: place, needs, got: Kind[kind] ?? `type ${kind}` });
}

/** Files before 2017-10 do not say the type of an attribute: the field that is filled tells. */
function guessKind(proto: AttributeProto): Kind {
  if (proto.t) return Kind.TENSOR;
  if (proto.g || proto.graphs.length) return Kind.GRAPH;
  if (proto.floats.length) return Kind.FLOATS;
  if (proto.ints.length) return Kind.INTS;
  if (proto.strings.length) return Kind.STRINGS;
  if (proto.s.length) return Kind.STRING;
  return proto.f !== 0 ? Kind.FLOAT : Kind.INT;
}

/** Attributes that are floats even where their value is a whole number; every other whole number is an integer. */
const floats = new Set(['alpha', 'beta', 'gamma', 'bias', 'epsilon', 'momentum', 'lambd', 'cubic_coeff_a', 'extrapolation_value']);

/** A plain value as an attribute of the file. */
export function attrProto(name: string, value: Attr): AttributeProto {
  return create(AttributeProtoSchema, { name, ...fieldsOf(name, value) });
}

function fieldsOf(name: string, value: Attr) {
  if (value instanceof Tensor) return { type: Kind.TENSOR, t: tensorProto(value) };
  if (typeof value === 'string') return { type: Kind.STRING, s: encoder.encode(value) };
  if (typeof value === 'number') return isFloat(name, [value]) ? { type: Kind.FLOAT, f: value } : { type: Kind.INT, i: BigInt(value) };
  if (value.some((v) => typeof v === 'string')) return { type: Kind.STRINGS, strings: value.map((v) => encoder.encode(String(v))) };
  const numbers = value as readonly number[];
  return isFloat(name, numbers) ? { type: Kind.FLOATS, floats: [...numbers] } : { type: Kind.INTS, ints: numbers.map(BigInt) };
}

function isFloat(name: string, values: readonly number[]): boolean {
  return floats.has(name) || !values.every(Number.isInteger);
}
