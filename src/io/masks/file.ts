import { expect, fail, show } from '../../expect.ts';
import type { Mask } from '../../prune/masks/mask.ts';
import type { Masks } from '../../prune/masks/masks.ts';
import { sizeOf, Tensor } from '../../tensor.ts';
import { fnv64 } from '../hash.ts';
import { isRecord, parseJson } from '../json.ts';
import { writeSafetensors, type Safetensors } from '../safetensors.ts';

// Our own mask file, a safetensors file:
//   __metadata__.format   'burin masks'
//   __metadata__.version  '1'
//   __metadata__.masks    JSON: [{ "name", "shape", "hash" }, …] in the order of the masks; hash is FNV-1a 64 of the mask's bytes
//   __metadata__.how      JSON: how the masks were made
//   __metadata__.hash     FNV-1a 64 of the UTF-8 bytes of masks + '\n' + how, so that nothing can change unseen
//   tensors               a U8 [ceil(n / 8)] for each mask by its name: weight i of the row-major tensor is bit i mod 8 (lowest first)
//                         of byte floor(i / 8), 1 = kept, spare bits 0

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const where = 'mask file';
const FORMAT = 'burin masks';
const VERSION = '1';
const FIELDS = ['format', 'version', 'masks', 'how', 'hash'] as const;

/** How deep options may be nested: more is a circle, or no options. */
const MOST_DEEP = 100;

/** A value as JSON has it. What JSON cannot hold becomes words: Infinity 'Infinity', a function its name. */
export function jsonOf(value: unknown, deep = 0): Json {
  expect(deep <= MOST_DEEP, { kind: 'argument', where, needs: `at most ${MOST_DEEP} levels of how it was made`, got: 'more' });
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'function') return value.name || 'a function';
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return value.map((one) => jsonOf(one, deep + 1));
  if (ArrayBuffer.isView(value)) return show(value);
  const entries = [...(value instanceof Map ? value : Object.entries(value))];
  return Object.fromEntries(entries.filter(([, one]) => one !== undefined).map(([name, one]) => [String(name), jsonOf(one, deep + 1)]));
}

const hashOfTexts = (masks: string, how: string): string => fnv64(new TextEncoder().encode(`${masks}\n${how}`));

/** @throws BurinError `argument` for a mask without its bits or called `__metadata__` */
export function writeMaskFile(masks: Masks, how: unknown = {}): Uint8Array {
  for (const [name, mask] of masks) checkBits(mask, `${where}, ${show(name)}`, 'argument');
  const list = JSON.stringify(Array.from(masks, ([name, { dims, bits }]) => ({ name, shape: dims, hash: fnv64(bits) })));
  const made = JSON.stringify(jsonOf(how));
  const tensors = new Map(Array.from(masks, ([name, { bits }]) => [name, new Tensor('uint8', bits)]));
  return writeSafetensors(tensors, { format: FORMAT, version: VERSION, masks: list, how: made, hash: hashOfTexts(list, made) });
}

/** @throws BurinError unless there are as many bytes as the shape needs, and spare bits are 0 */
function checkBits({ dims, bits }: Mask, place: string, kind: 'argument' | 'file'): void {
  const size = sizeOf(dims), bytes = Math.ceil(size / 8);
  expect(bits.length === bytes, { kind, where: `${place} [${dims.join(', ')}]`, needs: `${bytes} bytes of bits`, got: `${bits.length}` });
  const spare = size % 8 === 0 ? 0 : bits[bytes - 1] >> (size % 8);
  expect(spare === 0, { kind, where: place, needs: 'spare bits of 0', got: 'others' });
}

/** Whether a safetensors file is one of masks of ours, be it with a damaged header. */
export function isMaskFile({ metadata }: Safetensors): boolean {
  return metadata.format === FORMAT || FIELDS.filter((field) => Object.hasOwn(metadata, field)).length >= 3;
}

interface Listed {
  readonly name: string;
  readonly shape: readonly number[];
  readonly hash: string;
}

function listOf(text: string): Listed[] {
  const list = parseJson(text, `${where}, list of masks`);
  const isDim = (dim: unknown): boolean => Number.isSafeInteger(dim) && (dim as number) >= 0;
  const isListed = (one: unknown): one is Listed => isRecord(one) && typeof one.name === 'string' && typeof one.hash === 'string' &&
    Array.isArray(one.shape) && one.shape.every(isDim) && sizeOf(one.shape) <= 2 ** 32;
  if (Array.isArray(list) && list.every(isListed)) return list;
  return fail({ kind: 'file', where, needs: 'a list of { name, shape, hash }', got: show(text) });
}

/**
 * The masks of a file of ours.
 * @throws BurinError `file` where the header, a mask or a hash is not as it was written, `unsupported` for another version
 */
export function masksOfFile({ tensors, metadata }: Safetensors): { masks: Map<string, Mask>; how: Json } {
  for (const field of FIELDS) {
    expect(Object.hasOwn(metadata, field), { kind: 'file', where, needs: `${field} in its metadata`, got: 'none' });
  }
  const { format, version, masks: list, how, hash } = metadata;
  expect(format === FORMAT, { kind: 'file', where, needs: `the format '${FORMAT}'`, got: show(format) });
  expect(version === VERSION, { kind: 'unsupported', where, needs: `version ${VERSION}`, got: show(version) });
  const found = hashOfTexts(list, how);
  expect(hash === found, {
    kind: 'file', where: `${where}, header`, needs: `the hash ${show(hash)}`, got: found, remedy: 'the file is damaged',
  });
  const listed = listOf(list), masks = new Map(listed.map((one) => [one.name, maskOf(one, tensors.get(one.name))]));
  expect(masks.size === tensors.size && listed.length === tensors.size, {
    kind: 'file', where, needs: `${tensors.size} masks in its list`, got: `${listed.length}`,
  });
  return { masks, how: parseJson(how, `${where}, how`) as Json };
}

function maskOf({ name, shape, hash }: Listed, tensor: Tensor | undefined): Mask {
  const place = `${where}, ${show(name)}`;
  if (tensor?.type !== 'uint8') return fail({ kind: 'file', where: place, needs: 'its bits as U8', got: tensor?.type ?? 'nothing' });
  const mask = { dims: shape, bits: new Uint8Array(tensor.data as Uint8Array) };
  checkBits(mask, place, 'file');
  const found = fnv64(mask.bits);
  expect(found === hash, { kind: 'file', where: place, needs: `the hash ${show(hash)}`, got: found, remedy: 'the file is damaged' });
  return mask;
}
