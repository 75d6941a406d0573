// Dense layers and whole networks in our session, in ONNX Runtime Web and in TensorFlow.js, all on WebGPU, in turns in one page:
// the same graph, inputs and outputs on the device, every run ended by the device's word that its work is done.
import { BurinError } from '../src/expect.ts';
import type { Graph } from '../src/graph/graph.ts';
import { maxAbsErrorOf } from '../src/measure/agree.ts';
import { fill, shapeOf } from '../src/measure/feeds.ts';
import { timeTogether } from '../src/measure/time.ts';
import { workOf } from '../src/measure/work.ts';
import { burinWebgpu } from './peers/burin-webgpu.ts';
import { ortWebgpu } from './peers/ort-webgpu.ts';
import type { Feeds, Loaded, Peer } from './peers/peer.ts';
import { tfjsWebgpu } from './peers/tfjs-webgpu.ts';
import type { Place, RaceRow } from './webgpu-rows.ts';

export const gpuRivals: readonly Peer[] = [ortWebgpu, tfjsWebgpu];

export interface Racing {
  readonly kind: RaceRow['kind'];
  readonly name: string;
  readonly graph: Graph;
  readonly samples: number;
}

const tolerance = { absolute: 1e-3, relative: 1e-3 };
/** A turn lasts this long, as in other races. */
const TURN_MS = 25;
const WARM_UP_MS = 1000;

type Outputs = Awaited<ReturnType<Loaded['outputs']>>;
interface Runner extends Pick<RaceRow, 'engine' | 'version' | 'maxError' | 'shader'> { readonly loaded: Loaded }

/** Undefined, said aloud, where an engine cannot run it. */
async function rivalOf(
  peer: Peer, { graph, name }: Racing, { feeds, want }: { feeds: Feeds; want: Outputs },
): Promise<Runner | undefined> {
  let loaded: Loaded;
  try {
    loaded = await peer.load(graph, feeds);
  } catch (error) {
    if (!(error instanceof BurinError && error.kind === 'unsupported')) throw error;
    console.log(`left out of ${name}: ${error.message}`);
    return undefined;
  }
  try {
    const maxError = maxAbsErrorOf(want, await loaded.outputs(), tolerance);
    return { engine: peer.name, version: await peer.version(), maxError, loaded };
  } catch (error) {
    loaded.dispose();
    throw error;
  }
}

/**
 * Rows of a layer or network, one an engine.
 * @throws BurinError `device` where their outputs differ from ours
 */
export async function gpuRace(racing: Racing, place: Place, peers = gpuRivals): Promise<RaceRow[]> {
  const { kind, name, graph, samples } = racing;
  const feeds = Object.fromEntries(graph.inputs.map((input) => [input.name, fill(input, shapeOf(input))]));
  const ours = await burinWebgpu(graph, feeds, ['dense']), want = await ours.outputs();
  const shader = kind === 'network' ? {} : { shader: ours.kernels[0] };
  const runners: Runner[] = [{ engine: 'burin', version: '', maxError: 0, loaded: ours, ...shader }];
  try {
    for (const peer of peers) {
      const rival = await rivalOf(peer, racing, { feeds, want });
      if (rival) runners.push(rival);
    }
    const tasks = Object.fromEntries(runners.map(({ engine, loaded }) => [engine, () => loaded.run()]));
    const times = await timeTogether<string>(tasks, { samples, warmUpMs: WARM_UP_MS, minMs: TURN_MS });
    const flops = 2 * workOf(graph).totals.macs.dense;
    return runners.map(({ loaded: _, engine, ...row }) => {
      const { medianMs, minMs, spreadMs } = times[engine];
      return { ...place, kind, case: name, engine, ...row, medianMs, minMs, spreadMs, gflops: flops / medianMs / 1e6 };
    });
  } finally {
    for (const { loaded } of runners) loaded.dispose();
  }
}
