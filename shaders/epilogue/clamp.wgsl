// Between accumulator and memory: the bias a row starts from, and the bounds a sum ends in.

// `row` counts over all groups.
fn begin(row: u32) -> Span {
  if (job.biased == 0u) { return Span(); }
  return Span(bias[row]);
}

// By comparisons, which leave NaN as it is: what the language's clamp makes of it is left open.
fn finish(sum: Span) -> Span {
  let raised = select(sum, Span(job.lo), sum < Span(job.lo));
  return select(raised, Span(job.hi), raised > Span(job.hi));
}
