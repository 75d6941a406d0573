// ThresholdedRelu: 0 up to p.

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return select(x, 0.0, x <= p);
}
