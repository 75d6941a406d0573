// How good the quick choice of a kernel is: every candidate timed with care, and how near the chooser's pick comes to the best of them.
// Layers of the bench list × masks, one memory for all, as when networks are loaded. About a minute; --layer TEXT narrows it down.
import { parseArgs } from 'node:util';
import { createWasm } from '../src/backends/wasm.ts';
import { specialize } from '../src/graph/evaluate.ts';
import { optimize } from '../src/graph/passes/index.ts';
import { layerGraph, layers, maskedGraph, type BenchLayer, type MaskName } from '../src/measure/cases.ts';
import { geometricMean } from '../src/measure/efficiency.ts';
import { Site } from '../src/measure/site.ts';
import { timeTogether, type Task } from '../src/measure/time.ts';
import { choicesFor } from '../src/runtime/choices.ts';
import { formatName } from '../src/runtime/lower/weight.ts';
import { compile, type LayerPlan } from '../src/runtime/plan.ts';
import { TuneMemory } from '../src/runtime/tune.ts';
import { print, say } from './files.ts';

const masks: readonly (readonly [MaskName, number])[] = [
  ['unstructured', 0.5], ['unstructured', 0.8], ['unstructured', 0.95], ['4x1', 0.7], ['4x1', 0.9],
];
/** Layers where something is to be chosen and exhaustive timing does not take minutes. */
const wanted = new RegExp([
  'resnet50.layer1.0.conv2', 'resnet50.layer2.1.conv1', 'resnet50.layer4.1.conv1', 'resnet50.fc', 'conv8.pointwise', 'conv2.pointwise',
  'conv14', 'block2.expand', 'block3.expand', 'block7', 'block8.expand', 'block15.expand', 'transformer.expand$', 'facedetector.expand.24',
  'facedetector.project.12',
].join('|'));
/** Candidates this much slower than the best in a short race are not timed with care. */
const HOPELESS = 1.25;
/** A pick within this of the best is as good. */
const AS_GOOD = 1.03;

interface Case { readonly layer: BenchLayer; readonly mask: MaskName; readonly sparsity: number }

interface Verdict {
  readonly pick: string;
  readonly best: string;
  /** Time of the pick over that of the best, and over that of the best dense candidate. */
  readonly ofBest: number;
  readonly ofDense: number;
  readonly tuneMs: number;
  readonly timed: number;
  readonly candidates: number;
}

/** What the chooser takes, and how long it takes. */
async function pickOf(one: Case, memory: TuneMemory): Promise<{ plan: LayerPlan; tuneMs: number }> {
  const backend = await createWasm(), fixed = specialize(maskedGraph(layerGraph(one.layer), one));
  const optimized = optimize(fixed.graph, fixed.types, { removeDead: false }), start = performance.now();
  const plan = compile(backend, optimized, { tune: 'measure', memory, tuneBudgetMs: Infinity }), tuneMs = performance.now() - start;
  const layer = plan.layers.find(({ size }) => size > 0)!;
  plan.dispose();
  backend.dispose();
  return { plan: layer, tuneMs };
}

const fastest = (times: Readonly<Record<string, number>>): string =>
  Object.keys(times).reduce((best, name) => (times[name] < times[best] ? name : best));
const denseOf = (times: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(times).filter(([name]) => name.startsWith('dense')));

/** Best runs of tasks that take turns. */
async function leastMs(tasks: Readonly<Record<string, Task>>, samples: number, minMs: number): Promise<Record<string, number>> {
  const summaries = await timeTogether(tasks, { samples, minMs, warmUpMs: 60 });
  return Object.fromEntries(Object.entries(summaries).map(([name, { minMs: ms }]) => [name, ms]));
}

async function judge(one: Case, memory: TuneMemory): Promise<Verdict> {
  const { plan, tuneMs } = await pickOf(one, memory), pick = `${plan.format} ${plan.kernel}`;
  const backend = await createWasm(), site = new Site(backend, maskedGraph(layerGraph(one.layer), one));
  const all = Object.fromEntries(choicesFor(backend.kernels, site.weight.matrix(), site.columns).map((choice): [string, Task] => {
    const program = site.program(choice);
    return [`${formatName(choice)} ${choice.kernel.name}`, () => program.run()];
  }));
  const heat = await leastMs(all, 4, 0.5), limit = heat[fastest(heat)] * HOPELESS, dense = fastest(denseOf(heat));
  const kept = Object.fromEntries(Object.entries(all).filter(([name]) => heat[name] <= limit || name === dense || name === pick));
  const times = await leastMs(kept, 14, 1), best = fastest(times);
  site.dispose();
  backend.dispose();
  return {
    pick, best, ofBest: times[pick] / times[best], ofDense: times[pick] / times[fastest(denseOf(times))], tuneMs,
    timed: plan.candidates.filter(({ predicted }) => !predicted).length, candidates: plan.candidates.length,
  };
}

const { layer: text = '' } = parseArgs({ options: { layer: { type: 'string' } } }).values;
const chosen = layers.filter(({ network, layer }) => wanted.test(`${network}.${layer}`) && `${network}.${layer}`.includes(text));
const memory = new TuneMemory(), verdicts: Verdict[] = [];
for (const layer of chosen) {
  for (const [mask, sparsity] of masks) {
    const verdict = await judge({ layer, mask, sparsity }, memory);
    verdicts.push(verdict);
    const name = `${layer.network}.${layer.layer} ${mask} ${sparsity}`, { pick, best, ofBest } = verdict;
    say(`${name.padEnd(46)} ${pick.padEnd(28)} ${ofBest.toFixed(3)}${ofBest > 1 ? ` of ${best}` : ''}`);
  }
}
const sum = (of: (verdict: Verdict) => number): number => verdicts.reduce((total, verdict) => total + of(verdict), 0);
print([
  `${verdicts.filter(({ ofBest }) => ofBest <= AS_GOOD).length} of ${verdicts.length} choices within 3 % of the best`,
  `${((geometricMean(verdicts.map(({ ofBest }) => ofBest)) - 1) * 100).toFixed(1)} % above it in the mean`,
  `sparse choices slower than dense: ${verdicts.filter(({ pick, ofDense }) => !pick.startsWith('dense') && ofDense > 1).length}`,
  `${sum(({ timed }) => timed)} of ${sum(({ candidates }) => candidates)} candidates timed`,
  `${(sum(({ tuneMs }) => tuneMs) / 1000).toFixed(1)} s in all`,
].join('; '));
