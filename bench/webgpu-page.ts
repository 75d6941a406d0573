// The part of bench/webgpu that runs in a page.
import { zooGraph, type ZooName } from '../src/graph/zoo/index.ts';
import { readModel } from '../src/io/index.ts';
import { plainGraph } from './plain-layer.ts';
import { ortWebgpu } from './peers/ort-webgpu.ts';
import { raceLayers, raceNetworks, shapes, type RaceNetwork, type Scale } from './webgpu-cases.ts';
import { gpuRace } from './webgpu-race.ts';
import type { RaceRow, Setting, ShaderRow } from './webgpu-rows.ts';
import { openBench, scaleOf, settingOf, shaderRows, type Bench, type Wish } from './webgpu-shaders.ts';

let bench: Bench | undefined;

/** The adapter's device, for as long as the page lives. @param wasm where files of ONNX Runtime are served */
export async function open(runtime: string, wasm: string): Promise<Setting> {
  bench = await openBench('Chromium');
  ortWebgpu.start(wasm);
  return settingOf(bench, runtime);
}

const opened = (): Bench => {
  if (!bench) throw new Error('call open first');
  return bench;
};

export const scale = (): Promise<Scale> => scaleOf(opened());

export function shaders(of: Scale, name: string, wish: Wish): Promise<ShaderRow[]> {
  return shaderRows(opened(), shapes[of].find((shape) => shape.name === name)!, wish);
}

export function layer(of: Scale, name: string, samples: number): Promise<RaceRow[]> {
  const found = raceLayers[of].find((one) => `${one.network}.${one.layer}` === name)!;
  return gpuRace({ kind: 'layer', name, graph: plainGraph(found), samples }, opened().place);
}

export async function network(of: Scale, name: string, samples: number): Promise<RaceRow[]> {
  const found: RaceNetwork = raceNetworks[of].find((one) => one.name === name)!;
  const graph = 'zoo' in found
    ? zooGraph(found.zoo as ZooName, { input: found.input })
    : await readModel(new Uint8Array(await (await fetch(found.file)).arrayBuffer()), { name });
  return gpuRace({ kind: 'network', name, graph, samples }, opened().place);
}
