// Sums of sizes.

fn step(sofar: f32, value: f32) -> f32 {
  return sofar + abs(value);
}

fn finish(sofar: f32) -> f32 {
  return sofar;
}
