// PRelu: b is the slope below 0.

fn apply(a: f32, b: f32) -> f32 {
  return select(a, b * a, a < 0.0);
}
