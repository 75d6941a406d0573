// Between accumulator and memory: the bias a row starts from, and the bounds a sum ends in.

fn begin(row: u32) -> Span {
  return Span(bias[min(row, job.rows - 1u)]);
}

fn finish(sum: Span) -> Span {
  return clamp(sum, Span(job.lo), Span(job.hi));
}
