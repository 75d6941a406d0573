// Reciprocal.

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return 1.0 / x;
}
