import { expect, fail, show } from '../../expect.ts';
import { expectGraph } from '../../graph/evaluate.ts';
import type { Graph } from '../../graph/graph.ts';
import { prunableLayers, type Layer } from '../../graph/layers.ts';
import { roundHalfEven } from '../../graph/ops/unary.ts';
import { sameShape, sizeOf, Tensor } from '../../tensor.ts';
import { andMasks, sameMask } from '../masks/algebra.ts';
import { byWeight, chooseLayers, labelOf } from '../choose.ts';
import { extentsOf } from '../granularities.ts';
import { gridFor } from '../groups.ts';
import { lint } from './lint.ts';
import { statistics, type Mask } from '../masks/mask.ts';
import type { PruneOptions } from '../options.ts';
import { prune, type PrunedLayer } from '../prune.ts';
import { aimOf, keepOfScope, scheduleOf, type LintWarning, type PrunerOptions } from './pruner-options.ts';
import { scopeRule } from '../scopes.ts';
import { criterionOf, evidenceOf, needsOf, type PrunerState } from './state.ts';
import { covers, dueAt, mapTables, numbersOf, targetAt, timelineOf, type ScheduleSpec, type Timeline } from './timeline.ts';
import { checkMasks, type Masks } from '../masks/masks.ts';
import { maskWeights, entriesOf, maskInPlace, valuesOf, withWeights, type Weights } from './weights.ts';

/** What {@link Pruner.step} returns. Sparsities are fractions 0 … 1. */
export interface PrunerStep {
  readonly t: number;
  /** The sparsity that the schedule asks for at t: 0 … 1, or by layer name. */
  readonly target: number | Readonly<Record<string, number>>;
  /** The sparsity there is: what the masks drop of all weights of the layers that are pruned. */
  readonly sparsity: number;
  /** By weight name; none where nothing is dropped yet. */
  readonly masks: Masks;
  /** Whether this step changed a mask. */
  readonly changed: boolean;
  /** One row for each layer, of the last update that dropped something. */
  readonly report: readonly PrunedLayer[];
  /** Whether the criterion changed the weights that stay as well (obs): take `weights` over into the training. */
  readonly compensated: boolean;
  /**
   * Masked copies of the weights given, or what the criterion made of them. At an update they are copied at once: they are the weights
   * that the masks were made for, whatever training does to the arrays given afterwards. Other steps, as there may be very many, copy
   * when this is first read, and then give what the arrays hold at that moment: read it before training goes on.
   */
  readonly weights: ReadonlyMap<string, Tensor<Float32Array>>;
}

/** What an update came to. */
interface Update {
  readonly masks: Masks;
  readonly report: readonly PrunedLayer[];
  /** Whether there was anything to drop yet. */
  readonly asked: boolean;
  /** What the criterion made of the weights that stay, if it changes them. */
  readonly made?: Weights;
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
  /** The name of a layer in tables. */
  readonly #labelOf: (layer: Layer) => string;
  /** The model's own weights, for criteria that compare with them. */
  readonly #first: ReadonlyMap<string, Float32Array>;
  #t = -Infinity;
  #masks: Masks = nothing;
  #sparsity = 0;
  #report: readonly PrunedLayer[] = [];
  /** Time and target of the last update. */
  #done: { at: number; target: unknown } = { at: -Infinity, target: undefined };
  /** Of a schedule that regrows: the value that each weight had when it was last alive. */
  readonly #alive = new Map<string, Float32Array>();

  /** @throws BurinError `argument` or `shape` for what does not exist or fit; missing evidence is found when it is first needed. */
  constructor(model: Graph, options: PrunerOptions = {}) {
    expectGraph(model);
    const schedule = scheduleOf(options); // for what is no options at all
    this.warnings = lint(options);
    const { schedule: _, masks = nothing, onWarning, ...others } = options;
    this.warnings.forEach((warning) => onWarning?.(warning));
    this.#model = model;
    this.#options = others;
    const timeline = timelineOf(schedule), all = prunableLayers(model), spec = labelled(timeline.spec, all);
    this.timeline = { ...timeline, spec };
    this.#labelOf = labelOf(all);
    checkFixed(this.timeline, options);
    checkOwn(masks, model);
    this.#layers = chooseLayers(all, options).filter((layer) => covers(spec, this.#labelOf(layer)));
    this.#first = needsOf(options).includes('initial') ? copiesOf(model, this.#layers) : new Map();
    this.#setMasks(masks);
    this.#tryOut();
  }

  /** Refuses now what would be refused at the first update: options that do not exist or go together, layers that the scope cannot rank. */
  #tryOut(): void {
    const options = this.#options;
    const none = { layers: () => false, exclude: undefined, evidence: undefined };
    const target = this.#targetAt(this.timeline.end), sparsity = keepOfScope(options.scope) ? undefined : target;
    prune(this.#model, { ...options, ...none, ...(askedOf(options, target) ?? { sparsity }) });
    const rule = scopeRule(options.scope ?? 'layer'), { granularity = 'weight' } = options;
    rule.batches(this.#layers); // lists may name layers that there are not
    extentsOf(granularity);
    if (options.strict ?? true) for (const layer of this.#layers) rule.check?.(layer, gridFor(layer, granularity));
  }

  /** By weight name; none where nothing is dropped yet. */
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
    const where = 'pruner.step';
    const given = typeof state === 'object' && state !== null;
    if (!given) fail({ kind: 'argument', where, needs: 'a state as in { weights }', got: show(state) });
    expect(Number.isFinite(t) && t >= this.#t, {
      kind: 'argument', where, needs: this.#t === -Infinity ? 'a finite t' : `t of ${this.#t} or later`, got: show(t),
      remedy: Number.isFinite(t) ? 'to start again make a new Pruner, with option masks for what is to stay dropped' : undefined,
    });
    const due = dueAt(this.timeline, t);
    const before = this.#masks;
    const target = this.#targetAt(t);
    const update = due !== undefined && due > this.#done.at ? this.#update({ due, target, state }) : undefined;
    this.#t = t;
    const masks = this.#masks;
    const copy = (): Map<string, Tensor<Float32Array>> => this.#masked(masks, update?.made ?? state.weights);
    let copies = update ? copy() : undefined;
    return {
      t, target, masks, sparsity: this.#sparsity, changed: masks !== before && !sameMasks(masks, before), report: this.#report,
      compensated: update?.made !== undefined,
      get weights() { return copies ??= copy(); },
    };
  }

  /** Writes zeros into these weights where the masks drop, after an update of the optimiser. Names without a mask are left alone. */
  apply<W extends Weights>(weights: W): W {
    return maskWeights(this.#masks, weights);
  }

  /** The model with these weights (default its own), zero where the masks drop: a network to be measured or written. */
  graph(weights: Weights = this.#model.constants): Graph {
    return withWeights(this.#model, weights, this.#masks);
  }

  #targetAt(t: number): number | Record<string, number> {
    return targetAt(this.timeline, t, this.#layers.map(this.#labelOf));
  }

  /** Prunes; undefined where there was nothing to drop. */
  #update({ due, target, state }: { due: number; target: PrunerStep['target']; state: PrunerState }): Update | undefined {
    const { regrow } = this.timeline;
    const same = JSON.stringify(target) === JSON.stringify(this.#done.target);
    const pruned = regrow || !same ? this.#prune(target, state) : undefined;
    if (pruned) {
      this.#setMasks(regrow ? pruned.masks : both(this.#masks, pruned.masks));
      this.#report = pruned.report;
    }
    this.#done = { at: due, target };
    return pruned?.asked ? pruned : undefined;
  }

  #setMasks(masks: Masks): void {
    const all = this.#layers.reduce((sum, layer) => sum + sizeOf(this.#dimsOf(layer)), 0);
    const dropped = this.#layers.reduce((sum, { weight }) => {
      const mask = masks.get(weight), { total, kept } = mask ? statistics(mask) : { total: 0, kept: 0 };
      return sum + total - kept;
    }, 0);
    this.#masks = masks;
    this.#sparsity = all === 0 ? 0 : dropped / all;
  }

  #prune(target: PrunerStep['target'], state: PrunerState): Update {
    const asked = askedOf(this.#options, target);
    if (!asked) return { masks: nothing, report: [], asked: false };
    const constants = new Map(this.#model.constants);
    for (const [layer, values] of this.#valuesOf(state.weights)) {
      constants.set(layer.weight, new Tensor('float32', this.#ready(layer.weight, values), this.#dimsOf(layer)));
    }
    const evidence = evidenceOf(this.#layers, { first: this.#first, given: this.#options.evidence, state });
    const { masks, report, graph } = prune({ ...this.#model, constants }, { ...this.#options, ...asked, evidence });
    return { masks, report, asked: true, ...(criterionOf(this.#options)?.compensate && { made: this.#compensated(graph) }) };
  }

  #compensated(pruned: Graph): Weights {
    const copies = copiesOf(pruned, this.#layers);
    for (const data of copies.values()) for (let i = 0; i < data.length; i++) if (data[i] === LEAST) data[i] = 0;
    return copies;
  }

  /** A weight as `prune` reads it: zero is what stays dropped, so what is kept is not zero and neither is what may come back. */
  #ready(name: string, values: Float32Array): Float32Array {
    const mask = this.#masks.get(name);
    const { regrow } = this.timeline;
    if (!mask && !regrow && !values.includes(0)) return values;
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

/**
 * What to ask of `prune`. N:M decays: M:M, …, N + 1:M, N:M (Kao et al., 2022). Undefined where that is nothing yet: then no criterion
 * is asked either, whose evidence may only come from the training that follows.
 */
function askedOf({ scope }: PruneOptions, target: PrunerStep['target']): Pick<PruneOptions, 'sparsity' | 'scope'> | undefined {
  const nm = keepOfScope(scope);
  if (Object.values(typeof target === 'number' ? [target] : target).every((sparsity) => sparsity === 0)) return undefined;
  if (!nm || typeof target !== 'number') return { sparsity: target };
  const keep = nm.of - roundHalfEven(target * nm.of);
  return keep === nm.of ? undefined : { scope: { ...nm, keep }, sparsity: undefined };
}

function copiesOf({ constants }: Graph, layers: readonly Layer[]): Map<string, Float32Array> {
  return new Map(layers.map(({ weight }) => [weight, (constants.get(weight)!.data as Float32Array).slice()]));
}

/** @throws BurinError `argument` for masks that are none, `shape` for masks of another model. */
function checkOwn(masks: Masks, { constants }: Graph): void {
  checkMasks(masks, 'option masks');
  for (const [name, mask] of masks) {
    const dims = constants.get(name)?.dims;
    expect(dims && sameShape(dims, mask.dims), {
      kind: 'shape', where: `option masks, ${name}`, needs: dims ? `a mask [${dims.join(', ')}]` : 'the name of a weight of the model',
      got: `a mask [${mask.dims.join(', ')}]`,
    });
  }
}

/** The spec with its tables by labels of layers, whatever names they had. @throws BurinError `argument` for names of none or several */
function labelled(spec: ScheduleSpec, all: readonly Layer[]): ScheduleSpec {
  const label = labelOf(all);
  const named = (table: Readonly<Record<string, number>>): Readonly<Record<string, number>> => {
    const { '*': others, ...rest } = table;
    const known = Array.from(byWeight(all, rest, 'option schedule'), ([weight, value]) => [label({ weight }), value]);
    return { ...Object.fromEntries(known), ...(others !== undefined && { '*': others }) };
  };
  return mapTables(spec, named);
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
    out.set(name, old ? andMasks(mask, old) : mask);
  }
  return out;
}

function sameMasks(a: Masks, b: Masks): boolean {
  const same = (mask: Mask, other?: Mask): boolean => other !== undefined && sameMask(mask, other);
  return a.size === b.size && [...a].every(([name, mask]) => same(mask, b.get(name)));
}
