import { geometricMean } from '../src/measure/efficiency.ts';

/** Where a row is from: an adapter as it calls itself, and what stood between it and us. */
export interface Place {
  readonly adapter: string;
  readonly where: 'Node' | 'Chromium';
}

/** One shader on one shape. */
export interface ShaderRow extends Place {
  readonly case: string;
  /** How the weights are stored. */
  readonly way: string;
  readonly shader: string;
  readonly density: number;
  readonly ms: number;
  /** Useful work, 2 · kept weights · columns. */
  readonly gflops: number;
  readonly maxError: number;
  /** GFLOP/s over those of the same shader with every position stored; over those of the best dense shader. */
  readonly ofIdentity?: number;
  readonly ofDense?: number;
}

/** A dense layer, or a whole network, in one engine; inputs and outputs on the device. */
export interface RaceRow extends Place {
  readonly kind: 'layer' | 'network';
  readonly case: string;
  readonly engine: string;
  readonly version: string;
  readonly medianMs: number;
  readonly minMs: number;
  readonly spreadMs: number;
  /** Of the useful work, at the median. */
  readonly gflops: number;
  /** Largest difference from our outputs. */
  readonly maxError: number;
  /** Ours: the shader of a layer. */
  readonly shader?: string;
}

/** What a place runs on, in words. */
export interface Setting extends Place {
  readonly runtime: string;
  readonly clock: 'timestamp queries' | 'fences';
}

export interface WebgpuResults {
  readonly settings: readonly Setting[];
  readonly shaders: readonly ShaderRow[];
  readonly race: readonly RaceRow[];
}

const placeOf = ({ adapter, where }: Place): string => `${adapter}|${where}`;

/** Rows with those measured anew in the place of those of the same case in the same place; all others stay. */
function replaced<R extends Place>(old: readonly R[], fresh: readonly R[], keyOf: (row: R) => string): R[] {
  const key = (row: R): string => `${placeOf(row)}|${keyOf(row)}`, measured = new Set(fresh.map(key));
  const all = [...old.filter((row) => !measured.has(key(row))), ...fresh];
  // One place after the other, so that a figure is found where it was.
  const places = [...new Set(all.map(placeOf))].sort();
  return places.flatMap((place) => all.filter((row) => placeOf(row) === place));
}

/** Results with those of another run: what was measured of other adapters, in other runtimes, and of other cases stays. */
export function mergedResults(old: WebgpuResults | undefined, fresh: WebgpuResults): WebgpuResults {
  return {
    settings: replaced(old?.settings ?? [], fresh.settings, () => ''),
    shaders: replaced(old?.shaders ?? [], fresh.shaders, (row) => row.case),
    race: replaced(old?.race ?? [], fresh.race, (row) => `${row.kind} ${row.case}`),
  };
}

/** Of rows of one shape: with each row's shares of the identity run and of the best dense shader. */
export function compared(rows: readonly ShaderRow[]): ShaderRow[] {
  const dense = Math.max(0, ...rows.filter(({ shader }) => shader.includes('_dense_')).map(({ gflops }) => gflops));
  return rows.map((row) => {
    const full = rows.find(({ way, shader, density }) => way === row.way && shader === row.shader && density === 1);
    const share = full && row.density < 1 && { ofIdentity: row.gflops / full.gflops };
    return { ...row, ...share, ...(dense > 0 && { ofDense: row.gflops / dense }) };
  });
}

/** The fastest shader of every way to store a shape, by density. */
export function fastest(rows: readonly ShaderRow[]): ShaderRow[] {
  const best = new Map<string, ShaderRow>();
  for (const row of rows) {
    const key = `${placeOf(row)}|${row.case}|${row.way}|${row.density}`, other = best.get(key);
    if (!other || row.ms < other.ms) best.set(key, row);
  }
  return [...best.values()];
}

/** What one pattern at one density is worth, in the geometric mean of the shapes. */
export interface PatternGain {
  readonly way: string;
  readonly density: number;
  readonly cases: number;
  /** Of useful work. */
  readonly gflops: number;
  /** Against the best dense shader. */
  readonly theoretical: number;
  readonly measured: number;
  readonly efficiency: number;
  /** Of the same shader with every position stored; null where it cannot store every one. */
  readonly ofIdentity: number | null;
}

/** Of the rows of one place. */
export function gainsOf(rows: readonly ShaderRow[]): PatternGain[] {
  const sparse = fastest(rows).filter(({ density, ofDense }) => density < 1 && ofDense);
  const keyOf = ({ way, density }: ShaderRow): string => `${way}|${density}`;
  return [...new Set(sparse.map(keyOf))].map((key) => {
    const own = sparse.filter((row) => keyOf(row) === key), [{ way, density }] = own;
    const mean = (of: (row: ShaderRow) => number | undefined): number | null => {
      const values = own.flatMap((row) => of(row) ?? []);
      return values.length ? geometricMean(values) : null;
    };
    const efficiency = mean(({ ofDense }) => ofDense)!;
    return {
      way, density, cases: own.length, gflops: mean(({ gflops }) => gflops)!, theoretical: 1 / density, measured: efficiency / density,
      efficiency, ofIdentity: mean(({ ofIdentity }) => ofIdentity),
    };
  });
}
