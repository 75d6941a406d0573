// Log.

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return logarithm(x);
}
