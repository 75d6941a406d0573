import { averages, type BudgetReport, type BudgetRow, type Outcome } from '../measure/budget/index.ts';
import { ms, number, percent, times } from '../measure/words.ts';
import { textTable, type TableColumn } from './text.ts';
import { place } from './words.ts';
import { wrap } from './wrap.ts';

const outcomes: Readonly<Record<Outcome, (report: BudgetReport) => string>> = {
  met: () => 'met',
  given: () => 'met without pruning',
  fastest: () => 'not possible: this is the fastest there is',
  missed: ({ deviation }) => `missed by ${percent(Math.abs(deviation))}: the machine was not steady enough`,
};

/** What was asked for and what came of it, in a few lines. */
export function budgetSummary(report: BudgetReport): string[] {
  const { outcome, budgetMs, askedSpeedup, denseMs, measuredMs, predictedMs, speedup, deviation, scoreKept, sparsity, kept } = report;
  const taken = measuredMs === null ? `${ms(predictedMs)} by the cost table` : `${ms(measuredMs)} measured`;
  return [
    `Asked for ${ms(budgetMs)} (${times(askedSpeedup)}), dense ${ms(denseMs)}: ${outcomes[outcome](report)}.`,
    `Now ${taken} (${times(speedup)}), ${percent(Math.abs(deviation))} ${deviation > 0 ? 'above' : 'below'} the budget.`,
    `Kept: ${percent(scoreKept)} of the score (${averages[report.average].about}; ${percent(kept.total)} of all scores together), `
      + `${percent(1 - sparsity)} of the weights.`,
    ...(report.uniform ?? []).map(({ granularity, sparsity: zeros, scoreKept: theirs, measuredMs: time, met }) =>
      (met ? `Uniform ${granularity} takes the same time at ${percent(zeros)} zeros and keeps ${percent(theirs)}.`
        : `Uniform ${granularity} does not get there: ${ms(time)} at ${percent(zeros)} zeros, keeping ${percent(theirs)}.`)),
  ];
}

/** The summary and a row for each layer that was pruned. */
export function budgetText(report: BudgetReport, { width = 100 }: { width?: number } = {}): string {
  const pruned = report.layers.filter(({ granularity }) => granularity !== null), rest = report.layers.length - pruned.length;
  const summary = [...budgetSummary(report), `${place(report)}.`].map((line) => wrap(line, width)).join('\n');
  if (pruned.length === 0) return summary;
  const column = (head: string, cell: (row: BudgetRow) => string, right = true, spare = 0): TableColumn =>
    ({ head, cells: pruned.map(cell), right, spare });
  const table = textTable([
    column('layer', ({ name }) => name, false),
    column('granularity', ({ granularity }) => granularity!, false),
    column('zeros', ({ sparsity }) => percent(sparsity)),
    column('kept', ({ scoreKept }) => percent(scoreKept)),
    column('before ms', ({ givenMs }) => number(givenMs)),
    column('predicted', ({ predictedMs }) => number(predictedMs), true, 1),
    column('measured', ({ measuredMs }) => number(measuredMs)),
    column('format', ({ format }) => format ?? '', false),
    column('kernel', ({ kernel }) => kernel ?? '', false, 2),
  ], width);
  return `${summary}\n\n${table}\n${rest ? `… and ${rest} layers as they were\n` : ''}`;
}
