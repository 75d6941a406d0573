import { build } from 'esbuild';
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../src/measure/record.ts';
import { workOf } from '../src/measure/work.ts';
import { launchChromium } from '../test/browser/chromium.ts';
import { serve } from '../test/browser/serve.ts';
import type * as inPage from './browser-page.ts';
import type { PageEdition } from './browser-page.ts';
import { modelOf, modelPath, root, type ModelName } from './files.ts';

/** One edition of a network in one engine, in a page. */
export interface BrowserRow {
  readonly network: string;
  readonly edition: string;
  readonly engine: string;
  readonly version: string;
  readonly medianMs: number;
  readonly minMs: number;
  readonly spreadMs: number;
  readonly maxError: number;
}

export interface BrowserResults {
  readonly environment: Environment;
  /** Dense multiply-adds over those the zeros of the pruned edition leave. */
  readonly theoreticalSpeedup: number;
  readonly rows: readonly BrowserRow[];
}

const network = 'MediaPipe face detector';
/** The pruned edition of a network, and the dense one that its speedup is measured against. */
const editions = {
  dense: { file: 'face_detection_full_range', formats: ['dense'] },
  pruned: { file: 'face_detection_full_range_sparse', formats: undefined },
} as const satisfies Record<string, { file: ModelName; formats?: readonly string[] }>;

const packageFolder = fileURLToPath(new URL('../', import.meta.resolve('@litertjs/core')));
const version = (): string => (JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { version: string }).version;

/** A folder to be served: the page, the network's files, LiteRT.js' wasm. */
async function makeSite(site: string): Promise<PageEdition[]> {
  const source = import.meta.url.endsWith('.ts');
  mkdirSync(site, { recursive: true });
  await build({
    entryPoints: [join(root, source ? 'bench/browser-page.ts' : 'dist/bench/browser-page.js')], bundle: true, format: 'iife',
    globalName: 'inPage', platform: 'browser', target: 'es2022', outfile: join(site, 'page.js'), logLevel: 'silent',
  });
  writeFileSync(join(site, 'index.html'), '<!doctype html><meta charset="utf-8"><title>Burin</title><script src="page.js"></script>');
  cpSync(join(packageFolder, 'wasm'), join(site, 'wasm'), { recursive: true });
  return Object.entries(editions).map(([name, { file, formats }]) => {
    copyFileSync(modelPath(file), join(site, `${name}.tflite`));
    return { name, url: `${name}.tflite`, formats };
  });
}

/**
 * The face detector, dense and pruned, in our engine and in LiteRT.js, in turns in one page of the bundled Chromium.
 * @param isolated an isolated page has a clock with steps of 5 µs, another one of 100 µs: sessions choose their kernels by it
 */
export async function browserRace({ samples = 40, isolated = true } = {}): Promise<BrowserResults> {
  const site = join(root, '.cache', `bench-${process.pid}`), list = await makeSite(site);
  const [served, browser] = await Promise.all([serve(site, { isolated }), launchChromium()]);
  try {
    const page = await browser.newPage();
    await page.goto(`${served.url}/index.html`);
    const options = { wasm: `${served.url}/wasm/`, samples };
    const { environment, finishes } = await page.evaluate<Awaited<ReturnType<typeof inPage.raceInPage>>>(
      `inPage.raceInPage(${JSON.stringify(list)}, ${JSON.stringify(options)})`,
    );
    const theoreticalSpeedup = workOf(await modelOf(editions.pruned.file)).totals.theoreticalSpeedup.masked ?? NaN;
    return {
      environment: { ...environment, runtime: `Chromium ${browser.version()}`, engine: 'V8', cpu: cpus()[0].model.trim() },
      theoreticalSpeedup,
      rows: finishes.map(({ engine, edition, maxError, time: { medianMs, minMs, spreadMs } }) => (
        { network, edition, engine, version: engine === 'burin' ? '' : version(), medianMs, minMs, spreadMs, maxError })),
    };
  } finally {
    await Promise.all([browser.close(), served.close()]);
    rmSync(site, { recursive: true, force: true });
  }
}

/** What one engine makes of the two editions. */
export interface BrowserGain {
  readonly engine: string;
  readonly denseMs: number;
  readonly prunedMs: number;
  readonly measuredSpeedup: number;
  readonly efficiency: number;
}

export function gainOf({ rows, theoreticalSpeedup }: BrowserResults, engine: string, key: 'medianMs' | 'minMs' = 'medianMs'): BrowserGain {
  const of = (edition: string): number => rows.find((row) => row.engine === engine && row.edition === edition)?.[key] ?? NaN;
  const denseMs = of('dense'), prunedMs = of('pruned'), measuredSpeedup = denseMs / prunedMs;
  return { engine, denseMs, prunedMs, measuredSpeedup, efficiency: measuredSpeedup / theoreticalSpeedup };
}
