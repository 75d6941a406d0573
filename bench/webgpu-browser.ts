import { build } from 'esbuild';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../test/browser/chromium.ts';
import { serve, type Served } from '../test/browser/serve.ts';
import { modelPath, root, type ModelName } from './files.ts';
import { raceNetworks } from './webgpu-cases.ts';
import type * as inPage from './webgpu-page.ts';

type Answer<K extends keyof typeof inPage> = Awaited<ReturnType<(typeof inPage)[K]>>;

/** A page with WebGPU, our bench and the other engines. */
export interface GpuPage {
  /** What the browser calls itself. */
  readonly runtime: string;
  /** Where the files of ONNX Runtime are. */
  readonly wasm: string;
  /** Calls a function of webgpu-page.ts. */
  ask<K extends keyof typeof inPage>(key: K, ...args: Parameters<(typeof inPage)[K]>): Promise<Answer<K>>;
  close(): Promise<void>;
}

/** The page, what ONNX Runtime loads, and files of networks. */
async function makeSite(site: string): Promise<void> {
  const source = import.meta.url.endsWith('.ts'), ort = dirname(fileURLToPath(import.meta.resolve('onnxruntime-web/webgpu')));
  mkdirSync(site, { recursive: true });
  await build({
    entryPoints: [join(root, source ? 'bench/webgpu-page.ts' : 'dist/bench/webgpu-page.js')], bundle: true, format: 'esm',
    platform: 'browser', target: 'es2022', outfile: join(site, 'page.js'), logLevel: 'error',
  });
  const script = 'import * as inPage from "./page.js"; Object.assign(window, { inPage });';
  const head = '<!doctype html><meta charset="utf-8"><title>Burin</title>';
  writeFileSync(join(site, 'index.html'), `${head}<script type="module">${script}</script>`);
  for (const kind of ['wasm', 'mjs']) {
    const name = `ort-wasm-simd-threaded.asyncify.${kind}`;
    copyFileSync(join(ort, name), join(site, name));
  }
  const files = Object.values(raceNetworks).flat().flatMap((one) => ('file' in one ? [one.file as ModelName] : []));
  for (const file of new Set(files)) copyFileSync(modelPath(file), join(site, file));
}

/** Opens the page in the bundled Chromium. `say` is told what it logs. The caller closes it. */
export async function openGpuPage(say: (line: string) => void): Promise<GpuPage> {
  const site = join(root, '.cache', `webgpu-${process.pid}`);
  await makeSite(site);
  const [served, browser]: [Served, Browser] = await Promise.all([serve(site, { isolated: true }), launchChromium()]);
  const page = await browser.newPage();
  page.on('console', (message) => say(message.text()));
  page.on('pageerror', (error) => say(String(error)));
  await page.goto(`${served.url}/index.html`);
  return {
    runtime: `Chromium ${browser.version()}`, wasm: `${served.url}/`,
    ask: (key, ...args) => page.evaluate<Answer<typeof key>>(`inPage.${key}(...${JSON.stringify(args)})`),
    async close() {
      await Promise.all([browser.close(), served.close()]);
      rmSync(site, { recursive: true, force: true });
    },
  };
}
