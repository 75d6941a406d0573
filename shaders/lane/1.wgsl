// Weights of one position are read row by row.
alias Lane = f32;
alias Weights = f32;
alias Rows = array<f32, 1>;

fn rows_of(weights: Weights) -> Rows { return Rows(weights); }

fn weights_at(i: u32) -> Weights { return values[i]; }
