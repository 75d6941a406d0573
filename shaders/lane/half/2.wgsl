// Weights of 16 bits, two in a word and the first one low, are read two rows at a time and widened.
alias Lane = u32;
alias Weights = vec2f;
alias Rows = vec2f;

fn rows_of(weights: Weights) -> Rows { return weights; }

fn weights_at(i: u32) -> Weights { return unpack2x16float(values[i]); }
