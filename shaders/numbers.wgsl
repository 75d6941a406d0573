// Comparisons that let NaN through: the language leaves open what its own min, max and clamp make of it, and a compiler may
// assume that nothing is NaN, so that x != x is no question to ask.

fn is_nan(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u;
}

fn larger(one: f32, two: f32) -> f32 {
  return select(two, one, one > two || is_nan(one));
}

fn smaller(one: f32, two: f32) -> f32 {
  return select(two, one, one < two || is_nan(one));
}

// The upper bound wins where the lower one is above it.
fn between(value: f32, lo: f32, hi: f32) -> f32 {
  let raised = select(value, lo, value < lo);
  return select(raised, hi, raised > hi);
}

// What is NaN stays NaN: built-ins of some drivers make numbers of it.
fn exponential(value: f32) -> f32 {
  return select(exp(value), value, is_nan(value));
}

fn logarithm(value: f32) -> f32 {
  return select(log(value), value, is_nan(value));
}
