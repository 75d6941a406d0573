import { geometricMean } from '../src/measure/efficiency.ts';
import { number, percent, times } from '../src/measure/words.ts';
import { markdownTable, type Heading } from './markers.ts';
import { fastest, gainsOf, type Place, type RaceRow, type ShaderRow, type WebgpuResults } from './webgpu-rows.ts';

const left = (...heads: string[]): Heading[] => heads.map((head) => ({ head }));
const right = (...heads: string[]): Heading[] => heads.map((head) => ({ head, right: true }));

/** A table for every adapter and runtime that has rows, under its name. */
function byPlace<R extends Place>({ settings }: WebgpuResults, rows: readonly R[], tableOf: (own: readonly R[]) => string): string {
  return settings.flatMap(({ adapter, where, runtime, clock }) => {
    const own = rows.filter((row) => row.adapter === adapter && row.where === where);
    return own.length ? [`${adapter}, ${runtime} (${clock}):\n\n${tableOf(own)}`] : [];
  }).join('\n\n');
}

/** What patterns of zeros are worth to shaders, against the best dense one and against themselves with every position stored. */
export function webgpuTable(results: WebgpuResults): string {
  return byPlace(results, results.shaders, (rows) => {
    const dense = denseOf(rows), cases = dense.length;
    const cells = gainsOf(rows).map(({ way, density, gflops, theoretical, measured, efficiency, ofIdentity }) => [
      way, percent(1 - density), number(gflops), times(theoretical), times(measured), percent(efficiency),
      ofIdentity === null ? '' : percent(ofIdentity),
    ]);
    const heads = [...left('stored as'), ...right('zeros', 'GFLOP/s', 'promised', 'measured', 'of promise', 'of itself without zeros')];
    const first = ['dense', '', number(geometricMean(dense.map(({ gflops }) => gflops))), '', '', '', ''];
    const note = `Geometric means of ${cases} shape${cases === 1 ? '' : 's'}; GFLOP/s of useful work.`;
    return `${markdownTable(heads, [first, ...cells])}\n\n${note}`;
  });
}

/** The fastest dense shader of each shape. */
function denseOf(rows: readonly ShaderRow[]): ShaderRow[] {
  const dense = rows.filter(({ shader }) => shader.includes('_dense_'));
  return fastest(dense.map((row) => ({ ...row, way: 'dense' })));
}

/** Rows of one place as cells of a table. */
function racers(rows: readonly RaceRow[]) {
  const rivals = [...new Set(rows.filter(({ engine }) => engine !== 'burin').map(({ engine }) => engine))];
  const of = (name: string, engine: string): RaceRow | undefined => rows.find((row) => row.case === name && row.engine === engine);
  /** How many times as long as we another engine takes; undefined where it does not run that. */
  const ratio = (name: string, engine: string): number | undefined => {
    const [ours, theirs] = [of(name, 'burin')!, of(name, engine)];
    return theirs && theirs.medianMs / ours.medianMs;
  };
  return {
    rivals, ratio,
    names: (kind: RaceRow['kind']): string[] => [...new Set(rows.filter((row) => row.kind === kind).map((row) => row.case))],
    cells(label: string, name: string): string[] {
      const ours = of(name, 'burin')!, theirs = rivals.map((engine) => {
        const row = of(name, engine);
        return row ? `${number(row.medianMs)} (${times(row.medianMs / ours.medianMs)})` : '';
      });
      return [label, number(ours.gflops), number(ours.medianMs), ...theirs];
    },
  };
}

/** Dense layers in the mean, and the one on which another engine comes closest to ours, or is the furthest ahead. */
function layerRows({ rivals, ratio, names, cells }: ReturnType<typeof racers>): string[][] {
  const layers = names('layer');
  if (!layers.length) return [];
  const least = (name: string): number => Math.min(...rivals.flatMap((engine) => ratio(name, engine) ?? []));
  const worst = layers.reduce((a, b) => (least(b) < least(a) ? b : a));
  const means = rivals.map((engine) => times(geometricMean(layers.flatMap((name) => ratio(name, engine) ?? []))));
  return [[`${layers.length} dense layers, geometric mean`, '', '', ...means], cells(`the worst of them, ${worst}`, worst)];
}

/** Networks, and dense layers, in our session and in other engines on the same adapter. */
export function webgpuPeersTable(results: WebgpuResults): string {
  return byPlace(results, results.race, (rows) => {
    const found = racers(rows), { rivals, names, cells } = found;
    const versions = rivals.map((engine) => `${engine} ${rows.find((row) => row.engine === engine)!.version} ms`);
    const heads = [...left('network'), ...right('GFLOP/s', 'burin ms', ...versions)];
    const whole = names('network').map((name) => cells(name, name));
    return markdownTable(heads, [...whole, ...layerRows(found)]);
  });
}
