// Mish: x · tanh(log(1 + eˣ)).

fn apply(x: f32, p: f32, q: f32) -> f32 {
  let softplus = select(x, 0.0, x < 0.0) + log(1.0 + exp(-abs(x)));
  return x * tanh(between(softplus, 0.0, 15.0));
}
