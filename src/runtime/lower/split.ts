import type { Backend, Call, Work } from '../../backends/index.ts';
import { jobFor, parseKernel, type JobName } from '../../kernels.ts';
import type { Context } from './context.ts';
import { along, at, type Axis, type Job, type Range, type Rule, type Sharer } from './shares.ts';
import { cutMatmul, cutSpmv } from './split-product.ts';

// Calls become work for several threads. Every output is made by one thread in the same order of additions as by one thread alone,
// so results are the same bit for bit at any number of threads.

/** Floats of a cache line: threads do not share one. */
const LINE = 16;

/** See {@link Sharer.leastNs}. */
const LEAST_NS = 2000;

const strides = (job: Job, [from]: Range, bytes: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(bytes).map(([field, step]) => [field, (at(job, field) + from * step) >>> 0]));

/** An address that may be absent, moved. */
const moveOptional = (job: Job, field: string, bytes: number): number => at(job, field) && at(job, field) + bytes;

/** A distance from an output to something else, for an output that was moved. */
const otherDistance = (job: Job, field: string, from: number, to: number): number =>
  at(job, field) && (at(job, field) + from - to) >>> 0;

const unary = (job: Job): Axis => {
  const length = at(job, 'length');
  return {
    pieces: Math.ceil(length / LINE), ns: length * 0.3,
    part: (range) => ({
      ...strides(job, range, { x: LINE * 4, y: LINE * 4 }), length: Math.min(length, range[1] * LINE) - range[0] * LINE,
    }),
  };
};

/** Rows are written one after the other: the axis to cut is the outermost. */
const binary = (job: Job): Axis => {
  const lengths = ['n0', 'n1', 'n2', 'n3'].map((field) => at(job, field));
  const d = Math.max(0, lengths.findIndex((length) => length > 1)), unit = d === 3 ? LINE : 1;
  const inner = lengths.slice(d + 1).reduce((a, b) => a * b, 1), total = inner * lengths[d], steps = (range: Range, y: number): Job => ({
    ...strides(job, range, { a: at(job, `a${d}`) * unit, b: at(job, `b${d}`) * unit }),
    y, [`n${d}`]: Math.min(lengths[d], range[1] * unit) - range[0] * unit,
  });
  const part = (range: Range): Job => steps(range, at(job, 'y') + range[0] * unit * inner * 4);
  const exact = d === 3 || lengths[3] % 4 === 0;
  return {
    pieces: Math.ceil(lengths[d] / unit), ns: total * 0.3, part,
    overrun: exact ? undefined : { pieceBytes: inner * 4, dst: at(job, 'y'), moved: steps },
  };
};

/** Any axis will do: the outermost of those long enough to be shared well, or else the longest. */
const copy = (job: Job, { threads }: Sharer): Axis => {
  const lengths = Array.from({ length: 6 }, (_, d) => at(job, `n${d}`)), total = lengths.reduce((a, b) => a * b, 1);
  const long = lengths.findIndex((length) => length >= 4 * threads), d = long < 0 ? lengths.indexOf(Math.max(...lengths)) : long;
  const unit = d === 5 ? LINE : 1;
  return {
    pieces: Math.ceil(lengths[d] / unit), ns: total * (at(job, 's5') === 4 && at(job, 'd5') === 4 ? 0.3 : 1),
    part: (range) => ({
      ...strides(job, range, { src: at(job, `s${d}`) * unit, dst: at(job, `d${d}`) * unit }),
      [`n${d}`]: Math.min(lengths[d], range[1] * unit) - range[0] * unit,
    }),
  };
};

const alongAxis = (job: Job, kernel: string): Axis => {
  const [outer, length, inner] = ['outer', 'length', 'inner'].map((field) => at(job, field));
  const softmax = parseKernel(kernel).op === 'softmax';
  const y = (softmax ? length * inner : inner) * 4;
  const steps = (range: Range, to: number): Job =>
    ({ ...strides(job, range, { x: length * inner * 4 }), y: to, outer: range[1] - range[0] });
  const exact = softmax ? inner > 4 || (inner === 1 && length % 8 === 0) : inner === 1 || inner % 4 === 0;
  return {
    pieces: outer, ns: outer * length * inner * (softmax ? 2 : 0.4), part: (range) => steps(range, at(job, 'y') + range[0] * y),
    overrun: exact ? undefined : { pieceBytes: y, dst: at(job, 'y'), moved: steps },
  };
};

const resize = (job: Job, sharer: Sharer): Axis => {
  const planes = at(job, 'planes'), pixels = at(job, 'outHeight') * at(job, 'outWidth');
  return {
    pieces: planes, ns: planes * pixels * 1.5,
    part: (range) => ({
      ...strides(job, range, { x: at(job, 'plane'), y: pixels * 4 }), planes: range[1] - range[0],
      between: sharer.scratch(at(job, 'width') * 4 + 64),
    }),
  };
};

/** Floats of a padded plane. */
const planeFloats = (job: Job): number => at(job, 'rows') * at(job, 'phases') * at(job, 'phaseWidth');

const pad = (job: Job): Axis => {
  const channels = at(job, 'channels'), floats = planeFloats(job);
  const steps = (range: Range, dst: number): Job =>
    ({ ...strides(job, range, { src: at(job, 'height') * at(job, 'width') * 4 }), dst, channels: range[1] - range[0] });
  return {
    pieces: channels, ns: channels * floats * 0.3, part: (range) => steps(range, at(job, 'dst') + range[0] * floats * 4),
    overrun: { pieceBytes: floats * 4, dst: at(job, 'dst'), moved: steps },
  };
};

/** Widest strip of pixels that a window kernel writes at once: rows of a multiple of it end where they should. */
const STRIP = 16;

/** Planes that read the same input plane stay together. */
const window = (job: Job, sharer: Sharer, kernel: string): Axis => {
  const multiplier = at(job, 'multiplier'), pixels = at(job, 'outHeight') * at(job, 'outWidth');
  // The 5x5 kernel wants each weight four times.
  const tapBytes = kernel === 'f32_depthwise_5x5' ? 16 : 4;
  const taps = at(job, 'kernelHeight') * at(job, 'kernelWidth'), weightBytes = multiplier * taps * tapBytes;
  const padJob = job.padJob as Call | 0, planes = at(job, 'channels') / multiplier, pieceBytes = pixels * multiplier * 4;
  const ownPlane = (): Call | 0 => padJob && {
    ...padJob, job: { ...padJob.job, dst: sharer.scratch(planeFloats(padJob.job) * 4) },
  };
  const steps = (range: Range, dst: number): Job => ({
    ...strides(job, range, { src: at(job, 'srcPlane') }), dst, channels: (range[1] - range[0]) * multiplier, padJob: ownPlane(),
    weights: moveOptional(job, 'weights', range[0] * weightBytes), bias: moveOptional(job, 'bias', range[0] * multiplier * 4),
    residual: otherDistance(job, 'residual', at(job, 'dst') + range[0] * pieceBytes, dst),
  });
  return {
    pieces: planes, ns: planes * multiplier * pixels * (0.3 + taps * 0.1),
    part: (range) => steps(range, at(job, 'dst') + range[0] * pieceBytes),
    overrun: at(job, 'outWidth') % STRIP === 0 ? undefined : { pieceBytes, dst: at(job, 'dst'), moved: steps },
  };
};

const scatter = (job: Job): Axis => {
  const columns = ['kernelHeight', 'kernelWidth', 'height', 'width'].reduce((product, field) => product * at(job, field), 1);
  const pixels = at(job, 'outHeight') * at(job, 'outWidth'), channels = at(job, 'channels');
  return {
    pieces: channels, ns: channels * (columns + pixels),
    part: (range) => ({
      ...strides(job, range, { columns: columns * 4, y: pixels * 4 }), channels: range[1] - range[0],
      bias: moveOptional(job, 'bias', range[0] * 4),
    }),
  };
};

const crop = (job: Job): Axis => {
  const rows = at(job, 'rows'), pixels = at(job, 'height') * at(job, 'width');
  return {
    pieces: rows, ns: rows * pixels * 0.3,
    part: (range) => ({ ...strides(job, range, { src: at(job, 'srcPlane'), dst: pixels * 4 }), rows: range[1] - range[0] }),
  };
};

const packLeft = (job: Job): Axis => {
  const rows = at(job, 'rows'), depth = at(job, 'depth'), unit = at(job, 'blockRows');
  return {
    pieces: Math.ceil(rows / unit), ns: rows * depth,
    part: (range) => ({
      ...strides(job, range, { src: at(job, 'rowStride') * unit, dst: depth * unit * 4 }),
      rows: Math.min(rows, range[1] * unit) - range[0] * unit,
    }),
  };
};

/** How the work of each record is cut; one that is not here stays whole. */
const rules: Readonly<Partial<Record<JobName, Rule>>> = {
  MatmulJob: cutMatmul,
  SpmvJob: cutSpmv,
  WindowJob: along(window),
  PadJob: along(pad),
  CropJob: along(crop),
  UnaryJob: along(unary),
  BinaryJob: along(binary),
  CopyJob: along(copy),
  AxisJob: along((job, _sharer, kernel) => alongAxis(job, kernel)),
  ResizeJob: along(resize),
  ScatterJob: along(scatter),
  PackRowsJob: along(packLeft),
};

/** What cutting asks of a lowering's context. */
export interface SplitContext extends Pick<Context, 'scratch' | 'upload'> {
  readonly backend: Pick<Backend, 'threads' | 'bytes'>;
}

/**
 * The calls of a step as work for the threads of its backend. Parts have scratch memory of their own. `leastNs` is the time that a call
 * must take to be cut.
 */
export function split(ctx: SplitContext, calls: readonly Call[], leastNs = LEAST_NS): readonly Work[] {
  const { threads } = ctx.backend;
  if (threads === 1) return calls;
  const sharer: Sharer = {
    threads, leastNs, scratch: (bytes) => ctx.scratch(bytes), upload: (key, make) => ctx.upload(key, make),
    words(address, count) {
      const bytes = ctx.backend.bytes(address, count * 4);
      return new Uint32Array(bytes.buffer, bytes.byteOffset, count).slice();
    },
  };
  return calls.map((call) => {
    const kernel = parseKernel(call.kernel);
    return (kernel.op === 'peak' ? undefined : rules[jobFor(kernel)]?.(sharer, call)) ?? call;
  });
}
