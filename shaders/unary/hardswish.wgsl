// HardSwish: x · (x/6 + 1/2 in [0, 1]).

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return x * between(x / 6.0 + 0.5, 0.0, 1.0);
}
