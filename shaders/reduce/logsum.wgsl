// Logarithms of sums.

fn step(sofar: f32, value: f32) -> f32 {
  return sofar + value;
}

fn join(a: f32, b: f32) -> f32 {
  return a + b;
}

fn finish(sofar: f32) -> f32 {
  return log(sofar);
}
