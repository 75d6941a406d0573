// Weights of one position are read two rows at a time.
alias Lane = vec2f;
alias Weights = vec2f;
alias Rows = vec2f;

fn rows_of(weights: Weights) -> Rows { return weights; }

fn weights_at(i: u32) -> Weights { return values[i]; }
