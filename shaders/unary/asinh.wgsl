// Asinh: log(|x| + √(x² + 1)) with the sign of x; beyond 1e9 the square would leave f32 and √(x² + 1) is x.

fn apply(x: f32, p: f32, q: f32) -> f32 {
  let a = abs(x);
  let y = select(log(a + sqrt(a * a + 1.0)), log(a) + 0.6931471805599453, a > 1e9);
  return select(y, -y, x < 0.0);
}
