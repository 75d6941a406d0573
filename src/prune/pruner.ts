import { expect, fail, show } from '../expect.ts';
import { expectGraph } from '../graph/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import { prunableLayers, type Layer } from '../graph/layers.ts';
import { roundHalfEven } from '../graph/ops/unary.ts';
import { sizeOf, Tensor } from '../tensor.ts';
import { chooseLayers, namesOf } from './choose.ts';
import { lint } from './lint.ts';
import { statistics, type Mask } from './mask.ts';
import type { PruneOptions } from './options.ts';
import { prune, type PrunedLayer } from './prune.ts';
import { aimOf, keepOfScope, scheduleOf, type LintWarning, type PrunerOptions } from './pruner-options.ts';
import { covers, dueAt, numbersOf, tablesOf, targetAt, timelineOf, type ScheduleSpec, type Timeline } from './timeline.ts';
import { applyMasks, entriesOf, maskInPlace, valuesOf, withWeights, type Masks, type Weights } from './weights.ts';

/** The network at one moment of training. Weights are in the stored order of the model's tensors. */
export interface PrunerState {
  /** The weights now, of all layers that are pruned. Default the model's own. */
  readonly weights?: Weights;
  /** Whatever the criterion needs besides, by weight name: handed to `prune` as its option evidence. */
  readonly [evidence: string]: unknown;
}

export interface PrunerStep {
  readonly t: number;
  /** The sparsity that the schedule asks for at t: 0 … 1, or by layer name. */
  readonly target: number | Readonly<Record<string, number>>;
  /** The sparsity there is: what the masks drop of all weights of the layers that are pruned. */
  readonly sparsity: number;
  /** By weight name; none before the first update. */
  readonly masks: Masks;
  /** Whether this step changed a mask. */
  readonly changed: boolean;
  /** One row for each layer, of the last update; none before the first. */
  readonly report: readonly PrunedLayer[];
  /** Masked copies of the weights given, made when first read. */
  readonly weights: ReadonlyMap<string, Tensor<Float32Array>>;
}

/** The least float32. It stands for a zero that is kept: `prune` takes zeros for what was dropped before. */
const LEAST = 2 ** -149;
const nothing: Masks = new Map();

/**
 * Prunes a network while it is trained, by anybody's loop:
 * `const { masks, changed } = pruner.step(t, { weights })`, and `pruner.apply(weights)` after each update of the weights.
 * Masks nest along the schedule unless it regrows; from its end on they are exactly those of its final sparsity.
 */
export class Pruner {
  /** What the linter says of the options. */
  readonly warnings: readonly LintWarning[];
  readonly timeline: Timeline;
  readonly #model: Graph;
  readonly #options: PruneOptions;
  readonly #layers: readonly Layer[];
  #t = -Infinity;
  #masks: Masks = nothing;
  #sparsity = 0;
  #report: readonly PrunedLayer[] = [];
  /** Time and target of the last update. */
  #done: { at: number; target: unknown } = { at: -Infinity, target: undefined };
  /** Of a schedule that regrows: the value that each weight had when it was last alive. */
  readonly #alive = new Map<string, Float32Array>();

  /** @throws BurinError `argument` for a graph that is none, a schedule or layers that do not exist or fit; the rest when first pruned. */
  constructor(model: Graph, options: PrunerOptions = {}) {
    expectGraph(model);
    const schedule = scheduleOf(options);
    this.warnings = lint(options);
    const { schedule: _, masks = nothing, onWarning, ...others } = options;
    this.warnings.forEach((warning) => onWarning?.(warning));
    this.#model = model;
    this.#options = others;
    this.timeline = timelineOf(schedule);
    const { spec } = this.timeline;
    const all = prunableLayers(model);
    checkTables(spec, all);
    checkFixed(this.timeline, options);
    this.#layers = chooseLayers(all, options).filter(({ name }) => covers(spec, name));
    this.#setMasks(masks);
  }

  /** By weight name; none before the first update. */
  get masks(): Masks { return this.#masks; }

  /** Whether the last update is done. */
  get finished(): boolean { return this.#done.at >= this.timeline.end; }

  /** What the masks drop of all weights of the layers that are pruned, 0 … 1. */
  get sparsity(): number { return this.#sparsity; }

  /**
   * Prunes where the schedule has an update at t, or had one since the last call; else the masks stay. The same t again changes nothing.
   * @throws BurinError `argument` for a t that is no number or lies before the last one, for weights that are missing, and as `prune` does.
   */
  step(t: number, state: PrunerState = {}): PrunerStep {
    if (typeof state !== 'object' || state === null) fail({ kind: 'argument', where: 'pruner.step', needs: 'a state as in { weights }', got: show(state) });
    expect(Number.isFinite(t) && t >= this.#t, {
      kind: 'argument', where: 'pruner.step', needs: this.#t === -Infinity ? 'a finite t' : `t of ${this.#t} or later`, got: show(t),
      remedy: Number.isFinite(t) ? 'to start again make a new Pruner, with option masks for what is to stay dropped' : undefined,
    });
    const due = dueAt(this.timeline, t);
    const before = this.#masks;
    const target = this.#targetAt(t);
    if (due !== undefined && due > this.#done.at) this.#update({ due, target, state });
    this.#t = t;
    const masks = this.#masks;
    let copies: Map<string, Tensor<Float32Array>> | undefined;
    const copy = (): Map<string, Tensor<Float32Array>> => this.#masked(masks, state.weights);
    return {
      t, target, masks, sparsity: this.#sparsity, changed: masks !== before && !sameMasks(masks, before), report: this.#report,
      get weights() { return copies ??= copy(); },
    };
  }

  /** Writes zeros into these weights where the masks drop, after an update of the optimiser. Names without a mask are left alone. */
  apply<W extends Weights>(weights: W): W {
    return applyMasks(this.#masks, weights);
  }

  /** The model with these weights (default its own), zero where the masks drop: a network to be measured or written. */
  graph(weights: Weights = this.#model.constants): Graph {
    return withWeights(this.#model, weights, this.#masks);
  }

  #targetAt(t: number): number | Record<string, number> {
    return targetAt(this.timeline, t, this.#layers.map(({ name }) => name));
  }

  #update({ due, target, state }: { due: number; target: PrunerStep['target']; state: PrunerState }): void {
    const { regrow } = this.timeline;
    const same = JSON.stringify(target) === JSON.stringify(this.#done.target);
    if (regrow || !same) {
      const { weights, ...evidence } = state;
      const { masks, report } = this.#prune(target, weights, { ...(this.#options as { evidence?: object }).evidence, ...evidence });
      this.#setMasks(regrow ? masks : both(this.#masks, masks));
      this.#report = report;
    }
    this.#done = { at: due, target };
  }

  #setMasks(masks: Masks): void {
    const all = this.#layers.reduce((sum, layer) => sum + sizeOf(this.#dimsOf(layer)), 0);
    let dropped = 0;
    for (const mask of masks.values()) {
      const { total, kept } = statistics(mask);
      dropped += total - kept;
    }
    this.#masks = masks;
    this.#sparsity = all === 0 ? 0 : dropped / all;
  }

  #prune(target: PrunerStep['target'], weights: Weights | undefined, evidence: object): { masks: Masks; report: readonly PrunedLayer[] } {
    const constants = new Map(this.#model.constants);
    for (const [layer, values] of this.#valuesOf(weights)) {
      constants.set(layer.weight, new Tensor('float32', this.#ready(layer.weight, values), this.#dimsOf(layer)));
    }
    const asked = askedOf(this.#options, target);
    if (!asked) return { masks: nothing, report: [] };
    const given = Object.keys(evidence).length > 0 ? { evidence } : {};
    return prune({ ...this.#model, constants }, { ...this.#options, ...asked, ...given } as PruneOptions);
  }

  /** A weight as `prune` reads it: zero is what stays dropped, so what is kept is not zero and neither is what may come back. */
  #ready(name: string, values: Float32Array): Float32Array {
    const mask = this.#masks.get(name);
    const { regrow } = this.timeline;
    const alive = regrow ? this.#alive.get(name) : undefined;
    const out = new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const kept = !mask || ((mask.bits[i >> 3] >> (i & 7)) & 1) === 1;
      if (kept) out[i] = values[i] || (values[i] === 0 ? LEAST : NaN);
      else if (regrow) out[i] = values[i] || alive?.[i] || LEAST;
    }
    if (regrow) this.#alive.set(name, out);
    return out;
  }

  #dimsOf(layer: Layer): readonly number[] {
    return this.#model.constants.get(layer.weight)!.dims;
  }

  #valuesOf(weights: Weights = this.#model.constants): [Layer, Float32Array][] {
    const given = new Map(entriesOf(weights, 'state.weights'));
    return this.#layers.map((layer) => [layer, valuesOf(given.get(layer.weight), layer.weight, this.#dimsOf(layer))]);
  }

  #masked(masks: Masks, weights: Weights | undefined): Map<string, Tensor<Float32Array>> {
    return new Map(this.#valuesOf(weights).map(([layer, values]) => {
      const data = values.slice(), mask = masks.get(layer.weight);
      if (mask) maskInPlace(mask, data);
      return [layer.weight, new Tensor('float32', data, this.#dimsOf(layer))];
    }));
  }
}

/** What to ask of `prune`. N:M decays: M:M, …, N + 1:M, N:M (Kao et al., 2022). Undefined where that is nothing yet. */
function askedOf({ scope }: PruneOptions, target: PrunerStep['target']): Pick<PruneOptions, 'sparsity' | 'scope'> | undefined {
  const nm = keepOfScope(scope);
  if (!nm || typeof target !== 'number') return { sparsity: target };
  const keep = nm.of - roundHalfEven(target * nm.of);
  return keep === nm.of ? undefined : { scope: { ...nm, keep }, sparsity: undefined };
}

function checkTables(spec: ScheduleSpec, layers: readonly Layer[]): void {
  const unknown = tablesOf(spec).flatMap(Object.keys).filter((name) => name !== '*' && !layers.some((layer) => layer.name === name));
  expect(unknown.length === 0, { kind: 'argument', where: 'option schedule', needs: `layers among ${namesOf(layers)}`, got: show(unknown) });
}

/** @throws BurinError `argument` for a schedule that aims at another sparsity than N:M has. */
function checkFixed(timeline: Timeline, { scope }: PruneOptions): void {
  const nm = keepOfScope(scope);
  if (!nm) return;
  const aim = aimOf(timeline.spec), given = timeline.spec[aim], fixed = 1 - nm.keep / nm.of;
  expect(typeof given === 'number' && Math.abs(numbersOf(timeline)[aim] - fixed) < 1e-9, {
    kind: 'argument', where: `${timeline.where}, ${aim}`, needs: `${fixed} or nothing, as scope ${nm.keep}:${nm.of} decides it`,
    got: typeof given === 'number' ? show(given) : 'a table',
  });
}

/** Masks that keep what both keep. */
function both(before: Masks, now: Masks): Masks {
  const out = new Map(before);
  for (const [name, mask] of now) {
    const old = before.get(name);
    out.set(name, old ? { ...mask, bits: mask.bits.map((byte, i) => byte & old.bits[i]) } : mask);
  }
  return out;
}

function sameMasks(a: Masks, b: Masks): boolean {
  const same = (mask: Mask, other: Mask | undefined): boolean => other !== undefined && mask.bits.every((byte, i) => byte === other.bits[i]);
  return a.size === b.size && [...a].every(([name, mask]) => same(mask, b.get(name)));
}
