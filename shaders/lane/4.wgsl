// Weights of one position are read four rows at a time.
alias Lane = vec4f;
alias Weights = vec4f;
alias Rows = vec4f;

fn rows_of(weights: Weights) -> Rows { return weights; }

fn weights_at(i: u32) -> Weights { return values[i]; }
