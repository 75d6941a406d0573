// Weights of one position are read two rows at a time.
alias Lane = vec2f;
const LANE = 2u;

fn weight_of(lane: Lane, row: u32) -> f32 { return lane[row]; }
