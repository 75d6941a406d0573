// Elu: p·(eˣ − 1) below 0.

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return select(x, p * (exp(x) - 1.0), x < 0.0);
}
