// Atanh: log((1 + x)/(1 − x))/2.

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return 0.5 * log((1.0 + x) / (1.0 - x));
}
