// Logarithms of sums of exponentials.

fn step(sofar: f32, value: f32) -> f32 {
  return sofar + exponential(value);
}

fn finish(sofar: f32) -> f32 {
  return logarithm(sofar);
}
