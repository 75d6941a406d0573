// LeakyRelu: p·x below 0.

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return select(x, p * x, x < 0.0);
}
