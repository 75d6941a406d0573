// Acosh: log(x + √(x² − 1)); beyond 1e9 the square would leave f32 and √(x² − 1) is x.

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return select(log(x + sqrt(x * x - 1.0)), log(x) + 0.6931471805599453, x > 1e9);
}
