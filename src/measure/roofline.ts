import { expect } from '../expect.ts';

/** What one run of something costs, whatever runs it. */
export interface Cost {
  /** Floating-point operations, 2 × multiply-adds. */
  readonly flops: number;
  /** Bytes that must move at least once: inputs, outputs, weights with their indices. */
  readonly bytes: number;
}

/** What the device can do at best, measured on it in the same run. */
export interface Machine {
  readonly gflops: number;
  /** 10^9 bytes a second. */
  readonly gigabytesPerSecond: number;
}

export interface LayerSize {
  /** Elements of all activations read and of the output. */
  readonly activations: number;
  /** Stored weights: every position of a dense layer, the kept ones of a sparse one. */
  readonly weights: number;
  /** Bytes of index beside one stored weight: 0 dense, 4 CSR, 4/(R·C) for blocks, 1/4 or less for N:M. */
  readonly indexBytes: number;
}

const floatBytes = 4;

/** Bytes a layer moves when everything is read and written exactly once, in f32. */
export function bytesMoved(layer: LayerSize): number {
  return layer.activations * floatBytes + layer.weights * (floatBytes + layer.indexBytes);
}

/** The least time the machine needs: arithmetic or memory, whichever takes longer (Williams, Waterman, Patterson 2009). */
export function rooflineMs(cost: Cost, machine: Machine): number {
  expect(machine.gflops > 0 && machine.gigabytesPerSecond > 0, {
    kind: 'argument', where: 'rooflineMs', needs: 'a peak and a bandwidth above 0',
    got: `${machine.gflops} GFLOP/s, ${machine.gigabytesPerSecond} GB/s`,
  });
  return Math.max(cost.flops / machine.gflops, cost.bytes / machine.gigabytesPerSecond) / 1e6;
}

/** The speedup the machine allows: dense roofline time over sparse. A list is a network, whose layers run one after another. */
export function rooflineSpeedup(dense: readonly Cost[], sparse: readonly Cost[], machine: Machine): number {
  const total = (costs: readonly Cost[]): number => costs.reduce((sum, cost) => sum + rooflineMs(cost, machine), 0);
  return total(dense) / total(sparse);
}
