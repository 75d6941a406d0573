import { axisOf, callOf, channelsOf, isConstant, operandAxis, readersOf, shapeOf, type Channels, type Place } from '../channels/index.ts';
import { layerOf, type Layer } from '../layers.ts';
import { num } from '../ops/op.ts';
import { elementwise, isPlain } from './uniform.ts';

// Constants that several nodes read, and which channels their places are for each of them.

/** Channels of a value that are the places of a constant along one of its axes. */
export interface Span { readonly value: string; readonly first: number; readonly length: number }

export interface Use {
  readonly place: Place;
  /** Along which axes the constant has the channels: uses of one form lose the same places of it when the same channels go. */
  readonly form: string;
  readonly spans: readonly Span[];
  /** Whose weight it is. */
  readonly layer?: Layer;
  /** Whether that layer has a bias, one element a filter, that nobody else reads. */
  readonly ownBias?: boolean;
}

export interface Shared {
  readonly name: string;
  readonly uses: readonly Use[];
  /** Whether all that read the constant are among the uses, and are of one form. */
  readonly alike: boolean;
}

type Named = readonly [name: string, use: Use];

const span = (place: Place, value: string, first = 0, length = channelsOf(place, value)): Span => ({ value, first, length });

function usesOfLayer(place: Place, readers: ReadonlyMap<string, number>): Named[] {
  const { graph, node } = place, layer = layerOf(graph, node)!, [x, w, b, residual] = node.inputs, [y] = node.outputs;
  const bias = b ? graph.constants.get(b) : undefined, out = [span(place, y)], one = bias !== undefined && bias.size > 1;
  const weight: Use = {
    place, layer, form: `${layer.orientation} ${layer.groups}`, spans: [...out, span(place, x)], ownBias: one && readers.get(b) === 1,
  };
  const along = (axis: number): Use => ({ place, form: `axis ${axis}`, spans: out });
  const image: Named[] = residual && isConstant(place, residual) ? [[residual, along(axisOf(place, y))]] : [];
  return [[w, weight], ...(one ? [[b, along(bias.dims.length - 1)] as const] : []), ...image];
}

const normalizations: Readonly<Record<string, readonly number[]>> = { BatchNormalization: [1, 2, 3, 4], InstanceNormalization: [1, 2] };

function usesOfLinked(place: Place): Named[] {
  const { op, inputs, outputs: [y] } = place.node, all = [span(place, y)];
  if (Object.hasOwn(normalizations, op)) return normalizations[op].map((i) => [inputs[i], { place, form: 'axis 0', spans: all }]);
  if (elementwise.has(op)) {
    return inputs.flatMap((name): Named[] => {
      const axis = name && isConstant(place, name) ? operandAxis(place, name) : -1;
      return axis < 0 ? [] : [[name, { place, form: `axis ${axis}`, spans: all }]];
    });
  }
  return op === 'Concat' ? joined(place) : [];
}

function joined(place: Place): Named[] {
  const { inputs, outputs: [y] } = place.node, axis = axisOf(place, y), along = num(callOf(place), 'axis');
  const apart = (along < 0 ? along + shapeOf(place, y).length : along) === axis;
  let first = 0;
  return inputs.flatMap((name): Named[] => {
    const length = shapeOf(place, name)[axis], start = apart ? first : 0;
    first += length;
    return isConstant(place, name) ? [[name, { place, form: `axis ${axis}`, spans: [span(place, y, start, length)] }]] : [];
  });
}

/** The constants among `names` with all their uses. */
export function sharedIn(channels: Channels, names: ReadonlySet<string>): Shared[] {
  const readers = readersOf(channels.graph), found = new Map<string, Use[]>([...names].map((name) => [name, []]));
  for (const node of names.size ? channels.graph.nodes : []) {
    if (!node.inputs.some((name) => names.has(name))) continue;
    const place = { ...channels, node }, { kind, reads } = channels.passages.get(node)!;
    const layer = kind === 'weighted' && reads && isPlain(place);
    const uses = layer ? usesOfLayer(place, readers) : kind === 'linked' ? usesOfLinked(place) : [];
    for (const [name, use] of uses) found.get(name)?.push(use);
  }
  return [...found].map(([name, uses]) => {
    const lengths = (use: Use): string => `${use.form} ${use.spans.map(({ length }) => length)}`;
    return { name, uses, alike: uses.length === readers.get(name) && uses.every((use) => lengths(use) === lengths(uses[0])) };
  });
}

/** The weights of layers that more than one node reads. */
export function sharedWeights({ graph }: Pick<Channels, 'graph'>): Set<string> {
  const readers = readersOf(graph);
  return new Set(graph.nodes.flatMap((node) => layerOf(graph, node)?.weight ?? []).filter((name) => readers.get(name)! > 1));
}
