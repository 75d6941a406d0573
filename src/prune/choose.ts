import { expect, fail, show } from '../expect.ts';
import type { Layer } from '../graph/layers.ts';
import { near } from './near.ts';

/** Layers by a test, or by name, where `*` stands for anything: ['layer1.*', 'fc']. The name of the node or of its weight. */
export type LayerChoice = ((layer: Layer) => boolean) | readonly string[];

/**
 * The layers of `all` that `layers` names (default all of them) and `exclude` does not.
 * @throws BurinError `argument` for a name that fits no layer (lists those like it), or without a `*` several.
 */
export function chooseLayers(all: readonly Layer[], { layers, exclude }: { layers?: LayerChoice; exclude?: LayerChoice }): Layer[] {
  const included = layers === undefined ? all : chosen(all, layers, 'option layers');
  const excluded = exclude === undefined ? [] : chosen(all, exclude, 'option exclude');
  return included.filter((layer) => !excluded.includes(layer));
}

function chosen(all: readonly Layer[], choice: LayerChoice, where: string): readonly Layer[] {
  const fits = typeof choice === 'function' || (Array.isArray(choice) && choice.every((name) => typeof name === 'string'));
  expect(fits, { kind: 'argument', where, needs: 'names of layers or a function', got: show(choice) });
  return typeof choice === 'function' ? all.filter(choice) : layersNamed(all, choice, where);
}

/** The layers of `all` that one of `names` fits. @throws BurinError `argument` as {@link chooseLayers} does */
export function layersNamed(all: readonly Layer[], names: readonly string[], where: string): Layer[] {
  const tests = names.map((name) => testOf(all, name, where));
  return all.filter((layer) => tests.some((test) => test(layer)));
}

const answers = (layer: Layer, name: string): boolean => layer.name === name || layer.weight === name;

function testOf(all: readonly Layer[], name: string, where: string): (layer: Layer) => boolean {
  if (!name.includes('*')) {
    const only = layerNamed(all, name, where) ?? unknown(all, [name], { where, got: show(name) });
    return (layer) => layer === only;
  }
  const parts = name.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`^${parts.join('.*')}$`);
  const test = (layer: Layer): boolean => pattern.test(layer.name) || pattern.test(layer.weight);
  return all.some(test) ? test : unknown(all, [name.replaceAll('*', '')], { where, got: show(name) });
}

/** The layer that is called `name` or whose weight is. @throws BurinError `argument` where several are */
function layerNamed(all: readonly Layer[], name: string, where: string): Layer | undefined {
  const found = all.filter((layer) => answers(layer, name));
  expect(found.length < 2, {
    kind: 'argument', where: `${where}, ${show(name)}`, needs: 'a name of one layer', remedy: 'take the name of the weight',
    got: `that of ${found.length}: ${found.map((layer) => `${layer.name} with weight ${layer.weight}`).slice(0, 3).join(', ')}`,
  });
  return found[0];
}

/**
 * A table by names of layers or of their weights as a map by weight.
 * @throws BurinError `argument` for names that fit no layer (lists those like them) or several, and for two of one layer
 */
export function byWeight<T>(all: readonly Layer[], table: Readonly<Record<string, T>>, where: string): Map<string, T> {
  const entries = Object.entries(table).map(([name, value]) => ({ name, value, layer: layerNamed(all, name, where) }));
  const strange = entries.filter(({ layer }) => !layer).map(({ name }) => name);
  if (strange.length) unknown(all, strange, { where, got: show(strange.length === 1 ? strange[0] : strange) });
  const twice = entries.find(({ layer }, i) => entries.findIndex((other) => other.layer === layer) !== i);
  const names = entries.filter(({ layer }) => layer === twice?.layer).map(({ name }) => name);
  expect(!twice, { kind: 'argument', where, needs: 'one number a layer', got: `${names.join(' and ')} for the same` });
  return new Map(entries.map(({ layer, value }) => [layer!.weight, value]));
}

/** Names that tell the layers of `all` from each other: their own, or those of their weights where several have one. */
export function labelOf(all: readonly Layer[]): (layer: { readonly weight: string }) => string {
  const labels = new Map(all.map((layer) => [
    layer.weight, all.some((other) => other.weight !== layer.weight && answers(other, layer.name)) ? layer.weight : layer.name,
  ]));
  return ({ weight }) => labels.get(weight)!;
}

function unknown(all: readonly Layer[], names: readonly string[], { where, got }: { where: string; got: string }): never {
  const alike = [...new Set(names.flatMap((name) => near(name, all.flatMap((layer) => [layer.name, layer.weight]))))].slice(0, 6);
  const remedy = alike.length ? `did you mean ${alike.join(', ')}?` : undefined;
  return fail({ kind: 'argument', where, needs: `layers among ${namesOf(all)}`, got, remedy });
}

/** The names of the first layers, for an error. */
export function namesOf(layers: readonly Layer[]): string {
  const names = layers.slice(0, 12).map((layer) => layer.name).join(', ');
  return layers.length > 12 ? `${names}, … (${layers.length})` : names;
}
