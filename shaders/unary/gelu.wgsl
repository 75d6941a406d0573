// Gelu: x/2 · (1 + erf(x/√2)).

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return 0.5 * x * (1.0 + erf(x * 0.7071067811865476));
}
