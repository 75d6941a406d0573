// Weights of one position are read row by row.
alias Lane = f32;
const LANE = 1u;

fn weight_of(lane: Lane, row: u32) -> f32 { return lane; }
