// Sigmoid: 1/(1 + e⁻ˣ).

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return 1.0 / (1.0 + exp(-x));
}
