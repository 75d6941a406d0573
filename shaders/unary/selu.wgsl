// Selu: q·x, below 0 q·p·(eˣ − 1).

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return q * select(x, p * (exp(x) - 1.0), x < 0.0);
}
