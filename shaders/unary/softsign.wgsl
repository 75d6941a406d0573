// Softsign: x/(1 + |x|).

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return x / (1.0 + abs(x));
}
