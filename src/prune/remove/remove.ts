import { BurinError, expect, lookUp, show } from '../../expect.ts';
import { channelsIn, type Channels } from '../../graph/channels/index.ts';
import { expectGraph, specialize } from '../../graph/evaluate.ts';
import type { Graph } from '../../graph/graph.ts';
import { deadIn, type CutOptions, type Dead } from '../../graph/passes/dead.ts';
import { losesAny, narrowed, type Narrowed } from '../../graph/passes/narrow.ts';
import { sharedWeights } from '../../graph/passes/shared.ts';
import { producersOf } from '../../graph/sort.ts';
import { numbersOf, sameShape, type Tensor } from '../../tensor.ts';
import { reportOf, type RemovalReport } from './report.ts';
import { followingSizes, sized, type Shapes, type Sized } from './sizes.ts';

/** Options of {@link removeChannels}. */
export interface RemoveOptions {
  /** Shapes of inputs with free dimensions; the smaller network then takes these only. Without, it stays free. */
  readonly shapes?: Shapes;
  /**
   * How constants are made up for where padding makes them differ at the border: `auto`, by what is cheaper, one of them that stays or
   * an image that is added; `none`, without such images. Where sizes are free there are none.
   */
  readonly borders?: keyof typeof borders;
}

const borders = { auto: true, none: false } as const;

/** What {@link removeChannels} returns. */
export interface Removed {
  /** The smaller network: plain records, with the names of nodes, weights, inputs and outputs it had. */
  readonly graph: Graph;
  readonly report: RemovalReport;
}

/** Rounds of removal; one finds all but what an image that was added hides. */
const MOST_ROUNDS = 4;

/**
 * Removes the dead channels of a network, whatever mask made them: those that no output depends on, and those that are constant, whose
 * contribution goes into the biases behind them (b += Σ W[:, c]·a_c; where a padded layer reads them, onto one of them that stays or
 * into an image that is added). Layers, normalisations, sums and concatenations become smaller; the results are the same. What an
 * operator cannot lose stays and is in the report, with the reason; no value loses its last channel. Inputs and outputs keep their shapes.
 * Nothing times 0 is needed: 0 · x counts as 0 unless x comes of a logarithm, a quotient or the like, which may be infinite.
 * A weight that several layers read loses what all of them lose and stays one tensor; biases and the like that several nodes read become
 * one for each where these lose different channels, unless the network would have more parameters than before.
 *
 * @throws BurinError `argument` for a graph that is none and options that do not fit; as `specialize` for a graph that cannot be run.
 */
export function removeChannels(graph: Graph, options: RemoveOptions = {}): Removed {
  expectGraph(graph);
  checkOptions(options);
  const first = sized(graph, options.shapes), maps = !first.open && borders[options.borders ?? 'auto'];
  // At one size only what is needed is looked at: nodes that nobody reads would be left reading what has become smaller.
  const start: Step = { graph: first.open ? swept(withShapes(graph, options.shapes)) : first.graph, at: first };
  let now = start, left = look(now, maps);
  for (let round = 1; left.step && round < MOST_ROUNDS; round++) {
    now = left.step;
    left = look(now, maps);
  }
  return { graph: swept(now.graph), report: reportOf({ before: first, after: now.at, dead: left.dead }) };
}

const optionNames = { shapes: 'an object of shapes by input', borders: 'auto or none' } as const;

function checkOptions(options: RemoveOptions): void {
  const where = 'removeChannels options';
  expect(typeof options === 'object' && options !== null, { kind: 'argument', where, needs: 'an object', got: show(options) });
  for (const name of Object.keys(options)) lookUp(optionNames, name, where);
  if (options.borders !== undefined) lookUp(borders, options.borders, 'option borders');
  const { shapes } = options;
  expect(shapes === undefined || (typeof shapes === 'object' && shapes !== null), {
    kind: 'argument', where: 'option shapes', needs: optionNames.shapes, got: show(shapes),
  });
}

const withShapes = (graph: Graph, shapes: Shapes = {}): Graph =>
  ({ ...graph, inputs: graph.inputs.map((info) => ({ ...info, dims: shapes[info.name] ?? info.dims })) });

/** A network, and how it is at one size. */
interface Step { readonly graph: Graph; readonly at: Sized }

/** What is dead, and the network without it; no step where nothing goes. */
interface Look { readonly dead: Dead; readonly step?: Step }

function look({ graph, at }: Step, maps: boolean): Look {
  const channels = channelsIn(at.graph, at.types), following = at.open ? followingSizes(graph) : new Set<string>();
  const frozen = new Set<string>(), whole = new Set<string>(), single = sharedWeights(at);
  const options: CutOptions = { maps, open: at.open, following, frozen, whole, single };
  for (;;) {
    const dead = deadIn(channels, options);
    if (!losesAny(dead)) return { dead };
    const made = narrowed(channels, dead, graph), copied = made.copied.filter((name) => made.growth > 0 && !single.has(name));
    if (copied.length > 0) {
      for (const name of copied) single.add(name);
      continue;
    }
    const next = fitting(made, channels, at, following);
    if (!(next instanceof Set)) return { dead, step: next };
    // Each round holds more of the network as it is.
    const held = frozen.size + whole.size;
    for (const name of next) {
      frozen.add(name);
      for (const value of measuredBy(graph, name)) whole.add(value);
    }
    if (frozen.size + whole.size === held) return { dead };
  }
}

/** The next step, or the names of constants that follow from sizes and do not come out as they should. */
function fitting({ graph, expected }: Narrowed, channels: Channels, at: Sized, following: ReadonlySet<string>): Step | Set<string> {
  if (!at.open) return { graph, at: { ...at, ...specialize(graph) } };
  try {
    const next = specialize(graph, at.shapes);
    const wrong = [...following].filter((name) => {
      const is = next.graph.constants.get(name), was = channels.graph.constants.get(name);
      return is && was && !equal(is, expected.get(name) ?? was);
    });
    return wrong.length ? new Set(wrong) : { graph, at: { ...at, ...next } };
  } catch (error) {
    if (!(error instanceof BurinError) || following.size === 0) throw error;
    return new Set(following);
  }
}

const equal = (a: Tensor, b: Tensor): boolean =>
  sameShape(a.dims, b.dims) && Array.prototype.every.call(numbersOf(a), (value: number, i: number) => value === numbersOf(b)[i]);

/** The values whose shapes a constant follows from. */
function measuredBy(graph: Graph, name: string): string[] {
  const producers = producersOf(graph.nodes, new Set()), values = new Set<string>(), seen = new Set<string>(), open = [name];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const node = producers.get(next);
    if (!node || seen.has(next)) continue;
    seen.add(next);
    if (node.op === 'Shape' || node.op === 'Size') values.add(node.inputs[0]);
    else open.push(...node.inputs);
  }
  return [...values];
}

/** The graph without what no output needs. */
function swept(graph: Graph): Graph {
  const needed = new Set(graph.outputs.map(({ name }) => name));
  const nodes = graph.nodes.toReversed().filter((node) => {
    const live = node.outputs.some((name) => needed.has(name));
    if (live) for (const name of node.inputs) needed.add(name);
    return live;
  }).reverse();
  return { ...graph, nodes, constants: new Map([...graph.constants].filter(([name]) => needed.has(name))) };
}
