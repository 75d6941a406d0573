import { BurinError, expect, lookUp, show } from '../expect.ts';
import { specialize } from '../graph/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import type { Shape } from '../tensor.ts';
import { conventions, type Convention, type ConventionRow } from './conventions.ts';
import { countedNodes, countParams, masked, nonzerosOf, sum, type Counted, type Nonzeros } from './count.ts';

// Where the parameters of a network are and where its work is: two different places. In VGG16 the last three convolutions
// hold 48 % of the weights of all and 9 % of the work (Hubens 2020).

/** What a layer has of something, dense and after the zeros are left out. */
export interface Amount {
  readonly total: number;
  readonly kept: number;
}

export interface Share extends Amount {
  /** `total` over that of the network, 0…1. */
  readonly share: number;
  /** The sum of the shares up to and with this layer, in execution order. */
  readonly cumulative: number;
}

export interface LayerProfile {
  readonly name: string;
  readonly op: string;
  /** Of the output. */
  readonly shape: Shape;
  /** Weights, biases not counted; 0 for activations multiplied with each other and for a weight an earlier layer shares. */
  readonly weights: number;
  /** Fraction of the weights that are zero; 0 where there are none. */
  readonly sparsity: number;
  /** Trained parameters, biases included; `kept`: those that are not zero. */
  readonly params: Share;
  /** Work by the convention; `kept`: that of the nonzero weights and of what takes no weights (biases). */
  readonly work: Share;
}

/** Plain JSON. */
export interface Profile {
  readonly model: string;
  readonly convention: Convention;
  readonly params: Amount;
  readonly work: Amount;
  /** The work by every convention; null where one has no count for a layer of this network. */
  readonly counts: Readonly<Record<Convention, Amount | null>>;
  /** The layers that multiply, in execution order. */
  readonly layers: readonly LayerProfile[];
  /** Everything else together: normalisation, activations, pooling. */
  readonly rest: { readonly params: Amount; readonly work: Amount };
}

export interface ProfileOptions {
  /** Of inputs whose shape the graph leaves open. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** How work is counted, see `conventions`; `macs` where absent. */
  readonly convention?: Convention | (string & {});
  /** Only layers of these operators, and shares of what these have together: `['Conv']`. All, and the rest, where absent. */
  readonly ops?: readonly string[];
}

interface Line {
  readonly counted: Counted;
  /** The same after its zeros. */
  readonly left: Counted;
  readonly weights: number;
  readonly nonzeroWeights: number;
  readonly params: Amount;
  readonly work: Amount;
}

/** One line a node; a constant that several nodes use belongs to the first of them. */
function linesOf(graph: Graph, nodes: readonly Counted[], count: ConventionRow['count']): Line[] {
  const nonzeros: Nonzeros = nonzerosOf(graph, nodes), seen = new Set<string>();
  return nodes.map((counted) => {
    const own = counted.params.filter((name) => !seen.has(name)), weight = counted.layer?.weight ?? '';
    const owned = weight !== '' && !seen.has(weight);
    for (const name of [...own, weight]) seen.add(name);
    const { params, nonzero } = countParams(graph, own, nonzeros), left = masked(graph, counted, nonzeros);
    return {
      counted, left,
      weights: owned ? graph.constants.get(weight)!.size : 0,
      nonzeroWeights: owned ? nonzeros.get(weight)! : 0,
      params: { total: params, kept: nonzero },
      work: { total: count(counted), kept: count(left) },
    };
  });
}

const amount = (lines: readonly Line[], key: 'params' | 'work'): Amount =>
  ({ total: sum(lines, (line) => line[key].total), kept: sum(lines, (line) => line[key].kept) });

function countsOf(lines: readonly Line[]): Profile['counts'] {
  const counted = ({ count }: ConventionRow): Amount | null => {
    try {
      return { total: sum(lines, (line) => count(line.counted)), kept: sum(lines, ({ left }) => count(left)) };
    } catch (error) {
      if (error instanceof BurinError && error.kind === 'unsupported') return null;
      throw error;
    }
  };
  return Object.fromEntries(Object.entries(conventions).map(([name, row]) => [name, counted(row)])) as Profile['counts'];
}

const fraction = (part: number, whole: number): number => (whole ? part / whole : 0);

/**
 * The article's figure as a record: the share of the parameters and of the work that each layer has, in execution order, with what
 * its zeros leave of both. Layers are the nodes that multiply (by weights, or activations by each other).
 * Source of the figure: Hubens, "Neural Network Pruning" (2020).
 * @throws BurinError `argument` for an unknown option, convention, or an operator no layer of the graph has; as `specialize` for a graph
 *   that does not fit together.
 */
export function profileOf(graph: Graph, options: ProfileOptions = {}): Profile {
  const { count, convention, ops } = checked(options);
  const fixed = specialize(graph, options.shapes);
  const lines = linesOf(fixed.graph, countedNodes(fixed.graph, fixed.types), count);
  const isLayer = ({ counted }: Line): boolean => counted.work.macs > 0 || counted.layer !== undefined;
  const layers = lines.filter((line) => isLayer(line) && (!ops || ops.includes(line.counted.node.op)));
  if (ops) checkOps(ops, new Set(lines.filter(isLayer).map(({ counted }) => counted.node.op)));
  const others = ops ? [] : lines.filter((line) => !isLayer(line));
  const all = [...layers, ...others], totals = { params: amount(all, 'params'), work: amount(all, 'work') };
  const before = { params: 0, work: 0 };
  const share = (line: Line, key: 'params' | 'work'): Share => {
    before[key] += line[key].total;
    const whole = totals[key].total;
    return { ...line[key], share: fraction(line[key].total, whole), cumulative: fraction(before[key], whole) };
  };
  return {
    model: graph.name, convention, ...totals, counts: countsOf(all),
    layers: layers.map((line) => ({
      name: line.counted.node.name, op: line.counted.node.op, shape: line.counted.shape, weights: line.weights,
      sparsity: line.weights ? 1 - line.nonzeroWeights / line.weights : 0, params: share(line, 'params'), work: share(line, 'work'),
    })),
    rest: { params: amount(others, 'params'), work: amount(others, 'work') },
  };
}

/** Every option there is, so that a misspelt one does not pass for none. */
const known = { shapes: true, convention: true, ops: true } satisfies Record<keyof ProfileOptions, true>;

function checked(options: ProfileOptions): ConventionRow & Pick<Profile, 'convention'> & Pick<ProfileOptions, 'ops'> {
  expect(typeof options === 'object' && options !== null, {
    kind: 'argument', where: 'profile options', needs: 'an object', got: show(options),
  });
  for (const key of Object.keys(options)) lookUp(known, key, 'profile options');
  const convention = (options.convention ?? 'macs') as Convention;
  return { ...lookUp<ConventionRow>(conventions, convention, 'convention'), convention, ops: options.ops };
}

function checkOps(ops: readonly string[], present: ReadonlySet<string>): void {
  expect(Array.isArray(ops) && ops.length > 0, { kind: 'argument', where: 'profile ops', needs: 'one or more operators', got: show(ops) });
  for (const op of ops) {
    expect(present.has(op), { kind: 'argument', where: 'profile ops', needs: `some of ${[...present].join(', ')}`, got: show(op) });
  }
}
