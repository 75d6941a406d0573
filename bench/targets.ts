// What the kernels, whole networks and the browser reach of what they are meant to reach: one row a group of cases.
// --part kernels,networks,browser (all when absent), --simd plain for the kernels of the other binary, --samples N;
// --write puts the rows into bench/results/targets.json in place of those of the same parts. Six minutes.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createWasm } from '../src/backends/wasm.ts';
import { expect } from '../src/expect.ts';
import { matrixCases, type BenchCase } from '../src/measure/cases.ts';
import { benchKernels } from '../src/measure/kernels.ts';
import { textTable, type TableColumn } from '../src/report/text.ts';
import { environment } from '../src/runtime/environment.ts';
import { hasChromium } from '../test/browser/chromium.ts';
import { browserRace } from './browser-race.ts';
import { linesJson, print, put, root, say, sharedMatrices, width } from './files.ts';
import { peerRows } from './layer-race.ts';
import { browserTargets, networkTargets, peerTargets, sizeTargets } from './target-networks.ts';
import { bothCases, peerLayers, targetCases } from './target-cases.ts';
import {
  kernelTargets, merged, partNames, ratioTargets, units, type Entry, type TargetResults, type TargetRow, type TargetRun,
} from './target-rows.ts';

type Simd = TargetRow['simd'];

/** Some rows of every output are compared: all of them would take longer than what is measured. */
const CHECKED_MACS = 2e7;

type Measured = Omit<TargetRun, 'rows'> & { readonly entries: readonly Entry[] };

async function entriesOf(cases: readonly BenchCase[], simd: Simd, samples: number): Promise<Measured> {
  const backend = await createWasm({ simd }), total = new Set(cases.map(({ layer }) => layer)).size, start = performance.now();
  let done = 0;
  try {
    const { rows, ceiling, environment: place } = await benchKernels(cases, {
      backend, samples, checkedMacs: CHECKED_MACS,
      onRows: ([first]) => {
        const seconds = ((performance.now() - start) / 1000).toFixed(0).padStart(4);
        if (first?.mask === 'none') say(`${seconds} s  ${simd} SIMD, layer ${++done} of ${total}: ${first.case.replace(/ dense$/, '')}`);
      },
    });
    const byName = new Map(cases.map((one) => [one.name, one]));
    const byLayer = new Map(cases.map(({ layer }) => [`${layer.network}.${layer.layer} dense`, layer]));
    const entries = rows.map((row): Entry => (
      { row, layer: byName.get(row.case)?.layer ?? byLayer.get(row.case)!, sparsity: byName.get(row.case)?.sparsity ?? 0 }));
    return { part: 'kernels', simd, environment: place, ceiling, entries };
  } finally {
    backend.dispose();
  }
}

async function kernels(simd: Simd, samples: number): Promise<TargetRun> {
  const { entries, ...run } = await entriesOf([...targetCases, ...matrixCases(await sharedMatrices())], simd, samples);
  const rows = kernelTargets(entries, simd);
  if (simd === 'plain') return { ...run, rows };
  const plain = await entriesOf(bothCases, 'plain', samples);
  const peers = [];
  for (const layer of peerLayers) peers.push(...(await peerRows(layer)));
  return { ...run, rows: [...rows, ...ratioTargets(plain.entries, entries), ...peerTargets(peers), ...sizeTargets()] };
}

async function networks(samples: number): Promise<TargetRun> {
  const backend = await createWasm(), place = environment(backend);
  backend.dispose();
  return { part: 'networks', simd: 'relaxed', environment: place, rows: await networkTargets(samples) };
}

async function browser(samples: number): Promise<TargetRun[]> {
  if (!hasChromium('the face detector in a browser')) return [];
  const results = await browserRace({ samples });
  return [{ part: 'browser', simd: 'relaxed', environment: results.environment, rows: browserTargets(results) }];
}

/** Names of groups and cases side by side need this much. */
const WIDE = 170;

function table(rows: readonly TargetRow[]): string {
  const column = (head: string, cell: (row: TargetRow) => string, right = true): TableColumn =>
    ({ head, cells: rows.map(cell), right, spare: 0 });
  return textTable([
    column('group', ({ group }) => group, false),
    column('cases', ({ cases }) => `${cases}`),
    column('target', ({ target, bound }) => (target === null ? '' : `${bound === 'most' ? '≤' : '≥'} ${target}`)),
    column('mean', ({ mean }) => mean.toPrecision(3)),
    column('', ({ unit }) => units[unit], false),
    column('holds', ({ holds }) => (holds === null ? '' : holds ? 'yes' : 'no'), false),
    column('worst', ({ worst }) => worst.toPrecision(3)),
    column('', ({ worstCase }) => worstCase, false),
  ], Math.max(width, WIDE));
}

const path = 'bench/results/targets.json';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { part: { type: 'string' }, simd: { type: 'string' }, samples: { type: 'string' }, write: { type: 'boolean' } },
  });
  const simd = (values.simd ?? 'relaxed') as Simd, plain = simd === 'plain', samples = Number(values.samples ?? 12);
  const parts = values.part?.split(',') ?? (plain ? ['kernels'] : [...partNames]);
  const known = parts.every((part) => partNames.some((name) => name === part)) && ['plain', 'relaxed'].includes(simd);
  const got = `${parts} and ${simd}`;
  expect(known, { kind: 'argument', where: 'targets', needs: `parts of ${partNames.join()}, plain or relaxed SIMD`, got });
  const runs: TargetRun[] = [];
  if (parts.includes('kernels')) runs.push(await kernels(simd, samples));
  if (parts.includes('networks')) runs.push(await networks(samples));
  if (parts.includes('browser')) runs.push(...(await browser(3 * samples)));
  print(table(runs.flatMap(({ rows }) => rows)));
  if (!values.write) return;
  const before = existsSync(join(root, path)) ? (JSON.parse(readFileSync(join(root, path), 'utf8')) as TargetResults).runs : [];
  print(`\nwritten: ${put(path, linesJson({ runs: merged(before, runs) }))}`);
}

await main();
