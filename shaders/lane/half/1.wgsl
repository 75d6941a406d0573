// Weights of 16 bits, two in a word and the first one low, are read row by row and widened.
alias Lane = u32;
alias Weights = f32;
alias Rows = array<f32, 1>;

fn rows_of(weights: Weights) -> Rows { return Rows(weights); }

fn weights_at(i: u32) -> Weights { return unpack2x16float(values[i >> 1u])[i & 1u]; }
