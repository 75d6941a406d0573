import type { Graph } from '../../src/graph/graph.ts';
import { prunableLayers, readWeight, type Layer } from '../../src/graph/layers.ts';
import type { Meter, Step, Timed } from '../../src/measure/budget/meter.ts';
import { randomFrom } from '../../src/random.ts';
import { fillOf } from '../../src/formats/occupancy.ts';
import { Tensor } from '../../src/tensor.ts';

/** Linear layers one after the other, x [1, widths[0]] → y, with normal weights; layer l is called `fc{l}`, its weight `w{l}`. */
export function chain(widths: readonly number[], options: { seed?: number; scale?: (l: number) => number } = {}): Graph {
  const { seed = 1, scale = () => 1 } = options;
  const random = randomFrom(seed, 'chain'), constants = new Map<string, Tensor>();
  const nodes = widths.slice(1).map((outputs, l) => {
    const inputs = widths[l];
    constants.set(`w${l}`, new Tensor('float32', random.normals(new Float32Array(outputs * inputs), scale(l)), [outputs, inputs]));
    constants.set(`b${l}`, new Tensor('float32', new Float32Array(outputs), [outputs]));
    const input = l === 0 ? 'x' : `x${l}`, output = l === widths.length - 2 ? 'y' : `x${l + 1}`;
    return { name: `fc${l}`, op: 'Linear', inputs: [input, `w${l}`, `b${l}`], outputs: [output], attrs: { min: 0 } };
  });
  return {
    name: 'chain', nodes, constants,
    inputs: [{ name: 'x', type: 'float32', dims: [1, widths[0]] }],
    outputs: [{ name: 'y', type: 'float32', dims: [1, widths.at(-1)!] }],
  };
}

export interface FakeDevice {
  /** ns a weight of each format; a format that is absent does not exist. */
  readonly rates: Readonly<Partial<Record<'dense' | 'csr' | 'bsr 4x1' | 'bsr 4x4' | 'nm 2:4', number>>>;
  /** ns of everything else. */
  readonly fixed?: number;
  /** How much longer the whole takes than its layers together, once something is pruned. */
  readonly surprise?: number;
  /** ms the dense network takes on the clock: what the device calls 1. */
  readonly denseMs?: number;
  /** Layers that have one kernel only. */
  readonly stubborn?: readonly string[];
  /** Layers that take so many times as long as others. */
  readonly weight?: (name: string) => number;
}

type Fill = { readonly rows: number; readonly cols: number };
const fills: Readonly<Record<string, Fill>> = { 'bsr 4x1': { rows: 4, cols: 1 }, 'bsr 4x4': { rows: 4, cols: 4 } };

function isWindowed(values: Float32Array): boolean {
  for (let at = 0; at + 4 <= values.length; at += 4) {
    let n = 0;
    for (let i = 0; i < 4; i++) if (values[at + i] !== 0) n++;
    if (n > 2) return false;
  }
  return values.length % 4 === 0;
}

/** What each format would store of a weight; Infinity where it does not fit. */
function stored(format: string, values: Float32Array, rows: number): number {
  const nonzero = values.reduce((count, value) => count + (value !== 0 ? 1 : 0), 0);
  if (format === 'dense') return values.length;
  if (format === 'csr') return nonzero;
  if (format === 'nm 2:4') return isWindowed(values) ? values.length / 2 : Infinity;
  const fill = fillOf({ rows, cols: values.length / rows, values }, fills[format]);
  return fill >= 0.65 ? nonzero / fill : Infinity;
}

/** A device without a clock: what a network takes follows from its zeros. */
export function fakeMeter(graph: Graph, device: FakeDevice): Meter & { readonly measured: Graph[]; released: boolean } {
  const { rates, fixed = 0, surprise = 1, denseMs = 10, stubborn = [], weight = () => 1 } = device;
  const measured: Graph[] = [];
  const stepOf = (of: Graph, layer: Layer, formats: readonly string[]): Step & { ns: number } => {
    const values = readWeight(of, layer), factor = weight(layer.name), rows = layer.dims[0];
    const usable = stubborn.includes(layer.name) ? ['dense'] : formats;
    const nsOf = (format: string): number => rates[format as 'csr']! * stored(format, values, rows) * factor;
    const ways = usable.map((format) => ({ format, ns: nsOf(format) }));
    const { format, ns } = ways.reduce((a, b) => (b.ns < a.ns ? b : a));
    const step = { name: layer.name, parts: [], format, kernel: `fake ${format}`, narrowed: false };
    return { ...step, time: 0, choosable: usable.length > 1, ns };
  };
  const timed = (of: Graph, formats: readonly string[], factor: number): Timed => {
    const steps = prunableLayers(of).map((layer) => stepOf(of, layer, formats)), whole = steps.reduce((sum, { ns }) => sum + ns, fixed);
    return { time: (whole * factor) / denseNs, steps: steps.map(({ ns, ...step }) => ({ ...step, time: ns / denseNs })) };
  };
  const denseNs = prunableLayers(graph).reduce((sum, layer) => sum + stepOf(graph, layer, ['dense']).ns, fixed);
  const result = {
    measured, released: false,
    environment: { runtime: 'test', engine: 'fake', cpu: 'none', threads: 1, simd: 'none' as const },
    denseMs: () => denseMs,
    dense: async () => timed(graph, ['dense'], 1),
    time: async (of: Graph) => {
      measured.push(of);
      return timed(of, Object.keys(rates), of === graph ? 1 : surprise);
    },
    clock: () => measured.length * 1000,
    release: () => { result.released = true; },
  };
  return result;
}
