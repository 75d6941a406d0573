// Largest.

fn step(sofar: f32, value: f32) -> f32 {
  return larger(sofar, value);
}

fn finish(sofar: f32) -> f32 {
  return sofar;
}
