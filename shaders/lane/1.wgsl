// Weights of one position are read row by row.
alias Lane = f32;
alias Rows = array<f32, 1>;

fn rows_of(lane: Lane) -> Rows { return Rows(lane); }
