import { expect, show } from '../expect.ts';
import type { Layer } from '../graph/layers.ts';

/** Layers by a test, or by name, where `*` stands for anything: ['layer1.*', 'fc']. The name of the node or of its weight. */
export type LayerChoice = ((layer: Layer) => boolean) | readonly string[];

/**
 * The layers of `all` that `layers` names (default all of them) and `exclude` does not.
 * @throws BurinError `argument` for a name that fits no layer.
 */
export function chooseLayers(all: readonly Layer[], { layers, exclude }: { layers?: LayerChoice; exclude?: LayerChoice }): Layer[] {
  const included = layers === undefined ? all : chosen(all, layers, 'option layers');
  const excluded = exclude === undefined ? [] : chosen(all, exclude, 'option exclude');
  return included.filter((layer) => !excluded.includes(layer));
}

function chosen(all: readonly Layer[], choice: LayerChoice, where: string): readonly Layer[] {
  return typeof choice === 'function' ? all.filter(choice) : layersNamed(all, choice, where);
}

/** The layers of `all` that one of `names` fits. @throws BurinError `argument` for a name that fits no layer. */
export function layersNamed(all: readonly Layer[], names: readonly string[], where: string): Layer[] {
  const tests = names.map((name) => testOf(all, name, where));
  return all.filter((layer) => tests.some((test) => test(layer)));
}

function testOf(all: readonly Layer[], name: string, where: string): (layer: Layer) => boolean {
  const parts = name.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`^${parts.join('.*')}$`);
  const test = (layer: Layer): boolean => pattern.test(layer.name) || pattern.test(layer.weight);
  expect(all.some(test), { kind: 'argument', where, needs: `layers among ${namesOf(all)}`, got: show(name) });
  return test;
}

/** The names of the first layers, for an error. */
export function namesOf(layers: readonly Layer[]): string {
  const names = layers.slice(0, 12).map((layer) => layer.name).join(', ');
  return layers.length > 12 ? `${names}, … (${layers.length})` : names;
}
