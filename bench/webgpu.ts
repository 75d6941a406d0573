// Products and convolutions on WebGPU: every shader that can run a shape, what zeros are worth to it, and, in a page of headless
// Chromium (--browser), dense layers and whole networks in turns with ONNX Runtime Web and TensorFlow.js on the same adapter.
// Ratios mean something on any adapter, GFLOP/s only on a real one. In Node through the package webgpu and the system's driver;
// --software takes the driver that comes along with Chromium. BURIN_GPU=system gives a page the system's driver.
// --write puts rows into bench/results/webgpu.json beside those of other adapters; --part shaders,layers,networks, --shape, --way,
// --shader and --case take a part; --large or --small shapes instead of those that the adapter's speed suggests; --samples N.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { number } from '../src/measure/words.ts';
import { hasChromium } from '../test/browser/chromium.ts';
import { linesJson, print, put, root, say } from './files.ts';
import { raceLayers, raceNetworks, shapes, type Scale, type Shape } from './webgpu-cases.ts';
import { openGpuPage } from './webgpu-browser.ts';
import { fastest, mergedResults, type RaceRow, type Setting, type ShaderRow, type WebgpuResults } from './webgpu-rows.ts';
import { openBench, scaleOf, settingOf, shaderRows, type Wish } from './webgpu-shaders.ts';

const file = 'bench/results/webgpu.json';
const parts = ['shaders', 'layers', 'networks'] as const;

const { values: options } = parseArgs({
  options: {
    browser: { type: 'boolean' }, write: { type: 'boolean' }, software: { type: 'boolean' }, large: { type: 'boolean' },
    small: { type: 'boolean' }, part: { type: 'string' }, shape: { type: 'string' }, way: { type: 'string' }, shader: { type: 'string' },
    case: { type: 'string' }, samples: { type: 'string' },
  },
});
const wish: Wish = { shape: options.shape, way: options.way, shader: options.shader }, samples = Number(options.samples ?? 9);
const wants = (part: (typeof parts)[number]): boolean => (options.part ?? parts.join()).split(',').includes(part);
const told: Scale | undefined = options.large ? 'large' : options.small ? 'small' : undefined;
const wanted = (name: string): boolean => name.includes(options.case ?? '');

function lineOf({ case: name, way, shader, density, ms, gflops, ofIdentity, ofDense, maxError }: ShaderRow): string {
  const share = (x: number | undefined): string => (x === undefined ? '   -' : x.toFixed(2));
  return `${`${name}, ${way}`.padEnd(40)} ${shader.padEnd(34)} ${density.toFixed(3)} ${ms.toFixed(3).padStart(9)} ms `
    + `${gflops.toFixed(2).padStart(8)} GFLOP/s identity ${share(ofIdentity)} dense ${share(ofDense)} error ${maxError.toExponential(0)}`;
}

function raceLine(rows: readonly RaceRow[]): string {
  const [ours] = rows, line = ({ engine, medianMs, minMs }: RaceRow): string =>
    `${engine} ${number(medianMs)} ms (min ${number(minMs)}, ${(medianMs / ours.medianMs).toFixed(2)} of ours)`;
  return `${ours.case.padEnd(30)} ${ours.gflops.toFixed(2)} GFLOP/s ${rows.map(line).join('; ')} ${ours.shader ?? ''}`;
}

/** One shape after the other: each row is printed and, with --write, on the disk before the next shape begins. */
async function collect(setting: Setting, work: AsyncIterable<Partial<WebgpuResults>>): Promise<void> {
  say(`${setting.runtime}, ${setting.adapter}, ${setting.clock}`);
  for await (const { shaders = [], race = [] } of work) {
    for (const row of shaders) print(lineOf(row));
    if (race.length) print(raceLine(race));
    if (!options.write) continue;
    const path = join(root, file), old = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) as WebgpuResults : undefined;
    put(file, linesJson({ ...mergedResults(old, { settings: [setting], shaders: fastest(shaders), race }) }));
  }
  if (options.write) say(`written: ${file}`);
}

const shapesOf = (scale: Scale): readonly Shape[] => shapes[scale].filter(({ name }) => name.includes(options.shape ?? ''));

/** The software adapter's driver is found through the environment: its module starts this process again with it. */
async function takeSoftware(): Promise<void> {
  process.env.BURIN_GPU = 'swiftshader';
  process.argv.splice(2, 0, 'webgpu');
  await import('../test/webgpu/adapter.ts');
}

async function inNode(): Promise<void> {
  if (options.software) await takeSoftware();
  const bench = await openBench('Node'), scale = told ?? await scaleOf(bench);
  await collect(settingOf(bench, `node ${process.versions.node}`), async function* () {
    for (const shape of shapesOf(scale)) yield { shaders: await shaderRows(bench, shape, wish) };
  }());
  bench.guard.device.destroy();
  // The package keeps the process alive.
  process.exit(0);
}

async function inBrowser(): Promise<void> {
  if (!hasChromium('WebGPU in a browser')) return;
  const { runtime, wasm, ask, close } = await openGpuPage(say);
  try {
    const setting = await ask('open', runtime, wasm), scale = told ?? await ask('scale');
    await collect(setting, async function* () {
      if (wants('layers')) {
        for (const { network, layer } of raceLayers[scale]) {
          const name = `${network}.${layer}`;
          if (wanted(name)) yield { race: await ask('layer', scale, name, samples) };
        }
      }
      if (wants('networks')) {
        for (const { name } of raceNetworks[scale]) if (wanted(name)) yield { race: await ask('network', scale, name, samples) };
      }
      if (wants('shaders')) for (const { name } of shapesOf(scale)) yield { shaders: await ask('shaders', scale, name, wish) };
    }());
  } finally {
    await close();
  }
}

await (options.browser ? inBrowser() : inNode());
