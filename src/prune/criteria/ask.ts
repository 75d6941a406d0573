import { expect, fail, lookUp, show } from '../../expect.ts';
import { criteria, type Context, type Criterion, type CriterionName, type Scores } from './criteria.ts';

/** A row of the table by name, a record, or just the function that scores. */
export type CriterionChoice = CriterionName | (string & {}) | Criterion | Criterion['score'];

/** The criterion that is meant. @throws BurinError `argument` for an unknown name or what cannot score */
export function criterionFrom(choice: CriterionChoice): Criterion {
  if (typeof choice === 'string') return lookUp<Criterion>(criteria, choice, 'criterion');
  if (typeof choice === 'function') return { formula: choice.name || 'a function', score: choice };
  if (typeof choice?.score === 'function') return choice;
  return fail({
    kind: 'argument', where: 'option criterion', needs: 'the name of a criterion, a function or { formula, score }', got: show(choice),
  });
}

const ours = new Set<Criterion>(Object.values(criteria));

/**
 * One score a weight. A criterion of the caller's gets weights of its own, which it may write to.
 * @throws BurinError `argument` where it gives no numbers, or another number of them
 */
export function scored(criterion: Criterion, weights: Float32Array, context: Context): Scores {
  const given: unknown = criterion.score(ours.has(criterion) ? weights : weights.slice(), context), { layer } = context;
  const where = `criterion ${criterion.formula} on ${layer.name} [${layer.dims.join(', ')}]`, numbers = given as ArrayLike<number>;
  const fits = typeof numbers?.length === 'number' && numbers.length === weights.length;
  const got = typeof numbers?.length === 'number' ? `${numbers.length}` : show(given);
  expect(fits, { kind: 'argument', where, needs: `${weights.length} scores, one a weight`, got });
  return given instanceof Float32Array || given instanceof Float64Array ? given : Float64Array.from(numbers, Number);
}
