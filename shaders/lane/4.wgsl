// Weights of one position are read four rows at a time.
alias Lane = vec4f;
const LANE = 4u;

fn weight_of(lane: Lane, row: u32) -> f32 { return lane[row]; }
