// HardSigmoid: p·x + q in [0, 1].

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return between(p * x + q, 0.0, 1.0);
}
