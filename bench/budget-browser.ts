import { build } from 'esbuild';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { launchChromium } from '../test/browser/chromium.ts';
import { serve } from '../test/browser/serve.ts';
import type * as inPage from './budget-page.ts';
import type { PageModel } from './budget-page.ts';
import type { budgetRows, Wish } from './budget-rows.ts';
import { root } from './files.ts';

type Budgets = Awaited<ReturnType<typeof budgetRows>>;
export type BrowserModel = Exclude<PageModel, { url: string }> | { readonly file: string };

/** Bundles the page into a folder, with the model's file where it is one. */
async function makeSite(site: string, model: BrowserModel): Promise<PageModel> {
  const source = import.meta.url.endsWith('.ts');
  mkdirSync(site, { recursive: true });
  await build({
    entryPoints: [join(root, source ? 'bench/budget-page.ts' : 'dist/bench/budget-page.js')], bundle: true, format: 'iife',
    globalName: 'inPage', platform: 'browser', target: 'es2022', outfile: join(site, 'page.js'), logLevel: 'silent',
  });
  writeFileSync(join(site, 'index.html'), '<!doctype html><meta charset="utf-8"><title>Burin</title><script src="page.js"></script>');
  if (!('file' in model)) return model;
  copyFileSync(model.file, join(site, 'model'));
  return { url: 'model' };
}

/** A network pruned to budgets in a page of the bundled Chromium, on the clock that an isolated page has: steps of 5 µs. */
export async function budgetsInBrowser(
  network: string, model: BrowserModel, wish: Wish & { width: number }, say: (line: string) => void,
): Promise<Budgets> {
  const site = join(root, '.cache', `budget-${process.pid}`), own = await makeSite(site, model);
  const [served, browser] = await Promise.all([serve(site, { isolated: true }), launchChromium()]);
  try {
    const page = await browser.newPage();
    page.on('console', (message) => say(message.text()));
    await page.goto(`${served.url}/index.html`);
    type Page = ReturnType<typeof inPage.budgetsInPage>;
    const values = [network, own, wish].map((value) => JSON.stringify(value)).join(', ');
    const { environment, rows } = await page.evaluate<Awaited<Page>>(`inPage.budgetsInPage(${values})`);
    return { rows, environment: { ...environment, runtime: `Chromium ${browser.version()}`, engine: 'V8', cpu: cpus()[0].model.trim() } };
  } finally {
    await Promise.all([browser.close(), served.close()]);
    rmSync(site, { recursive: true, force: true });
  }
}
