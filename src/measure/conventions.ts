import { expect } from '../expect.ts';
import { at, type Call } from '../graph/ops/op.ts';
import { convGeometry } from '../graph/ops/window.ts';
import type { Counted } from './count.ts';

/** A way to count work. */
export interface ConventionRow {
  /** One line for help texts. */
  readonly about: string;
  readonly count: (counted: Counted) => number;
}

/** What is counted as work. One network has many published numbers: always say which convention a number follows. */
export const conventions = {
  'macs': { about: 'multiply-adds with weights', count: ({ work }) => work.macs },
  'macs+bias': { about: 'these, and one for each bias added', count: ({ work, biases }) => work.macs + biases },
  'ptflops': {
    about: 'as the tool ptflops: with bias, 2N for batch normalisation, N for activations, the inputs of pools',
    count: ({ work }) => work.ptflops,
  },
  'flops2': { about: 'two operations for each multiply-add', count: ({ work }) => 2 * work.macs },
  'inBounds': { about: 'multiply-adds whose input is in the image, not padding', count: ({ work }) => work.inBounds },
  'shrinkbench': {
    about: 'as ShrinkBench: every padding taken as SAME, groups and batch ignored; only to reproduce published numbers',
    count: (counted) => counted.kept * shrinkbench(counted),
  },
} satisfies Record<string, ConventionRow>;

export type Convention = keyof typeof conventions;

/** Elements of the weight: one result a filter, whatever the batch and the length of a sequence. */
const oneVector = ({ inputs }: Call): number => (inputs[1]?.shape ?? []).reduce((product, dim) => product * dim, 1);

/**
 * ⌈H/stride⌉ · ⌈W/stride⌉ · O · I · KH · KW, with I all the input channels.
 * @throws BurinError `unsupported` where it is dilated, as ShrinkBench stops there.
 */
function sameConvolution(call: Call): number {
  const { kernel, strides, dilations, inputs, filters, in: size } = convGeometry(call);
  expect(dilations[0] === 1 && dilations[1] === 1, {
    kind: 'unsupported', where: at(call), needs: 'no dilation: ShrinkBench has no count for it', got: `dilations [${dilations}]`,
    remedy: 'count by macs',
  });
  return Math.ceil(size[0] / strides[0]) * Math.ceil(size[1] / strides[1]) * filters * inputs * kernel[0] * kernel[1];
}

/** The modules that ShrinkBench counts, Conv2d and Linear; all others are free. */
const shrinkbenchRules: Readonly<Record<string, (call: Call) => number>> = {
  Conv: (call) => (call.inputs[0]?.shape.length === 4 ? sameConvolution(call) : 0),
  Gemm: oneVector, Linear: oneVector, MatMul: oneVector,
};

/** Blalock et al. (2020), github.com/JJGO/shrinkbench, metrics/flops.py and abstract_flops.py. */
function shrinkbench({ call, layer }: Counted): number {
  return layer && Object.hasOwn(shrinkbenchRules, call.node.op) ? shrinkbenchRules[call.node.op](call) : 0;
}
