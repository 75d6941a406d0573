import { expect, expectOptions, fail, lookUp, show } from '../../expect.ts';
import { expectGraph } from '../../graph/evaluate.ts';
import type { Graph } from '../../graph/graph.ts';
import { prunableLayers, type Layer } from '../../graph/layers.ts';
import type { Shape } from '../../tensor.ts';
import { arranged, layouts, sameArrangement, type Arrangement, type LayoutName } from './layouts.ts';
import { checkMasks, someNames, type Masks } from './masks.ts';
import { keyOf, sharedEnd, spellings, type Parts } from './names.ts';

/** What {@link matchMasks} is told where names and shapes do not tell. */
export interface MatchOptions {
  /**
   * How the masks lie: one layout, or several from which the first is taken that fits all masks. Default: as stored, as PyTorch or as
   * Keras has it, whichever fits, and an error where more than one does and they differ.
   */
  readonly layout?: LayoutName | readonly LayoutName[];
  /** Weight names by mask names, where the names themselves do not tell. */
  readonly names?: Readonly<Record<string, string>>;
}

/** How a mask's name was recognised: told by the caller, the same, the same layer, or one the end of the other. */
export type MatchedBy = 'told' | 'name' | 'layer' | 'end';

/** Which weight a mask was found to belong to, and why. */
export interface MatchedMask {
  readonly mask: string;
  readonly weight: string;
  readonly by: MatchedBy;
  readonly layout: LayoutName;
}

/** What {@link matchMasks} returns. */
export interface MatchedMasks {
  /** By weight name, in the stored order of the weight. */
  readonly masks: Masks;
  readonly matched: readonly MatchedMask[];
  /** Masks that belong to nothing in this network, and why. */
  readonly unmatched: readonly { readonly mask: string; readonly why: string }[];
  /** Weights of prunable layers that got no mask. */
  readonly bare: readonly string[];
}

/** A constant that a mask may belong to. */
interface Target {
  readonly name: string;
  readonly stored: Shape;
  /** Absent for a constant that is no layer's weight, a bias. */
  readonly layer?: Layer;
  readonly spellings: readonly Parts[];
}

type Fit = readonly [LayoutName, Arrangement];

interface Pair {
  readonly mask: string;
  readonly target: Target;
  readonly by: MatchedBy;
  readonly fits: readonly Fit[];
}

const DEFAULT_LAYOUTS: readonly LayoutName[] = ['stored', 'torch', 'keras'];
const shapeOf = (dims: Shape): string => `[${dims.join(', ')}]`;

function targetsOf(graph: Graph): Target[] {
  const layers = new Map(prunableLayers(graph).map((layer) => [layer.weight, layer]));
  const constants = [...graph.constants].filter(([, { type }]) => type === 'float32');
  const spelled = spellings(constants.map(([name]) => [name, ...[layers.get(name)?.name ?? []].flat()]));
  return constants.map(([name, { dims }], i) => {
    const layer = layers.get(name), stored = dims;
    // A bias keeps its role: it must not be taken for the weight of its layer.
    return { name, stored, layer, spellings: layer ? spelled[i] : spelled[i].slice(0, 1) };
  });
}

const grouped = <T>(entries: Iterable<readonly [string, T]>): Map<string, T[]> => {
  const groups = new Map<string, T[]>();
  for (const [name, value] of entries) groups.set(name, [...(groups.get(name) ?? []), value]);
  return groups;
};

/** Finds the targets a mask's name may mean, and how much of the name they share. */
type Finder = (mask: string) => (readonly [Target, number])[];

function findersOf(targets: readonly Target[], masks: readonly string[]): Readonly<Record<Exclude<MatchedBy, 'told'>, Finder>> {
  const written = spellings(masks.map((mask) => [mask])), asked = new Map(masks.map((mask, i) => [mask, written[i]]));
  const byName = new Map(targets.map((target) => [target.name, target]));
  const spelled = targets.flatMap((target) => target.spellings.map((parts) => ({ target, parts })));
  const byKey = grouped(spelled.map(({ target, parts }) => [keyOf(parts), target] as const));
  const byEnd = grouped(spelled.map((one) => [one.parts[one.parts.length - 1] ?? '', one] as const));
  return {
    name: (mask) => (byName.has(mask) ? [[byName.get(mask)!, 1]] : []),
    layer: (mask) => asked.get(mask)!.flatMap((parts) => (byKey.get(keyOf(parts)) ?? []).map((target) => [target, 1] as const)),
    end: (mask) => asked.get(mask)!.flatMap((parts) => (byEnd.get(parts[parts.length - 1] ?? '') ?? [])
      .map(({ target, parts: others }) => [target, sharedEnd(parts, others)] as const).filter(([, shared]) => shared > 0)),
  };
}

function fitsOf(dims: Shape, { layer, stored }: Target, allowed: readonly LayoutName[]): Fit[] {
  // A constant that is no weight has no layout: its shape must be the same.
  const names = layer ? allowed : (['stored'] as const);
  return names.flatMap((name) => {
    const arrangement = layouts[name](dims, layer!, stored);
    return arrangement ? [[name, arrangement] as const] : [];
  });
}

/** What the names at one level of likeness offer. */
interface Offer {
  readonly mask: string;
  readonly dims: Shape;
  readonly by: MatchedBy;
  readonly found: readonly (readonly [Target, number])[];
  readonly allowed: readonly LayoutName[];
}

/** The one target that is meant, or undefined. @throws BurinError where shapes do not fit, or those of several do */
function pairOf({ mask, dims, by, found, allowed }: Offer): Pair | undefined {
  const offered = found.map(([target, shared]) => ({ target, shared, fits: fitsOf(dims, target, allowed) }));
  const usable = offered.filter((one) => one.fits.length > 0);
  if (usable.length === 0) {
    const meant = offered.find(({ target }) => by === 'told' || (by !== 'end' && target.layer));
    return meant && misfit(mask, dims, meant.target);
  }
  const most = Math.max(...usable.map(({ shared }) => shared));
  const best = new Map(usable.filter(({ shared }) => shared === most).map((one) => [one.target.name, one]));
  expect(best.size === 1, {
    kind: 'argument', where: `mask ${show(mask)}`, needs: 'one weight that its name means', got: someNames([...best.keys()]),
    remedy: 'say which in options.names',
  });
  const [{ target, fits: own }] = best.values();
  return { mask, by, target, fits: own };
}

function misfit(mask: string, dims: Shape, { name, stored }: Target): never {
  return fail({
    kind: 'shape', where: `mask ${show(mask)}`, needs: `a shape that fits ${name} ${shapeOf(stored)}`, got: shapeOf(dims),
    remedy: `is it a mask of this network? layouts are ${Object.keys(layouts).join(', ')}`,
  });
}

interface Wish {
  readonly allowed: readonly LayoutName[];
  readonly names: Readonly<Record<string, string>>;
}

/** Masks and targets, the surest names first: a target that is taken is out of the question for less sure ones. */
function pairsOf(graph: Graph, masks: Masks, { allowed, names }: Wish): Pair[] {
  const targets = targetsOf(graph), pairs = new Map<string, Pair>(), taken = new Map<string, string>();
  const told: Finder = (mask) => (Object.hasOwn(names, mask) ? [[targetTold(targets, names[mask]), 1]] : []);
  for (const [by, find] of Object.entries({ told, ...findersOf(targets, [...masks.keys()]) }) as [MatchedBy, Finder][]) {
    const before = new Set(taken.keys());
    for (const [mask, { dims }] of masks) {
      if (pairs.has(mask)) continue;
      const found = find(mask).filter(([target]) => !before.has(target.name));
      const pair = pairOf({ mask, dims, by, found, allowed });
      if (!pair) continue;
      const other = taken.get(pair.target.name);
      expect(other === undefined, {
        kind: 'argument', where: `weight ${show(pair.target.name)}`, needs: 'one mask', got: `${show(other)} and ${show(mask)}`,
        remedy: 'say which in options.names, or leave one out',
      });
      taken.set(pair.target.name, mask);
      pairs.set(mask, pair);
    }
  }
  return [...pairs.values()];
}

function targetTold(targets: readonly Target[], name: string): Target {
  const target = targets.find((one) => one.name === name);
  const weights = targets.filter(({ layer }) => layer).map((one) => one.name);
  return target ?? fail({ kind: 'argument', where: 'option names', needs: `weights among ${someNames(weights)}`, got: show(name) });
}

/**
 * The layout of each pair. Layouts that fit all masks come before those that fit some. Where no preference was told, all that are left
 * must put the weights at the same places; a mask of the very name and shape of its weight lies as the weight does.
 */
function chosenFits(pairs: readonly Pair[], allowed: readonly LayoutName[], preferred: boolean): Fit[] {
  const fitsAll = allowed.filter((name) => pairs.every(({ fits, target }) => !target.layer || fits.some(([fit]) => fit === name)));
  return pairs.map(({ mask, target, by, fits }) => {
    const left = fits.filter(([name]) => fitsAll.includes(name)), usable = left.length > 0 ? left : fits;
    if (preferred) return usable[0];
    const own = by === 'name' && usable.find(([name]) => name === 'stored');
    if (own) return own;
    const other = usable.find(([, arrangement]) => !sameArrangement(arrangement, usable[0][1]));
    expect(other === undefined, {
      kind: 'argument', where: `mask ${show(mask)} for ${target.name} ${shapeOf(target.stored)}`, needs: 'one layout that it can have',
      got: usable.map(([name]) => name).join(', '), remedy: 'say which in options.layout',
    });
    return usable[0];
  });
}

/**
 * Masks of any tool as masks of this network: by weight name, in the stored order of the weights. A name matches the weight of the same
 * name, else that of the same layer (`conv1` and `conv1.weight`), else the one whose name ends with it or with which it ends
 * (`module.conv1.weight`). Masks of other layouts ([I, O], [KH, KW, I, O], …) are turned. Biases and other constants are matched where
 * the shape is the same.
 * @throws BurinError `argument` for what are no masks, where a name means several weights, two masks one weight, or several layouts fit
 * (all list the candidates); `shape` where the name means a weight of another shape
 */
export function matchMasks(graph: Graph, masks: Masks, options: MatchOptions = {}): MatchedMasks {
  expectGraph(graph);
  checkMasks(masks, 'matchMasks');
  expectOptions(options, 'matchMasks options');
  expectOptions(options.names ?? {}, 'option names');
  const { layout } = options, names = options.names ?? {}, allowed = layout === undefined ? DEFAULT_LAYOUTS : [layout].flat();
  for (const name of allowed) lookUp(layouts, name, 'option layout');
  const strange = Object.keys(names).filter((name) => !masks.has(name));
  expect(strange.length === 0, {
    kind: 'argument', where: 'option names', needs: `masks among ${someNames([...masks.keys()])}`, got: show(strange),
  });
  const pairs = pairsOf(graph, masks, { allowed, names }), fits = chosenFits(pairs, allowed, layout !== undefined);
  const matched = pairs.map(({ mask, target, by }, i) => ({ mask, weight: target.name, by, layout: fits[i][0] }));
  const found = new Map(pairs.map(({ mask, target }, i) => [target.name, arranged(masks.get(mask)!, fits[i][1], target.stored)]));
  const known = new Set(matched.map(({ mask }) => mask));
  return {
    masks: found,
    matched,
    unmatched: [...masks].filter(([name]) => !known.has(name))
      .map(([mask, { dims }]) => ({ mask, why: `no weight of this name that takes ${shapeOf(dims)}` })),
    bare: prunableLayers(graph).map(({ weight }) => weight).filter((weight) => !found.has(weight)),
  };
}
