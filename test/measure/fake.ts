import type { Weighed } from '../../src/graph/weigh.ts';
import type { Counted, Edition } from '../../src/measure/compare.ts';
import type { Candidate } from '../../src/measure/record.ts';
import type { Decision } from '../../src/runtime/choose.ts';
import { Tensor } from '../../src/tensor.ts';

export interface FakeLayer {
  readonly name: string;
  readonly ms: number;
  readonly format?: string;
  readonly nnz?: number;
  readonly size?: number;
  readonly macs?: number;
  readonly parts?: string[];
  readonly kernel?: string;
  readonly candidates?: readonly Candidate[];
  readonly narrowed?: Weighed;
  readonly decided?: Decision;
}

export interface FakeEdition extends Edition {
  /** How many runs each call of `profile` was asked for. */
  readonly asked: number[];
}

/** A session without a device: layers take the time they are told; the first run of a turn takes ten times as long. */
export function fakeEdition(layers: readonly FakeLayer[], output = [1, 2, 3], log: string[] = [], name = ''): FakeEdition {
  const asked: number[] = [];
  const total = layers.reduce((sum, layer) => sum + layer.ms, 0);
  return {
    asked,
    prepare: async () => layers.map(({ ms: _, ...layer }) => ({
      op: 'Conv', backend: 'fake', shape: [1, 8, 4, 4], format: 'dense', kernel: 'f32', nnz: 0, size: 0, macs: 0, parts: [], candidates: [],
      ...layer,
    })),
    run: async () => ({ y: new Tensor('float32', new Float32Array(output), [output.length]) }),
    profile: async (_feeds, options = {}) => {
      const samples = options.samples ?? 1;
      asked.push(samples);
      log.push(name);
      const factor = (i: number): number => (i === 0 && samples > 1 ? 10 : 1);
      const times = (ms: number): number[] => Array.from({ length: samples }, (_, i) => ms * factor(i));
      return { totalMs: times(total + 0.5), layerMs: layers.map((layer) => times(layer.ms)) };
    },
    environment: () => ({ runtime: 'test', engine: 'fake', cpu: 'none', threads: 1, simd: 'none' as const }),
  };
}

/** 1000 multiply-adds of which 400 remain. */
export const counted: Counted = {
  params: 100, nonzeroParams: 40, compressionRatio: 2.5,
  macs: { dense: 1000, masked: 400, effective: 400, inBounds: 390 },
  theoreticalSpeedup: { masked: 2.5, effective: 2.5, inBounds: 2.5 },
};

export const denseLayers: readonly FakeLayer[] = [
  { name: 'stem', ms: 1, nnz: 20, size: 20, macs: 200 },
  { name: 'a', ms: 4, nnz: 10, size: 40, macs: 400 },
  { name: 'b', ms: 4, nnz: 20, size: 40, macs: 400 },
  { name: 'pool', ms: 0.5 },
];

export const sparseLayers: readonly FakeLayer[] = [
  { name: 'stem', ms: 1, nnz: 20, size: 20, macs: 200 },
  { name: 'a', ms: 1.5, nnz: 10, size: 40, macs: 400, format: 'csr' },
  { name: 'b', ms: 4, nnz: 20, size: 40, macs: 400 },
  { name: 'pool', ms: 0.5 },
];
