// Between accumulator and memory: the bias a row starts from, the residual that is added and the bounds a sum ends in.

// `row` counts over all groups.
fn begin(row: u32) -> Span {
  if (job.biased == 0u) { return Span(); }
  return Span(bias[row]);
}

// `at` is where in c the sum goes.
fn finish(sum: Span, at: u32) -> Span {
  var whole = sum;
  if (job.residual != 0u) { whole += residual[at]; }
  return clamp(whole, Span(job.lo), Span(job.hi));
}
