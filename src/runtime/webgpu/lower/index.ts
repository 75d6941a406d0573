import { elementwise } from './elementwise.ts';
import type { Lower } from './lower.ts';
import { moves } from './move.ts';
import { lowerGemm, lowerMatMul } from './multiply.ts';
import { rows } from './rows.ts';
import { weighted } from './weighted.ts';
import { windows } from './window.ts';

/** How an operator becomes dispatches. One that is not here, or whose row returns undefined, runs on the host. */
export const lowerings: Readonly<Record<string, Lower>> = {
  ...elementwise, ...moves, ...rows, ...windows, ...weighted, MatMul: lowerMatMul, Gemm: lowerGemm,
};
