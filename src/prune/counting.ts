import { roundHalfEven } from '../graph/ops/unary.ts';

/** How many groups go, and what becomes of groups that score the same as the last of them. */
export interface Counting {
  readonly about: string;
  /** How many of `n` groups go at sparsity `s`, were no two scores equal. */
  readonly drop: (n: number, s: number) => number;
  /**
   * `exact`: that many, among equals those of the lowest index. `keep`: all that score like the first one kept less are kept,
   * `drop`: all that score like the last one to go are dropped.
   */
  readonly ties: 'exact' | 'keep' | 'drop';
}

/**
 * "50 % of 10" is 5 here; what other libraries make of it differs by one or two, and these rows reproduce their numbers. The rules are
 * those of their code: torch.nn.utils.prune, TensorFlow Model Optimization, fasterai, open_lth, Wanda, Torch-Pruning.
 */
export const countings = {
  exact: { about: 'round-half-even(s·n)', drop: (n, s) => roundHalfEven(s * n), ties: 'exact' },
  torch: { about: 'as torch.prune: round-half-even(s·n)', drop: (n, s) => roundHalfEven(s * n), ties: 'exact' },
  tfmot: { about: 'as TF-MOT: n − round-half-even((1 − s)·n)', drop: (n, s) => n - roundHalfEven(n * (1 - s)), ties: 'exact' },
  fasterai: {
    about: 'as fasterai: what is below the max(1, ⌊s·n⌋)-th smallest score', ties: 'keep',
    drop: (n, s) => Math.max(1, Math.floor(s * n)) - 1,
  },
  open_lth: {
    about: 'as open_lth: what is not above score number ⌈s·n⌉, counted from 0', ties: 'drop',
    drop: (n, s) => Math.min(n, Math.ceil(s * n) + 1),
  },
  wanda: { about: 'as Wanda: ⌊s·n⌋', drop: (n, s) => Math.floor(s * n), ties: 'exact' },
  torch_pruning: { about: 'as Torch-Pruning: n − ⌊(1 − s)·n⌋', drop: (n, s) => n - Math.floor(n * (1 - s)), ties: 'exact' },
} satisfies Record<string, Counting>;

/** A row of {@link countings}. */
export type CountingName = keyof typeof countings;
