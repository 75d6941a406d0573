// Weights of one position are read two rows at a time.
alias Lane = vec2f;
alias Rows = vec2f;

fn rows_of(lane: Lane) -> Rows { return lane; }
