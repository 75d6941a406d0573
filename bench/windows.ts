// What is left of a network when its products are pruned: depthwise convolutions, pools, element-wise operators, resizing, softmax,
// transposed convolutions, padding. One layer a line against its bound, which is named: its multiply-adds or other arithmetic at the
// ceiling of multiply-adds, or a copy of as many bytes. A layer that is wrong is not timed.
// --write puts the rows into bench/results/windows.json; --only TEXT narrows it down. About half a minute.
import { parseArgs } from 'node:util';
import { createWasm } from '../src/backends/wasm.ts';
import { evaluate, specialize } from '../src/graph/evaluate.ts';
import type { Attr, Graph } from '../src/graph/graph.ts';
import { optimize } from '../src/graph/passes/index.ts';
import { calibrate } from '../src/measure/calibrate.ts';
import { fill } from '../src/measure/feeds.ts';
import type { Environment } from '../src/measure/record.ts';
import type { Machine } from '../src/measure/roofline.ts';
import { timeTogether } from '../src/measure/time.ts';
import { randomFrom } from '../src/random.ts';
import { environment } from '../src/runtime/environment.ts';
import { compile } from '../src/runtime/plan.ts';
import { TuneMemory } from '../src/runtime/tune.ts';
import { sizeOf, Tensor, type Shape } from '../src/tensor.ts';
import { linesJson, put, say } from './files.ts';

interface Layer {
  readonly name: string;
  readonly op: string;
  readonly x: Shape;
  readonly attrs?: Readonly<Record<string, Attr>>;
  /** Shapes of weights that are numbers at random, and of a second computed operand. */
  readonly constants?: readonly (Shape | Tensor | undefined)[];
  readonly other?: Shape;
}

/** Channels × rows × columns, window, strides; `same` padding. */
function depthwise(name: string, [c, h, w]: Shape, size: number, [sy, sx] = [1, 1]): Layer {
  const pad = Math.floor(size / 2), attrs = { group: c, strides: [sy, sx], pads: [pad, pad, pad, pad], min: 0 };
  return { name, op: 'Conv', x: [1, c, h, w], attrs, constants: [[c, 1, size, size], [c]] };
}

const pool = (name: string, op: string, [c, h, w]: Shape, size: number, pad = 0): Layer =>
  ({ name, op, x: [1, c, h, w], attrs: { kernel_shape: [size, size], strides: [2, 2], pads: [pad, pad, pad, pad] } });
const plain = (name: string, op: string, x: Shape, attrs: Readonly<Record<string, Attr>> = {}): Layer => ({ name, op, x, attrs });
const twice = (c: number, size: number): Layer => ({
  name: `facedetector.resize.${size}`, op: 'Resize', x: [1, c, size, size],
  attrs: { mode: 'linear', coordinate_transformation_mode: 'half_pixel' },
  constants: [undefined, new Tensor('float32', Float32Array.of(1, 1, 2, 2), [4])],
});

const layers: readonly Layer[] = [
  ...([[32, 96], [64, 48], [128, 24], [192, 12], [384, 6]] as const).map(([c, n]) => depthwise(`facedetector.${n}`, [c, n, n], 3)),
  ...([[32, 96], [64, 48], [128, 24], [192, 12]] as const).map(([c, n]) => depthwise(`facedetector.down.${n}`, [c, n, n], 3, [2, 2])),
  ...([[32, 112], [128, 56], [256, 28], [512, 14], [1024, 7]] as const).map(([c, n]) => depthwise(`mobilenetv1.${n}`, [c, n, n], 3)),
  ...([[64, 112], [128, 56], [256, 28], [512, 14]] as const).map(([c, n]) => depthwise(`mobilenetv1.down.${n}`, [c, n, n], 3, [2, 2])),
  depthwise('mobilenetv2.block2', [96, 112, 112], 3, [2, 2]), depthwise('mobilenetv2.block3', [144, 56, 56], 3),
  depthwise('mobilenetv2.block15', [960, 7, 7], 3),
  depthwise('classifier.8', [8, 24, 96], 3, [2, 1]), depthwise('classifier.32', [32, 6, 96], 5, [2, 1]),
  depthwise('classifier.88', [88, 3, 96], 5), depthwise('classifier.200', [200, 2, 96], 5),
  depthwise('mobilenetv3.28', [120, 28, 28], 5), depthwise('mobilenetv3.14', [672, 14, 14], 5), depthwise('mobilenetv3.7', [960, 7, 7], 5),
  { ...depthwise('dilated.24', [128, 24, 24], 3), attrs: { group: 128, dilations: [2, 2], pads: [2, 2, 2, 2] } },
  pool('resnet.maxpool', 'MaxPool', [64, 112, 112], 3, 1), pool('vgg16.maxpool2', 'MaxPool', [128, 112, 112], 2),
  pool('classifier.maxpool', 'MaxPool', [200, 2, 96], 2), pool('densenet.averagepool', 'AveragePool', [128, 56, 56], 2),
  plain('mobilenetv1.globalpool', 'GlobalAveragePool', [1, 1024, 7, 7]),
  plain('classifier.hardswish', 'HardSwish', [1, 200, 2, 96]), plain('mobilenetv3.hardswish', 'HardSwish', [1, 672, 14, 14]),
  plain('swish', 'Swish', [1, 96, 56, 56]), plain('sigmoid', 'Sigmoid', [1, 96, 56, 56]),
  { ...plain('classifier.scale', 'Mul', [1, 200, 2, 96]), other: [1, 200, 1, 1] },
  { ...plain('mobilenetv2.add', 'Add', [1, 24, 56, 56]), other: [1, 24, 56, 56] },
  ...([[96, 6], [64, 12], [48, 24]] as const).map(([c, size]) => twice(c, size)),
  plain('transformer.softmax', 'Softmax', [8, 128, 128], { axis: -1 }),
  plain('facedetector.depthtospace', 'DepthToSpace', [1, 64, 24, 24], { blocksize: 2, mode: 'DCR' }),
  {
    name: 'detector.upsample', op: 'ConvTranspose', x: [1, 24, 48, 48], attrs: { strides: [2, 2] }, constants: [[24, 24, 2, 2], [24]],
  },
];

export type Bound = 'FLOPs' | 'arithmetic' | 'bytes';

/**
 * Operations an element that take a turn of the units that multiply, each as long as a multiply-add at the ceiling. An exponential: two for
 * the limits of its argument, two to split it into n·ln 2 + r, six for the polynomial and 2^n (the degree that f32 asks for); additions,
 * shifts and roundings have units of their own. A division keeps one of the two units for 3.5 cycles (measured: 3.4).
 */
const EXPONENTIAL = 10, DIVISION = 3.5;
const arithmetic: Readonly<Record<string, number>> = {
  Sigmoid: EXPONENTIAL + DIVISION,
  // Times alpha, times x.
  Swish: EXPONENTIAL + DIVISION + 2,
  // The largest and the scaling; x − max has no upper limit to see to.
  Softmax: EXPONENTIAL - 1 + 2,
  HardSwish: 4,
};

/** One layer: the best of its runs, and how near it comes to its bound. */
export interface WindowRow {
  readonly layer: string;
  readonly op: string;
  readonly x: Shape;
  readonly kernel: string;
  readonly error: number;
  readonly bestMs: number;
  /** 10^9 FLOPs a second of multiply-adds, 0 for operators without. */
  readonly gflops: number;
  /** 10^9 bytes a second of operands read and written once. */
  readonly gigabytesPerSecond: number;
  /**
   * What takes longest at best: multiply-adds at the ceiling, the other arithmetic of the operator (see `arithmetic`) at the same rate, or
   * a copy of as many bytes by the engine.
   */
  readonly bound: Bound;
  /** Time of the bound over time. */
  readonly boundFraction: number;
}

export interface WindowResults {
  readonly environment: Environment;
  readonly ceiling: Machine;
  readonly rows: readonly WindowRow[];
}

function graphOf({ name, op, x, attrs = {}, constants = [], other }: Layer): Graph {
  const random = randomFrom(1, name), tensors = new Map<string, Tensor>();
  const input = (own: string, dims: Shape) => ({ name: own, type: 'float32' as const, dims });
  const inputs = [input('x', x), ...(other ? [input('z', other)] : [])];
  const names = constants.map((given, i) => {
    if (!given) return '';
    const numbers = (shape: Shape): Tensor => new Tensor('float32', random.normals(new Float32Array(sizeOf(shape)), 0.3), shape);
    tensors.set(`c${i}`, given instanceof Tensor ? given : numbers(given));
    return `c${i}`;
  });
  return {
    name, inputs, outputs: [{ name: 'y', type: 'float32', dims: [] }], constants: tensors,
    nodes: [{ name, op, inputs: [...inputs.map((input) => input.name), ...names], outputs: ['y'], attrs }],
  };
}

/** Largest difference allowed, of the largest output. */
const TOLERANCE = 1e-5;

function errorOf(got: Tensor, want: Tensor, name: string): number {
  const [a, b] = [got.data as Float32Array, want.data as Float32Array];
  const largest = b.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const error = b.reduce((most, v, i) => Math.max(most, Number.isNaN(a[i] - v) ? Infinity : Math.abs(a[i] - v)), 0);
  if (a.length !== b.length || !(error <= TOLERANCE * largest)) throw new Error(`${name} is wrong by ${error}: nothing is timed`);
  return error;
}

/** Ms that the engine itself takes to copy half of `bytes`: it reads that half and writes as much. */
async function copyMs(bytes: number): Promise<number> {
  const from = new Float32Array(Math.ceil(bytes / 8)).fill(1), to = new Float32Array(from.length);
  return (await timeTogether({ copy: () => to.set(from) }, { samples: 15, minMs: 0.5, warmUpMs: 50 })).copy.minMs;
}

const LAYER_MS = 200;

async function measureLayer(layer: Layer, ceiling: Machine): Promise<WindowRow> {
  const graph = graphOf(layer), fixed = specialize(graph), backend = await createWasm(), optimized = optimize(fixed.graph, fixed.types);
  const plan = compile(backend, optimized, { tune: 'measure', memory: new TuneMemory(), tuneBudgetMs: Infinity });
  const feeds = Object.fromEntries(graph.inputs.map((input) => [input.name, fill(input, input.dims as number[], 'random', 1)]));
  const error = errorOf(plan.run(feeds).y, evaluate(fixed.graph, feeds).y, layer.name);
  const weights = [...graph.constants.values()].reduce((sum, { size }) => sum + size, 0);
  const elements = graph.inputs.reduce((sum, { dims }) => sum + sizeOf(dims as number[]), 0) + sizeOf(plan.layers.at(-1)!.shape) + weights;
  const flops = 2 * plan.layers.reduce((sum, { macs }) => sum + macs, 0), bytes = elements * 4;
  const floors: Readonly<Record<Bound, number>> = {
    FLOPs: flops / ceiling.gflops / 1e6, arithmetic: (2 * (arithmetic[layer.op] ?? 0) * sizeOf(layer.x)) / ceiling.gflops / 1e6,
    bytes: await copyMs(bytes),
  };
  const bound = (Object.keys(floors) as Bound[]).reduce((most, name) => (floors[name] > floors[most] ? name : most));
  let bestMs = Infinity;
  for (let start = performance.now(); performance.now() - start < LAYER_MS;) {
    bestMs = Math.min(bestMs, plan.profile(feeds).reduce((sum, ms) => sum + ms, 0));
  }
  const { kernel } = plan.layers[0];
  plan.dispose();
  backend.dispose();
  const rates = { gflops: flops / bestMs / 1e6, gigabytesPerSecond: bytes / bestMs / 1e6, boundFraction: floors[bound] / bestMs };
  return { layer: layer.name, op: layer.op, x: layer.x, kernel, error, bestMs, bound, ...rates };
}

const { write, only = '' } = parseArgs({ options: { write: { type: 'boolean' }, only: { type: 'string' } } }).values;
const device = await createWasm(), ceiling = await calibrate(device), rows: WindowRow[] = [];
for (const layer of layers.filter(({ name }) => name.includes(only))) {
  const row = await measureLayer(layer, ceiling);
  rows.push(row);
  const speed = row.gflops ? `${row.gflops.toFixed(1)} GFLOP/s` : `${row.gigabytesPerSecond.toFixed(1)} GB/s`;
  say([
    row.layer.padEnd(26), row.op.padEnd(18), row.x.join('×').padEnd(14), row.kernel.padEnd(26), row.error.toExponential(1),
    `${(row.bestMs * 1000).toFixed(0)} µs`.padStart(8), speed.padStart(14), `${row.boundFraction.toFixed(2)} of its ${row.bound}`,
  ].join('  '));
}
const results: WindowResults = { environment: environment(device), ceiling, rows };
say(`ceiling ${ceiling.gflops.toFixed(1)} GFLOP/s`);
if (write) put('bench/results/windows.json', linesJson({ ...results }));
