import type { Backend, Call } from '../backends/index.ts';
import { expect } from '../expect.ts';
import type { Machine } from './roofline.ts';
import { timeTogether } from './time.ts';

/** FLOPs of one round of the kernel `f32_peak`: twelve vectors of four multiply-adds. */
const PEAK_FLOPS = 96;
/** Rounds that take about a millisecond. */
const PEAK_ROUNDS = 500_000;
/** Bytes of a matrix that no cache of a client device holds. */
const MATRIX_BYTES = 128 * 2 ** 20;
const MATRIX_COLS = 4096;

function peakCall(y: number): Call {
  return { kernel: 'f32_peak', job: { length: PEAK_ROUNDS, a: 0.5, b: 0.25, y } };
}

const peakGflops = (ms: number): number => (PEAK_FLOPS * PEAK_ROUNDS) / ms / 1e6;

/** Multiply-adds on registers alone, to be timed in turns with kernels: machines slow down and recover between two measurements. */
export interface Ceiling {
  readonly run: () => void;
  /** 10^9 FLOPs a second of a run that took `ms`. */
  readonly gflops: (ms: number) => number;
  readonly dispose: () => void;
}

/** @throws BurinError `device` on a backend without the kernel */
export function ceilingOf(backend: Backend): Ceiling {
  expectKernels(backend, ['f32_peak']);
  const y = backend.alloc(16), program = backend.program([peakCall(y)]);
  return {
    run: () => program.run(), gflops: peakGflops,
    dispose: () => {
      program.dispose();
      backend.free(y);
    },
  };
}

function expectKernels(backend: Backend, kernels: readonly string[]): void {
  for (const kernel of kernels) {
    const needs = `a backend with the kernel ${kernel}`;
    expect(backend.kernels.has(kernel), { kind: 'device', where: 'calibrate', needs, got: backend.name });
  }
}

/** y = A·x with a dense A larger than the caches: its time is that of reading A once. */
function streamCall(values: number, x: number, y: number): Call {
  const rows = MATRIX_BYTES / 4 / MATRIX_COLS;
  const matrix = { values, run: 1, blocks: rows, blockRows: 1, rows, cols: MATRIX_COLS };
  return { kernel: 'f32_dense_spmv', job: { ...matrix, x, y, min: -Infinity, max: Infinity } };
}

/**
 * What this device can do at best on one thread, measured now: the ceiling of multiply-adds on registers alone, and the bandwidth of
 * reading memory that no cache holds. Fastest of several runs; about half a second.
 * @throws BurinError `device` on a backend without the kernels (the reference backend)
 */
export async function calibrate(backend: Backend): Promise<Machine> {
  expectKernels(backend, ['f32_peak', 'f32_dense_spmv']);
  const rows = MATRIX_BYTES / 4 / MATRIX_COLS;
  const [values, x, y] = [MATRIX_BYTES, MATRIX_COLS * 4, rows * 4].map((bytes) => backend.alloc(bytes));
  const programs = [peakCall(y), streamCall(values, x, y)].map((call) => backend.program([call]));
  try {
    const [peak, stream] = programs;
    const { flops, bytes } = await timeTogether({ flops: () => peak.run(), bytes: () => stream.run() }, { samples: 10, minMs: 1 });
    return { gflops: peakGflops(flops.minMs), gigabytesPerSecond: MATRIX_BYTES / bytes.minMs / 1e6 };
  } finally {
    for (const program of programs) program.dispose();
    for (const address of [values, x, y]) backend.free(address);
  }
}
