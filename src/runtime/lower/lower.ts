import type { Call } from '../../backends/index.ts';
import type { Call as Operation } from '../../graph/ops/op.ts';
import type { Columns } from '../choices.ts';
import type { Context } from './context.ts';
import type { Choice, Weight } from './weight.ts';

export type { Operation };

/** An operation turned into kernel calls. */
export interface Lowered {
  /** Calls for one way to run it; `choice` is ignored where there is only one. */
  readonly build: (choice?: Choice) => Call[];
  /** The kernel that does the work, for reports; with a weight, the chosen kernel is named instead. */
  readonly kernel: string;
  /** The weight to choose a format for (of all groups) and what it is multiplied with. */
  readonly weight?: Weight;
  readonly columns?: Columns;
}

/** One row of the lowering table: undefined where the kernels do not cover the case and the host runs it. */
export type Lower = (ctx: Context, op: Operation) => Lowered | undefined;
