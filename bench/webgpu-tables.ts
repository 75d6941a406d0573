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
    return `${markdownTable(heads, [first, ...cells])}\n\nGeometric means of ${cases} shape${cases === 1 ? '' : 's'}; GFLOP/s of useful work.`;
  });
}

/** The fastest dense shader of each shape. */
function denseOf(rows: readonly ShaderRow[]): ShaderRow[] {
  const dense = rows.filter(({ shader }) => shader.includes('_dense_'));
  return fastest(dense.map((row) => ({ ...row, way: 'dense' })));
}

/** Networks, and dense layers in the mean and at the worst, in our session and in other engines on the same adapter. */
export function webgpuPeersTable(results: WebgpuResults): string {
  return byPlace(results, results.race, (rows) => {
    const rivals = [...new Set(rows.filter(({ engine }) => engine !== 'burin').map(({ engine }) => engine))];
    const of = (name: string, engine: string): RaceRow | undefined => rows.find((row) => row.case === name && row.engine === engine);
    const cellsOf = (label: string, name: string): string[] => {
      const ours = of(name, 'burin')!, theirs = rivals.map((engine) => {
        const ms = of(name, engine)?.medianMs;
        return ms === undefined ? '' : `${number(ms)} (${times(ms / ours.medianMs)})`;
      });
      return [label, number(ours.gflops), number(ours.medianMs), ...theirs];
    };
    const named = (kind: RaceRow['kind']): string[] => [...new Set(rows.filter((row) => row.kind === kind).map((row) => row.case))];
    const layers = named('layer'), ratio = (name: string, engine: string): number =>
      (of(name, engine)?.medianMs ?? Infinity) / of(name, 'burin')!.medianMs;
    const finite = (engine: string): number[] => layers.map((name) => ratio(name, engine)).filter(Number.isFinite);
    const least = (name: string): number => Math.min(...rivals.map((engine) => ratio(name, engine)));
    const mean = [`${layers.length} dense layers, geometric mean`, '', '', ...rivals.map((engine) => times(geometricMean(finite(engine))))];
    const worst = layers.length ? layers.reduce((a, b) => (least(b) < least(a) ? b : a)) : '';
    const heads = [
      ...left('network'), ...right('GFLOP/s', 'burin ms'),
      ...right(...rivals.map((engine) => `${engine} ${rows.find((row) => row.engine === engine)!.version} ms`)),
    ];
    const cells = named('network').map((name) => cellsOf(name, name));
    return markdownTable(heads, layers.length ? [...cells, mean, cellsOf(`the worst of them, ${worst}`, worst)] : cells);
  });
}
