// What test/browser/webgpu.test.ts runs inside of the page: products on a GPUDevice held against an f64 product.
import { createProducts, type SpmmOptions } from '../../src/backends/webgpu/index.ts';
import { link } from '../../src/backends/webgpu/link.ts';
import { bindings, variants } from '../../src/backends/webgpu/shaders.ts';
import { BurinError } from '../../src/expect.ts';
import { pack, type Block, type Matrix } from '../../src/formats/index.ts';
import { randomFrom } from '../../src/random.ts';

export interface Case {
  readonly name: string;
  readonly format: string;
  readonly block?: Block;
  readonly lanes: number;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** Share of weights that are kept; rows r with r % 3 = 1 are empty. */
  readonly density: number;
  readonly kBlock?: number;
  readonly bias?: boolean;
  /** Whether B and C stay on the device. */
  readonly onDevice?: boolean;
  readonly options?: SpmmOptions;
}

export interface Outcome {
  readonly name: string;
  readonly kernel: string;
  /** Largest error, in units of 1 + |expected| where sums are of order 1. */
  readonly error: number;
}

async function newDevice(): Promise<GPUDevice> {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error('no WebGPU adapter');
  return adapter.requestDevice();
}

/** Seeded weights; for N:M at most `keep` of every `of`. */
function weightsOf({ m, k, density, block }: Case): Matrix {
  const random = randomFrom(m * 1000 + k, 'webgpu'), values = new Float32Array(m * k);
  for (let r = 0; r < m; r++) {
    for (let c = 0; c < k; c++) {
      const kept = block?.of ? c % block.of < block.keep! : random.next() < density;
      if (kept && (r % 3 !== 1 || density === 1)) values[r * k + c] = random.normal();
    }
  }
  return { rows: m, cols: k, values };
}

function expected({ m, k, n, options }: Case, a: Float32Array, b: Float32Array, bias: Float32Array | undefined): Float64Array {
  const out = new Float64Array(m * n), { min = -Infinity, max = Infinity } = options ?? {};
  for (let r = 0; r < m; r++) {
    for (let c = 0; c < n; c++) {
      let sum = bias?.[r] ?? 0;
      for (let i = 0; i < k; i++) sum += a[r * k + i] * b[i * n + c];
      out[r * n + c] = Math.min(Math.max(sum, min), max);
    }
  }
  return out;
}

async function download(device: GPUDevice, buffer: GPUBuffer, bytes: number): Promise<Float32Array> {
  const readback = device.createBuffer({ size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, readback, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await readback.mapAsync(GPUMapMode.READ);
  return new Float32Array(readback.getMappedRange().slice(0));
}

type Products = ReturnType<typeof createProducts>;

async function runCase(device: GPUDevice, products: Products, one: Case): Promise<Outcome> {
  const { m, k, n, options, lanes, kBlock = 65535 } = one;
  const random = randomFrom(n, 'b'), matrix = weightsOf(one);
  const bias = one.bias ? random.normals(new Float32Array(m), 1) : undefined, b = random.normals(new Float32Array(k * n), 1);
  const weight = await products.upload(pack(one.format, matrix, { lanes, unit: 1, kBlock }, one.block), { bias, where: one.name });
  const kernel = products.kernelFor(weight, n, options);
  let got: Float32Array;
  if (one.onDevice) {
    const buffer = device.createBuffer({ size: Math.max(16, b.byteLength), usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
    device.queue.writeBuffer(buffer, 0, b);
    got = await download(device, await products.spmm(weight, buffer, n, options), m * n * 4);
  } else got = await products.spmm(weight, b, n, options);
  weight.dispose();
  const want = expected(one, matrix.values, b, bias);
  if (got.length !== want.length) return { name: one.name, kernel, error: Infinity };
  // The empty result of Math.max and a NaN both come out as an error.
  const error = want.reduce((worst, x, i) => Math.max(worst, Math.abs(got[i] - x) / (1 + Math.abs(x))), 0);
  return { name: one.name, kernel, error };
}

/** Every case on one device with default limits; `memory` is what is left at the end. */
export async function runCases(cases: readonly Case[]): Promise<{ outcomes: Outcome[]; uncaptured: string[]; memory: number }> {
  const device = await newDevice(), products = createProducts(device), uncaptured: string[] = [], outcomes: Outcome[] = [];
  device.addEventListener('uncapturederror', ({ error }) => uncaptured.push(error.message));
  for (const one of cases) outcomes.push(await runCase(device, products, one));
  const memory = products.memory().usedBytes;
  products.dispose();
  device.destroy();
  return { outcomes, uncaptured, memory };
}

/**
 * What the browser's own compiler says of every variant that the adapter has the features for: names of those with a message, how many
 * compiled, and the features that others lack.
 */
export async function compileAll(): Promise<{ wrong: string[]; count: number; lacking: string[] }> {
  const adapter = (await navigator.gpu.requestAdapter())!, wrong: string[] = [], lacking = new Set<string>();
  const wanted = [...new Set(Object.values(variants).flatMap(({ needs = [] }) => needs))];
  const device = await adapter.requestDevice({ requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)) });
  let count = 0;
  for (const [name, { needs = [] }] of Object.entries(variants)) {
    const missing = needs.filter((feature) => !device.features.has(feature));
    for (const feature of missing) lacking.add(feature);
    if (missing.length) continue;
    const module = device.createShaderModule({ code: link(name) });
    for (const { message, lineNum } of (await module.getCompilationInfo()).messages) wrong.push(`${name} line ${lineNum}: ${message}`);
    count++;
  }
  device.destroy();
  return { wrong, count, lacking: [...lacking] };
}

/** A pipeline of the largest variant of each kernel with the layout found when building: are the default limits enough? */
export async function largestPipelines(): Promise<string[]> {
  const device = await newDevice(), made: string[] = [];
  for (const name of ['f32_dense_matmul_8_128x128', 'f32_bsr_spmm_8x8']) {
    const { kernel } = variants[name];
    const bound = device.createBindGroupLayout({ entries: [...bindings[kernel].layout] });
    const layout = device.createPipelineLayout({ bindGroupLayouts: [bound] });
    const module = device.createShaderModule({ code: link(name) });
    await device.createComputePipelineAsync({ layout, compute: { module, entryPoint: kernel } });
    made.push(name);
  }
  device.destroy();
  return made;
}

/** The kind and the message of the error that `work` ends in, or what else came of it. */
async function failureOf(work: () => Promise<unknown>): Promise<string> {
  try {
    const value = await work();
    return `no error but ${value instanceof Float32Array ? `${value.length} floats` : String(value)}`;
  } catch (error) {
    return error instanceof BurinError ? `${error.kind}: ${error.message}` : `not typed: ${String(error)}`;
  }
}

const small: Matrix = { rows: 2, cols: 4, values: Float32Array.of(1, 0, 0, 2, 0, 3, 0, 0) };
const layout = { lanes: 1, unit: 1, kBlock: 65535 };

/** Each misuse with its error. */
export async function misuses(): Promise<Record<string, string>> {
  const device = await newDevice(), other = await newDevice(), uncaptured: string[] = [];
  for (const one of [device, other]) one.addEventListener('uncapturederror', ({ error }) => uncaptured.push(error.message));
  const products = createProducts(device), weight = await products.upload(pack('csr', small, layout)), b = new Float32Array(4 * 3);
  const wide = Math.floor(device.limits.maxStorageBufferBindingSize / 16) + 4;
  const strange = other.createBuffer({ size: 48, usage: GPUBufferUsage.STORAGE });
  const unusable = device.createBuffer({ size: 48, usage: GPUBufferUsage.COPY_DST });
  const gone = device.createBuffer({ size: 48, usage: GPUBufferUsage.STORAGE });
  gone.destroy();
  const tall = pack('dense', { rows: 1, cols: 1, values: Float32Array.of(1) }, layout);
  const found = {
    tooWide: await failureOf(() => products.spmm(weight, b, wide)),
    tooTall: await failureOf(() => products.upload({ ...tall, values: { byteLength: 2 ** 40 } as Float32Array })),
    shortB: await failureOf(() => products.spmm(weight, b, 4)),
    noColumns: await failureOf(() => products.spmm(weight, b, 0)),
    bounds: await failureOf(() => products.spmm(weight, b, 3, { min: 1, max: 0 })),
    unit: await failureOf(() => products.upload(pack('csr', small, { ...layout, unit: 4 }))),
    lanes: await failureOf(() => products.upload(pack('bsr', small, { ...layout, lanes: 7 }, { rows: 2, cols: 1 }))),
    bias: await failureOf(() => products.upload(pack('csr', small, layout), { bias: new Float32Array(3) })),
    matmul: await failureOf(() => products.spmm(weight, b, 3, { kernel: 'matmul' })),
    otherDevice: await failureOf(() => products.spmm(weight, strange, 3)),
    usage: await failureOf(() => products.spmm(weight, unusable, 3)),
    destroyed: await failureOf(() => products.spmm(weight, gone, 3)),
    still: String(Array.from(await products.spmm(weight, b.fill(1), 3))),
  };
  weight.dispose();
  const disposed = await failureOf(() => products.spmm(weight, b, 3));
  products.dispose();
  const closed = await failureOf(() => products.upload(pack('csr', small, layout)));
  const alive = await Promise.race([device.lost.then(() => 'lost'), device.queue.onSubmittedWorkDone().then(() => 'alive')]);
  return { ...found, disposed, closed, alive, uncaptured: uncaptured.join('; ') };
}

/** What products say when their device ends: at once, in the middle of a product, and later. */
export async function losses(): Promise<Record<string, string>> {
  const device = await newDevice(), products = createProducts(device), b = new Float32Array(4 * 3).fill(1);
  const weight = await products.upload(pack('csr', small, layout));
  const buffer = device.createBuffer({ size: 48, usage: GPUBufferUsage.STORAGE });
  await products.spmm(weight, b, 3);
  const [during, duringOnDevice] = [
    failureOf(() => products.spmm(weight, b, 3)), failureOf(() => products.spmm(weight, buffer, 3)),
  ];
  // Lets the products queue their work, which they do in microtasks.
  await new Promise((next) => setTimeout(next, 0));
  device.destroy();
  const atOnce = failureOf(() => products.spmm(weight, b, 3)), atOnceOnDevice = failureOf(() => products.spmm(weight, buffer, 3));
  const fresh = failureOf(() => createProducts(device).upload(pack('csr', small, layout)));
  const found = {
    during: await during, duringOnDevice: await duringOnDevice, atOnce: await atOnce,
    atOnceOnDevice: await atOnceOnDevice, fresh: await fresh,
  };
  await device.lost;
  const later = await failureOf(() => products.spmm(weight, b, 3));
  const recovered = createProducts(await newDevice());
  const again = String(Array.from(await recovered.spmm(await recovered.upload(pack('csr', small, layout)), b, 3)));
  return { ...found, later, again };
}

/** Products asked for together share one pipeline and do not disturb each other. */
export async function together(): Promise<string> {
  const products = createProducts(await newDevice()), weight = await products.upload(pack('csr', small, layout));
  const all = await Promise.all([1, 2, 3].map((n) => products.spmm(weight, new Float32Array(4 * n).fill(n), n)));
  return all.map((c) => Array.from(c).join(',')).join(' ');
}

export { runLayers } from './webgpu-layers.ts';
