import type { BenchLayer, MaskName } from '../src/measure/cases.ts';
import { breakEvenOf } from '../src/measure/curve.ts';
import { geometricMean } from '../src/measure/efficiency.ts';
import type { KernelRow } from '../src/measure/kernels.ts';
import type { Environment } from '../src/measure/record.ts';
import type { Machine } from '../src/measure/roofline.ts';

/** One line of the table of targets. */
export interface TargetRow {
  readonly group: string;
  /** What the numbers are: a share, an efficiency (measured over theoretical speedup), a ratio of times, a sparsity, kB. */
  readonly unit: Unit;
  readonly simd: 'relaxed' | 'plain';
  readonly cases: number;
  /** None where the group is only told. */
  readonly target: number | null;
  /** Whether numbers are to be at least or at most the target. */
  readonly bound: 'least' | 'most';
  /** Geometric mean over the cases. */
  readonly mean: number;
  readonly worst: number;
  readonly worstCase: string;
  /** Whether the mean keeps the target, or the worst case where it is a promise for every case; null without a target. */
  readonly holds: boolean | null;
}

export const partNames = ['kernels', 'networks', 'browser'] as const;

/** Rows that were measured together, and where. */
export interface TargetRun {
  readonly part: (typeof partNames)[number];
  readonly simd: TargetRow['simd'];
  readonly environment: Environment;
  readonly ceiling?: Machine;
  readonly rows: readonly TargetRow[];
}

export interface TargetResults {
  readonly runs: readonly TargetRun[];
}

/** The newest of every part: what was run now, and what was run before where it was not run now. */
export function merged(before: readonly TargetRun[], now: readonly TargetRun[]): TargetRun[] {
  return [...before.filter((old) => !now.some(({ part, simd }) => part === old.part && simd === old.simd)), ...now];
}

export const units = {
  ceiling: 'of the FMA ceiling', efficiency: 'efficiency', faster: 'times as fast', time: 'of its time', sparsity: 'sparsity', kB: 'kB',
} as const;
export type Unit = keyof typeof units;

export interface Value {
  readonly name: string;
  readonly value: number;
}

export interface Group extends Pick<TargetRow, 'group' | 'unit' | 'target'> {
  readonly most?: true;
  /** Every case has to keep the target, not only the mean. */
  readonly each?: true;
}

/** A group's row, or none where nothing was measured for it. */
export function targetRow({ group, unit, target, most, each }: Group, simd: TargetRow['simd'], values: readonly Value[]): TargetRow[] {
  if (values.length === 0) return [];
  const worse = (a: Value, b: Value): Value => ((most ? b.value > a.value : b.value < a.value) ? b : a);
  const worst = values.reduce(worse), mean = geometricMean(values.map(({ value }) => value)), judged = each ? worst.value : mean;
  const holds = target === null ? null : most ? judged <= target : judged >= target;
  const bound = most ? 'most' : 'least';
  return [{ group, unit, simd, cases: values.length, target, bound, mean, worst: worst.value, worstCase: worst.name, holds }];
}

/** A measured kernel with what its case asked for. */
export interface Entry {
  readonly row: KernelRow;
  readonly layer: BenchLayer;
  /** 0 for dense. */
  readonly sparsity: number;
}

interface KernelGroup extends Group {
  readonly has: (entry: Entry) => boolean;
}

const isVector = ({ row }: Entry): boolean => row.n === 1;
const isDense = ({ row }: Entry): boolean => row.format === 'dense';

interface Where {
  readonly masks: readonly (MaskName | 'own')[];
  readonly from?: number;
  readonly to?: number;
  readonly vectors?: true;
}

/** Efficiency of the fastest sparse kernels on some masks between two sparsities, matrix × matrix unless `vectors`. */
const efficiency = (group: string, target: number | null, { masks, from = 0, to = 1, vectors = undefined }: Where): KernelGroup => ({
  group, unit: 'efficiency', target,
  has: (entry) => !isDense(entry) && isVector(entry) === (vectors === true) && masks.some((mask) => mask === entry.row.mask)
    && entry.sparsity >= from && entry.sparsity <= to,
});

const blocks = ['4x4', '8x8', '16x16', '32x32'] as const;
const any = ['unstructured', '2x1', '4x1', '6x1', ...blocks, '4x1+3%'] as const;

/** What kernels are to reach, by the fastest kernel of each case. */
export const kernelGroups: readonly KernelGroup[] = [
  {
    group: 'dense, K ≥ 256 and N ≥ 192', unit: 'ceiling', target: 0.95,
    has: (entry) => isDense(entry) && entry.row.k >= 256 && entry.row.n >= 192,
  },
  { group: 'dense, other matrix × matrix', unit: 'ceiling', target: null,
    has: (entry) => isDense(entry) && !isVector(entry) && (entry.row.k < 256 || entry.row.n < 192) },
  efficiency('unstructured, 50–80 %', 0.88, { masks: ['unstructured'], from: 0.5, to: 0.8 }),
  efficiency('unstructured, 90 %', 0.82, { masks: ['unstructured'], from: 0.9, to: 0.9 }),
  efficiency('unstructured, 95 %', 0.75, { masks: ['unstructured'], from: 0.95, to: 0.95 }),
  efficiency('unstructured, 98 %', 0.6, { masks: ['unstructured'], from: 0.98, to: 0.98 }),
  efficiency('2x1 blocks, 50–90 %', 0.9, { masks: ['2x1'], from: 0.5, to: 0.9 }),
  efficiency('4x1 blocks, 50–90 %', 0.95, { masks: ['4x1'], from: 0.5, to: 0.9 }),
  efficiency('6x1 blocks, 50–90 %', 0.97, { masks: ['6x1'], from: 0.5, to: 0.9 }),
  efficiency('4x4 to 32x32 blocks, 50–95 %', 0.95, { masks: blocks, from: 0.5, to: 0.95 }),
  efficiency('2:4 and 1:4', 0.85, { masks: ['2:4', '1:4'] }),
  efficiency('2:4 and 1:4, one list for 4 rows', null, { masks: ['2:4v4', '1:4v4'] }),
  efficiency('4x1 blocks and 3 % strays, 90 %', null, { masks: ['4x1+3%'] }),
  {
    ...efficiency('3x3 convolutions, any mask, 80–95 %', 0.8, { masks: any }),
    has: (entry) => entry.layer.kernel === 3 && !isDense(entry) && entry.sparsity >= 0.8 && entry.sparsity <= 0.95
      && any.some((mask) => mask === entry.row.mask),
  },
  efficiency('real matrices × 128 vectors', null, { masks: ['own'] }),
  efficiency('matrix × vector, unstructured, 50–98 %', null, { masks: ['unstructured'], from: 0.5, to: 0.98, vectors: true }),
  efficiency('matrix × vector, 4x1 and 4x4 blocks, 50–95 %', null, { masks: ['4x1', '4x4'], from: 0.5, to: 0.95, vectors: true }),
  efficiency('real matrices × vector', null, { masks: ['own'], vectors: true }),
];

/** The fastest dense and the fastest sparse kernel of each case. */
const fastest = (entries: readonly Entry[]): Entry[] => entries.filter(({ row }) => row.best && row.sparsity < 1);

/** Rows of the kernel groups, and the break-even of unstructured masks. */
export function kernelTargets(entries: readonly Entry[], simd: TargetRow['simd']): TargetRow[] {
  const best = fastest(entries);
  const rows = kernelGroups.flatMap((group) => targetRow(group, simd, best.filter(group.has).map(({ row }) => (
    { name: row.case, value: group.unit === 'ceiling' ? row.peakFraction : row.efficiency }))));
  const group: Group = { group: 'break-even of unstructured masks', unit: 'sparsity', target: 0.15, most: true };
  return [...rows, ...targetRow(group, simd, breakEvens(best))];
}

/** Only layers that were measured this low say something about the break-even. */
const LOW = 0.3;

/** From which sparsity on an unstructured mask pays, layer by layer. */
function breakEvens(best: readonly Entry[]): Value[] {
  const own = best.filter((entry) => entry.row.mask === 'unstructured' && !isVector(entry));
  return [...new Set(own.filter(({ sparsity }) => sparsity <= LOW).map(({ layer }) => layer))].map((layer) => {
    const points = own.filter((entry) => entry.layer === layer).sort((a, b) => a.sparsity - b.sparsity).map(({ row }) => (
      { sparsity: row.sparsity, theoretical: 1 / (1 - row.sparsity), measured: row.efficiency / (1 - row.sparsity) }));
    // Where the first point pays already the crossing lies below it; where the last does not, it lies nowhere.
    const pays = points.at(-1)!.measured >= 1;
    return { name: `${layer.network}.${layer.layer}`, value: breakEvenOf(points) ?? (pays ? points[0].sparsity : 1) };
  });
}

/** The efficiency of cases with one binary over that with another, case by case. */
export function ratioTargets(plain: readonly Entry[], relaxed: readonly Entry[]): TargetRow[] {
  const of = new Map(fastest(relaxed).filter((entry) => !isDense(entry)).map(({ row }) => [row.case, row.efficiency]));
  const values = fastest(plain).filter((entry) => !isDense(entry) && of.has(entry.row.case))
    .map(({ row }) => ({ name: row.case, value: row.efficiency / of.get(row.case)! }));
  return targetRow({ group: 'efficiency of plain SIMD over that of relaxed SIMD', unit: 'faster', target: 1 }, 'plain', values);
}
