// Softplus: log(1 + eˣ), written so that nothing overflows.

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return select(x, 0.0, x < 0.0) + log(1.0 + exp(-abs(x)));
}
