// Weights of one position are read four rows at a time.
alias Lane = vec4f;
alias Rows = vec4f;

fn rows_of(lane: Lane) -> Rows { return lane; }
