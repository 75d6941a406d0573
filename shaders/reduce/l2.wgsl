// Roots of sums of squares.

fn step(sofar: f32, value: f32) -> f32 {
  return sofar + value * value;
}

fn finish(sofar: f32) -> f32 {
  return sqrt(sofar);
}
