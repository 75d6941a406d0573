// Weights of 16 bits, two in a word and the first one low, are read four rows at a time and widened.
alias Lane = vec2u;
alias Weights = vec4f;
alias Rows = vec4f;

fn rows_of(weights: Weights) -> Rows { return weights; }

fn weights_at(i: u32) -> Weights {
  let words = values[i];
  return vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
}
