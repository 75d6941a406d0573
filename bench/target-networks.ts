import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Graph } from '../src/graph/graph.ts';
import { zoo, zooGraph, type ZooName } from '../src/graph/zoo/index.ts';
import { workOf } from '../src/measure/work.ts';
import { gainOf, type BrowserResults } from './browser-race.ts';
import { modelOf, root, say } from './files.ts';
import type { PeerRow } from './layer-race.ts';
import { prunedZoo } from './networks.ts';
import { race, type Edition } from './race.ts';
import { targetRow, type TargetRow, type Value } from './target-rows.ts';

interface Network {
  readonly name: string;
  readonly dense: () => Graph | Promise<Graph>;
  /** The pruned edition, and what its efficiency is meant to be. */
  readonly pruned?: (dense: Graph) => Graph | Promise<Graph>;
  readonly mask?: string;
  readonly target?: number;
  /** Of the samples asked for, where one run takes long. */
  readonly share?: number;
}

const zooNetwork = (name: ZooName, target?: number): Network => ({
  name: zoo[name].title, dense: () => zooGraph(name), target,
  ...(target !== undefined && { mask: '90 % unstructured', pruned: (dense: Graph) => prunedZoo(dense, { granularity: 'weight' }) }),
});

const networks: readonly Network[] = [
  {
    name: 'Face detector', mask: 'as published, in Node', dense: () => modelOf('face_detection_full_range'),
    pruned: () => modelOf('face_detection_full_range_sparse'),
  },
  zooNetwork('mobilenetv1', 0.75),
  zooNetwork('resnet18', 0.8),
  { ...zooNetwork('vgg16'), share: 0.5 },
];

interface Outcome {
  readonly name: string;
  /** Time of onnxruntime-web over ours, dense. */
  readonly ahead: number;
  readonly efficiency?: number;
}

async function outcomeOf({ name, dense, pruned, share = 1 }: Network, samples: number): Promise<Outcome> {
  say(`${name} …`);
  const whole = await dense(), sparse = await pruned?.(whole);
  const pruning: Edition[] = sparse ? [{ name: 'pruned', graph: sparse, alone: true }] : [];
  const editions: Edition[] = [{ name: 'dense', graph: whole, formats: ['dense'] }, ...pruning];
  const finishes = await race(editions, { peers: ['onnxruntime-web'], samples: Math.ceil(samples * share) });
  const ms = (engine: string, edition: string): number =>
    finishes.find((one) => one.engine === engine && one.edition === edition)?.time.medianMs ?? NaN;
  const ours = ms('burin', 'dense'), ahead = ms('onnxruntime-web', 'dense') / ours;
  if (!sparse) return { name, ahead };
  return { name, ahead, efficiency: ours / ms('burin', 'pruned') / workOf(sparse).totals.theoreticalSpeedup.masked! };
}

/** Whole networks in Node: the efficiency of pruned ones, and dense ones against onnxruntime-web. */
export async function networkTargets(samples: number): Promise<TargetRow[]> {
  const outcomes: (Outcome & { network: Network })[] = [];
  for (const network of networks) outcomes.push({ ...(await outcomeOf(network, samples)), network });
  const efficiencies = outcomes.filter(({ efficiency }) => efficiency !== undefined).flatMap(({ name, efficiency, network }) => {
    const group = { group: `${name}, ${network.mask}`, unit: 'efficiency', target: network.target ?? null } as const;
    return targetRow(group, 'relaxed', [{ name, value: efficiency! }]);
  });
  const group = { group: 'dense networks against onnxruntime-web', unit: 'faster', target: 1.3, each: true } as const;
  return [...efficiencies, ...targetRow(group, 'relaxed', outcomes.map(({ name, ahead }) => ({ name, value: ahead })))];
}

/** Dense layers against the faster of the other engines. */
export function peerTargets(rows: readonly PeerRow[]): TargetRow[] {
  const values = [...new Set(rows.map(({ layer }) => layer))].map((layer): Value => {
    const own = rows.filter((row) => row.layer === layer), ours = own.find(({ engine }) => engine === 'burin')!.medianMs;
    const theirs = own.filter(({ engine }) => engine !== 'burin').map(({ medianMs }) => medianMs);
    return { name: layer, value: Math.min(...theirs) / ours };
  });
  const name = 'dense layers against the faster of onnxruntime-web and tfjs-wasm';
  const group = { group: name, unit: 'faster', target: 1, each: true } as const;
  return targetRow(group, 'relaxed', values);
}

/** The pruned face detector in a browser. */
export function browserTargets(results: BrowserResults): TargetRow[] {
  const [ours, theirs] = ['burin', 'LiteRT.js'].map((engine) => gainOf(results, engine)), name = 'Face detector';
  const share = { group: `${name}, pruned, against LiteRT.js`, unit: 'time', target: 0.85, most: true } as const;
  const gain = { group: `${name}, as published, in Chromium`, unit: 'efficiency', target: 0.8 } as const;
  return [
    ...targetRow(share, 'relaxed', [{ name, value: ours.prunedMs / theirs.prunedMs }]),
    ...targetRow(gain, 'relaxed', [{ name, value: ours.efficiency }]),
  ];
}

/** Both binaries together. */
export function sizeTargets(): TargetRow[] {
  const sizes = ['burin.wasm', 'burin.relaxed.wasm'].map((name) => statSync(join(root, 'dist/src/backends', name)).size);
  const value = sizes.reduce((sum, bytes) => sum + bytes) / 1000;
  return targetRow({ group: 'both binaries', unit: 'kB', target: 100, most: true }, 'relaxed', [{ name: 'both', value }]);
}
