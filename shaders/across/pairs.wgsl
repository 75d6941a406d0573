// What all THREADS invocations of a group hold, joined in pairs.

var<workgroup> partial: array<f32, THREADS>;

// Each gives the result to every invocation, and all invocations of a group must call it.

fn sum_across(value: f32, thread: u32) -> f32 {
  partial[thread] = value;
  workgroupBarrier();
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    if (thread < half) { partial[thread] += partial[thread + half]; }
    workgroupBarrier();
  }
  let whole = partial[0];
  workgroupBarrier();
  return whole;
}

fn product_across(value: f32, thread: u32) -> f32 {
  partial[thread] = value;
  workgroupBarrier();
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    if (thread < half) { partial[thread] *= partial[thread + half]; }
    workgroupBarrier();
  }
  let whole = partial[0];
  workgroupBarrier();
  return whole;
}

fn largest_across(value: f32, thread: u32) -> f32 {
  partial[thread] = value;
  workgroupBarrier();
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    if (thread < half) { partial[thread] = larger(partial[thread], partial[thread + half]); }
    workgroupBarrier();
  }
  let whole = partial[0];
  workgroupBarrier();
  return whole;
}

fn smallest_across(value: f32, thread: u32) -> f32 {
  partial[thread] = value;
  workgroupBarrier();
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    if (thread < half) { partial[thread] = smaller(partial[thread], partial[thread + half]); }
    workgroupBarrier();
  }
  let whole = partial[0];
  workgroupBarrier();
  return whole;
}
