// Comparisons that let NaN through: the language leaves open what its own min, max and clamp make of it, and a compiler may
// assume that nothing is NaN, so that x != x is no question to ask.

fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn larger(x: f32, y: f32) -> f32 {
  return select(y, x, x > y || is_nan(x));
}

fn smaller(x: f32, y: f32) -> f32 {
  return select(y, x, x < y || is_nan(x));
}

// The upper bound wins where the lower one is above it.
fn between(x: f32, lo: f32, hi: f32) -> f32 {
  let y = select(x, lo, x < lo);
  return select(y, hi, y > hi);
}
