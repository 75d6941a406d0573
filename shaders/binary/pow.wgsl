// Pow: a to the power of b. The built-in knows no negative base: with a whole exponent the sign is settled here, with any other
// the result is what the logarithm of a negative number makes, NaN.

fn apply(a: f32, b: f32) -> f32 {
  if (b == 0.0) { return 1.0; }
  if (is_nan(a) || is_nan(b)) { return a + b; }
  if (a >= 0.0 || b != floor(b)) { return pow(a, b); }
  let size = pow(-a, b);
  return select(size, -size, fract(b * 0.5) != 0.0);
}
