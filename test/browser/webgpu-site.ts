import { build } from 'esbuild';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { root } from '../root.ts';
import { hasChromium, launchChromium } from './chromium.ts';
import { serve, type Served } from './serve.ts';

/** A page of Chromium that runs one of our modules as `inPage`; without `page` where there is no browser or no adapter. */
export interface Site {
  readonly page?: Page;
  readonly close: () => Promise<void>;
}

/** Bundles `module` of this folder into a page with WebGPU. Says loudly what is skipped where it cannot run. */
export async function openSite(name: string, module: string): Promise<Site> {
  if (!hasChromium(name)) return { close: () => Promise.resolve() };
  const folder = join(root, '.cache', `${module}-${process.pid}`), compiled = !import.meta.url.endsWith('.ts');
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: [join(root, compiled ? 'dist' : '.', 'test', 'browser', `${module}.${compiled ? 'js' : 'ts'}`)],
    bundle: true, format: 'iife', globalName: 'inPage', platform: 'browser', target: 'es2022',
    outfile: join(folder, 'page.js'), logLevel: 'silent',
  });
  writeFileSync(join(folder, 'index.html'), '<!doctype html><meta charset="utf-8"><title>Burin</title><script src="page.js"></script>');
  const [served, browser]: [Served, Browser] = await Promise.all([serve(folder), launchChromium()]);
  const close = async (): Promise<void> => {
    await Promise.all([browser.close(), served.close()]);
    rmSync(folder, { recursive: true, force: true });
  };
  const page = await browser.newPage();
  await page.goto(`${served.url}/index.html`);
  if (await page.evaluate('navigator.gpu?.requestAdapter().then((found) => !!found)')) return { page, close };
  console.warn(`SKIPPED: ${name} needs a WebGPU adapter, and this Chromium finds none`);
  return { close };
}
