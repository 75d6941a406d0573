import { explain, lossesOf } from '../../src/measure/explain.ts';
import type { LayerReport, Report, Totals } from '../../src/measure/record.ts';

const names = ['stem', 'block1', 'block2', 'block3', 'block4', 'block5', 'block6', 'block7', 'block8'];

function layer(
  name: string, op: string, size: number, macs: number,
  options: { sparsity?: number; format?: string; efficiency?: number; rate?: number } = {},
): LayerReport {
  const { sparsity = 0, format = 'dense', efficiency = 1, rate = 25e6 } = options;
  const nnz = Math.round(size * (1 - sparsity));
  const theoreticalSpeedup = nnz ? size / nnz : macs ? null : 1;
  const denseMs = macs ? macs / rate : 0.03 + size / 1e6;
  const measuredSpeedup = (theoreticalSpeedup ?? 50) * efficiency;
  const sparseMs = denseMs / measuredSpeedup;
  return {
    name, op, shape: [1, 24, 96, 96], format: size ? format : 'none', kernel: `f32_${format}_spmm_2x16_clamp`, sparsity,
    nnz, macs, denseMs, sparseMs, theoreticalSpeedup, measuredSpeedup,
    efficiency: theoreticalSpeedup && measuredSpeedup / theoreticalSpeedup, spread: { denseMs: denseMs * 0.02, sparseMs: sparseMs * 0.02 },
    candidates: nnz < size
      ? [{ format, kernel: 'f32', ms: sparseMs }, { format: format === 'dense' ? 'csr' : 'dense', kernel: 'f32', ms: denseMs }]
      : [],
  };
}

function block(name: string, i: number): LayerReport[] {
  return [
    layer(`model/backbone/${name}/depthwise_conv2d_${i}`, 'Conv', 9 * 32 * (i + 1), 0.9e6, { rate: 6e6 }),
    layer(`model/backbone/${name}/conv2d_${i}/project`, 'Conv', 4096 * (i + 1), 9e6 + i * 1e6, {
      sparsity: 0.55 + 0.045 * i, format: i === 2 ? 'dense' : ['csr', 'bsr', 'nm'][i % 3], efficiency: i === 2 ? 0.39 : 0.7 + 0.03 * i,
    }),
    layer(`model/backbone/${name}/add`, 'Add', 0, 0),
  ];
}

function totalsOf(layers: readonly LayerReport[]): Totals {
  const sum = (value: (l: LayerReport) => number): number => layers.reduce((total, l) => total + value(l), 0);
  const dense = sum((l) => l.macs);
  const masked = Math.round(sum((l) => l.macs * (1 - l.sparsity)));
  const [denseMs, sparseMs] = [sum((l) => l.denseMs) + 0.05, sum((l) => l.sparseMs) + 0.06];
  return {
    params: 536_120, nonzeroParams: 175_400, compressionRatio: 536_120 / 175_400,
    macs: { dense, masked, effective: masked, inBounds: Math.round(masked * 0.98) },
    theoreticalSpeedup: { masked: dense / masked, effective: dense / masked, inBounds: (0.985 * dense) / masked },
    denseMs, sparseMs, measuredSpeedup: denseMs / sparseMs, efficiency: denseMs / sparseMs / (dense / masked), maxAbsError: 3.1e-5,
  };
}

/** A report like that of a pruned detector, without a device. */
export function fakeReport(changes: Partial<Report> = {}): Report {
  const layers = [
    layer('model/stem & <first> conv', 'Conv', 864, 7.9e6, { rate: 12e6 }),
    ...names.flatMap(block),
    layer('model/gone', 'Conv', 1024, 1e6, { sparsity: 1, format: 'csr' }),
  ];
  const totals = totalsOf(layers);
  return {
    model: 'face_detection_full_range_sparse',
    environment: { runtime: 'Node 24.21', engine: 'burin 0.1.0 wasm', cpu: 'Intel Xeon', threads: 1, simd: 'relaxed' },
    samples: 30, spread: { denseMs: 0.11, sparseMs: 0.07 }, totals, layers,
    losses: lossesOf({ totals, layers }), explanation: explain({ totals, layers }),
    ...changes,
  };
}

/** The same with everything a report may carry. */
export function fullReport(changes: Partial<Report> = {}): Report {
  const sparsities = [0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98];
  return fakeReport({
    model: 'ppocr_cls',
    pruning: { criterion: 'magnitude', granularity: 'weight', scope: 'layer', sparsity: 0.9 },
    curve: sparsities.map((s) => ({ sparsity: s, theoretical: 1 / (1 - s), measured: 1 / (0.22 + 1.25 * (1 - s)) })),
    breakEven: 0.376,
    peers: [
      { name: 'onnxruntime-web', version: '1.30.0', denseMs: 14.2, sparseMs: 14.1 },
      { name: 'tfjs-wasm', version: '4.22.0', denseMs: 19.7, sparseMs: 19.9 },
    ],
    ...changes,
  });
}
