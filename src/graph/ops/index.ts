import { expect, fail } from '../../expect.ts';
import { binary } from './binary.ts';
import { conv } from './conv.ts';
import { linear } from './linear.ts';
import { move } from './move.ts';
import { normalize } from './normalize.ts';
import { pool } from './pool.ts';
import { reduce } from './reduce.ts';
import { resize } from './resize.ts';
import { select } from './select.ts';
import { shape } from './shape.ts';
import { unary } from './unary.ts';
import type { Node } from '../graph.ts';
import type { Op } from './op.ts';

/** Every operator Burin knows: output types and shapes, plain loops, work. */
export const ops = {
  ...conv, ...linear, ...pool, ...normalize, ...unary, ...binary, ...reduce, ...move, ...select, ...shape, ...resize,
} satisfies Record<string, Op>;

export type OpName = keyof typeof ops;

/**
 * The operator of `node`, its number of inputs checked and the required ones present.
 * @throws BurinError `unsupported` naming node, operator and what is supported; `model` for too few or too many inputs.
 */
export function opOf(node: Node): Op {
  const where = `node '${node.name}' (${node.op})`;
  if (!Object.hasOwn(ops, node.op)) {
    return fail({ kind: 'unsupported', where, needs: `an operator among ${Object.keys(ops).sort().join(', ')}`, got: `'${node.op}'` });
  }
  const op: Op = ops[node.op as OpName];
  const [fewest, most] = op.inputs;
  const got = node.inputs.length;
  expect(got >= fewest && got <= most, {
    kind: 'model', where, needs: fewest === most ? `${fewest} inputs` : `${fewest} to ${most} inputs`, got: String(got),
  });
  const absent = node.inputs.slice(0, fewest).indexOf('');
  expect(absent < 0, { kind: 'model', where, needs: `input ${absent}`, got: 'nothing' });
  return op;
}
