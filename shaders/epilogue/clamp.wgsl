// Between accumulator and memory: the bias a row starts from, and the bounds a sum ends in.

// `row` counts over all groups.
fn begin(row: u32) -> Span {
  if (job.biased == 0u) { return Span(); }
  return Span(bias[row]);
}

fn finish(sum: Span) -> Span {
  return clamp(sum, Span(job.lo), Span(job.hi));
}
