// Min.

fn apply(a: f32, b: f32) -> f32 {
  return smaller(a, b);
}
