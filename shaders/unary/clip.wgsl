// Clip: x in [p, q].

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return between(x, p, q);
}
