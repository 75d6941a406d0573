// The part of bench/budget that runs in a page.
import { zooGraph, type ZooName } from '../src/graph/zoo/index.ts';
import { readModel } from '../src/io/index.ts';
import { budgetRows, type Wish } from './budget-rows.ts';

/** A network of the zoo, or a file that is served. */
export type PageModel = { readonly zoo: ZooName } | { readonly url: string };

/** Prunes in the page; what it says goes to the console. */
export async function budgetsInPage(network: string, model: PageModel, wish: Wish & { width: number }): ReturnType<typeof budgetRows> {
  const fetched = async (url: string): Promise<Uint8Array> => new Uint8Array(await (await fetch(url)).arrayBuffer());
  const graph = 'zoo' in model ? zooGraph(model.zoo) : await readModel(await fetched(model.url), { name: network });
  const log = (text: string): void => console.log(text);
  return budgetRows(network, graph, wish, { width: wish.width, say: log, print: log });
}
