import { padding } from '../ops/select.ts';
import { num } from '../ops/op.ts';
import { convGeometry, poolGeometry, type Window } from '../ops/window.ts';
import type { Node } from '../graph.ts';
import { become, callOf, knownNumber, ownProducer, passOf, type Rule, type Scope } from './rewrite.ts';

// Explicit padding before a window becomes the window's own.

/** Constant padding of the spatial axes alone: how much in front of and behind each, and with what. */
function spatialPad(scope: Scope, node: Node): { before: number[]; after: number[]; value: number } | undefined {
  const mode = node.attrs.mode ?? 'constant', value = node.inputs[2] ? knownNumber(scope, node.inputs[2]) : 0;
  if (mode !== 'constant' || value === undefined || !scope.constants.has(node.inputs[1])) return undefined;
  const pads = padding(callOf(scope, node)), lead = pads.slice(0, 2), rest = pads.slice(2);
  if (lead.some(({ before, after }) => before !== 0 || after !== 0)) return undefined;
  if (rest.some(({ before, after }) => before < 0 || after < 0)) return undefined;
  return { before: rest.map(({ before }) => before), after: rest.map(({ after }) => after), value };
}

/** Whether a value has no element below zero. */
function nonNegative(scope: Scope, name: string): boolean {
  const maker = scope.producers.get(name);
  return maker?.op === 'Relu' || (maker?.attrs.min as number | undefined ?? -1) >= 0;
}

interface Kind {
  readonly geometry: (call: ReturnType<typeof callOf>) => Window;
  /** Whether padding with `value` and then sliding is the same as sliding over the padded image. */
  readonly allows: (scope: Scope, pad: Node, window: Node, value: number) => boolean;
  readonly attrs?: Node['attrs'];
}

/** Whether every window has a tap on the image once the pads are its own: padding shorter than the window, and taps side by side. */
function meetsImage(scope: Scope, pad: Node, node: Node): boolean {
  const { kernel, dilations, pads } = poolGeometry(callOf(scope, node)), { before, after } = spatialPad(scope, pad)!;
  const rank = before.length, shortest = Math.min(...kernel.slice(2 - rank));
  return dilations.every((step) => step === 1) && Math.max(...pads) + Math.max(...before, ...after) < shortest;
}

const without = (w: Window): boolean => w.pads.every((pad) => pad === 0);

const kinds: Readonly<Record<string, Kind>> = {
  Conv: { geometry: convGeometry, allows: (_scope, _pad, _window, value) => value === 0 },
  MaxPool: {
    geometry: poolGeometry,
    // Zeros never win against what is not negative, as long as no window lies on padding alone.
    allows: (scope, pad, window, value) => !num(callOf(scope, window), 'ceil_mode', 0) && meetsImage(scope, pad, window)
      && window.outputs.length === 1 && (value === -Infinity || (value === 0 && nonNegative(scope, pad.inputs[0]))),
  },
  AveragePool: {
    geometry: poolGeometry,
    allows: (scope, _pad, window, value) =>
      value === 0 && !num(callOf(scope, window), 'ceil_mode', 0) && without(poolGeometry(callOf(scope, window))),
    attrs: { count_include_pad: 1 },
  },
};

const PAD: ReadonlySet<string> = new Set(['Pad']);

const absorb: Rule = (scope, node) => {
  const pad = ownProducer(scope, node, 0, PAD), kind = kinds[node.op], more = pad && spatialPad(scope, pad);
  if (!pad || !more || !kind.allows(scope, pad, node, more.value)) return false;
  const window = kind.geometry(callOf(scope, node)), rank = more.before.length;
  const own = rank === 2 ? window.pads : [window.pads[1], window.pads[3]];
  const pads = own.map((n, i) => n + [...more.before, ...more.after][i]);
  const attrs = { ...node.attrs, ...kind.attrs, auto_pad: 'NOTSET', pads };
  return become(scope, node, { inputs: [pad.inputs[0], ...node.inputs.slice(1)], attrs }, [pad]);
};

export const pads = passOf({ Conv: [absorb], MaxPool: [absorb], AveragePool: [absorb] });
