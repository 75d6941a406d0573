import { expect, fail, show } from '../../expect.ts';
import type { LayoutName } from '../../prune/masks/layouts.ts';
import { maskFrom, type Mask } from '../../prune/masks/mask.ts';
import { numbersOf, sameShape, Tensor } from '../../tensor.ts';

// Masks that other tools leave behind, in arrays by name: PyTorch's pruning, TensorFlow Model Optimization, plain masks, pruned weights.

type Tensors = ReadonlyMap<string, Tensor>;

export interface ForeignMasks {
  readonly kind: 'torch' | 'tfmot' | 'masks' | 'weights';
  readonly masks: ReadonlyMap<string, Mask>;
  /** The masked weights, where the file holds them. */
  readonly weights: ReadonlyMap<string, Tensor<Float32Array>>;
  /** How the masks lie, where the tool tells. */
  readonly layout?: readonly LayoutName[];
  /** Arrays that say nothing of masks. */
  readonly skipped: readonly string[];
}

/** An array that is a mask, what it masks, and the array of the weight before or after masking, where there is one. */
interface Found {
  readonly weight: string;
  readonly original?: string;
}

/** Arrays by what the masks beside them may call them. */
interface Index {
  readonly tensors: Tensors;
  /** By their names without the `:0` that TensorFlow puts behind them. */
  readonly plain: ReadonlyMap<string, string>;
  /** The kernels in a folder of names, or in a folder of that; with a shape behind the folder, those of that shape. */
  readonly kernels: ReadonlyMap<string, readonly string[]>;
}

interface Naming {
  /** What the array `name` masks, or undefined where it is no mask. */
  readonly found: (name: string, index: Index) => Found | undefined;
  readonly layout: readonly LayoutName[];
}

const withoutIndex = (name: string): string => name.replace(/:\d+$/, '');
const isKernel = (name: string): boolean => /[kK]ernel$/.test(withoutIndex(name));
const folderOf = (name: string): string => name.slice(0, name.lastIndexOf('/', name.length - 2) + 1);
const shaped = (folder: string, { dims }: Tensor): string => `${folder} [${dims.join()}]`;

function indexOf(tensors: Tensors): Index {
  const kernels = new Map<string, string[]>();
  const add = (key: string, name: string): void => {
    const list = kernels.get(key);
    if (list) list.push(name);
    else kernels.set(key, [name]);
  };
  for (const [name, tensor] of tensors) {
    if (!isKernel(name)) continue;
    const folder = folderOf(name);
    for (const one of new Set([folder, folderOf(folder)])) {
      add(one, name);
      add(shaped(one, tensor), name);
    }
  }
  return { tensors, plain: new Map(Array.from(tensors.keys(), (name) => [withoutIndex(name), name])), kernels };
}

/** `layer.weight_mask` beside `layer.weight_orig` (torch.nn.utils.prune) or `layer.weight`. */
function torchMask(name: string, { tensors }: Index): Found | undefined {
  if (!name.endsWith('_mask')) return undefined;
  const weight = name.slice(0, -'_mask'.length);
  return { weight, original: [`${weight}_orig`, weight].find((one) => tensors.has(one)) };
}

/**
 * `layer/mask:0`, of a layer with several weights `layer/mask_1:0` too, beside `layer/kernel:0`; in later versions
 * `layer/kernel:0_mask:0`. Of several kernels the one of the same shape is meant, else the one at the same place.
 */
function tfmotMask(name: string, { tensors, plain, kernels }: Index): Found | undefined {
  const suffix = name.includes('/') ? /_mask(:\d+)?$/.exec(name) : null;
  if (suffix) {
    const weight = withoutIndex(name.slice(0, suffix.index));
    return { weight, original: plain.get(weight) };
  }
  const counted = /\/mask(?:_(\d+))?(?::\d+)?$/.exec(name);
  if (!counted) return undefined;
  const folder = name.slice(0, counted.index + 1), alike = kernels.get(shaped(folder, tensors.get(name)!)) ?? [];
  const placed = kernels.get(folder)?.[Number(counted[1] ?? 0)];
  const original = alike.length === 1 ? alike[0] : placed;
  return { weight: withoutIndex(original ?? `${folder}kernel`), original };
}

const namings: Readonly<Record<'tfmot' | 'torch', Naming>> = {
  tfmot: { found: tfmotMask, layout: ['keras', 'stored'] },
  torch: { found: torchMask, layout: ['torch', 'stored'] },
};

/** The first value that is neither 0 nor 1, or undefined. */
function otherThanBits(values: ArrayLike<number>): number | undefined {
  for (let i = 0; i < values.length; i++) if (values[i] !== 0 && values[i] !== 1) return values[i];
  return undefined;
}

function bitsOf(name: string, tensor: Tensor): Mask {
  const values = numbersOf(tensor), other = otherThanBits(values);
  expect(other === undefined, { kind: 'file', where: `mask ${show(name)}`, needs: 'values of 0 and 1', got: `${other}` });
  return maskFrom(values, tensor.dims);
}

function masked(name: string, original: Tensor, mask: Tensor): Tensor<Float32Array> {
  expect(sameShape(original.dims, mask.dims), {
    kind: 'shape', where: `mask ${show(name)}`, needs: `the shape of its weight, [${original.dims.join(', ')}]`,
    got: `[${mask.dims.join(', ')}]`,
  });
  const values = Float32Array.from(numbersOf(original)), bits = numbersOf(mask);
  for (let i = 0; i < values.length; i++) if (bits[i] === 0) values[i] = 0;
  return new Tensor('float32', values, original.dims);
}

/** Of TensorFlow Model Optimization: what its schedule keeps for itself. */
const isBookkeeping = (name: string): boolean => /(^|\/|_)(threshold|pruning_step)(_\d+)?(:\d+)?$/.test(name);

/**
 * Masks that are named as such. Other arrays may be called a mask too (of attention): without its weight an array is a mask only where
 * all are.
 */
function namedMasks(kind: 'tfmot' | 'torch', tensors: Tensors): ForeignMasks | undefined {
  const { found, layout } = namings[kind], index = indexOf(tensors);
  const all = Array.from(tensors.keys(), (name) => ({ name, what: found(name, index) }));
  const onlyMasks = all.every(({ name, what }) => what || isBookkeeping(name)), used = new Set<string>();
  const masks = new Map<string, Mask>(), weights = new Map<string, Tensor<Float32Array>>();
  for (const { name, what } of all) {
    if (!what || (what.original === undefined && !onlyMasks)) continue;
    const { weight, original } = what, tensor = tensors.get(name)!;
    expect(!masks.has(weight), {
      kind: 'file', where: `mask ${show(name)}`, needs: 'a weight of its own', got: `one more of ${show(weight)}`,
    });
    masks.set(weight, bitsOf(name, tensor));
    if (original !== undefined) weights.set(weight, masked(name, tensors.get(original)!, tensor));
    used.add(name).add(original ?? name);
  }
  return masks.size === 0 ? undefined : { kind, masks, weights, layout, skipped: [...tensors.keys()].filter((name) => !used.has(name)) };
}

/** Every array a mask, by the name of its weight or that of its layer and `.mask`. */
function plainMasks(tensors: Tensors): ForeignMasks | undefined {
  const all = [...tensors].filter(([, { dims }]) => dims.length > 0);
  if (all.length < tensors.size || all.some(([, tensor]) => otherThanBits(numbersOf(tensor)) !== undefined)) return undefined;
  const masks = new Map(all.map(([name, tensor]) => [name.replace(/(.)\.mask$/, '$1'), bitsOf(name, tensor)]));
  expect(masks.size === all.length, { kind: 'file', where: 'mask file', needs: 'one mask a weight', got: 'two of one' });
  return { kind: 'masks', masks, weights: new Map(), skipped: [] };
}

/**
 * Pruned weights: what is zero was dropped. Only arrays of two dimensions and more, and of Keras' only kernels, since a zero in a bias
 * or a mean was not pruned.
 */
function prunedWeights(tensors: Tensors): ForeignMasks | undefined {
  const keras = [...tensors.keys()].some((name) => name.includes('/') && isKernel(name));
  const chosen = [...tensors].filter(([name, { dims }]) => dims.length >= 2 && (!keras || isKernel(name)));
  if (chosen.length === 0) return undefined;
  const names = new Set(chosen.map(([name]) => name));
  return {
    kind: 'weights',
    masks: new Map(chosen.map(([name, tensor]) => [name, maskFrom(numbersOf(tensor), tensor.dims)])),
    weights: new Map(chosen.map(([name, tensor]) => [name, asFloat32(tensor)])),
    skipped: [...tensors.keys()].filter((name) => !names.has(name)),
  };
}

const asFloat32 = (tensor: Tensor): Tensor<Float32Array> => (tensor.type === 'float32' ? tensor as Tensor<Float32Array>
  : new Tensor('float32', Float32Array.from(numbersOf(tensor)), tensor.dims));

/** The masks among arrays by name. @throws BurinError `file` where there are none or one has values that are no bits, `shape` */
export function foreignMasks(tensors: Tensors): ForeignMasks {
  return namedMasks('tfmot', tensors) ?? namedMasks('torch', tensors) ?? plainMasks(tensors) ?? prunedWeights(tensors) ?? fail({
    kind: 'file', where: 'mask file', needs: 'masks, or weights of two dimensions and more',
    got: tensors.size === 0 ? 'no arrays' : `${tensors.size} other arrays`,
  });
}
