// Logarithms of sums.

fn step(sofar: f32, value: f32) -> f32 {
  return sofar + value;
}

fn finish(sofar: f32) -> f32 {
  return logarithm(sofar);
}
