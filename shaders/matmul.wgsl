// C[M×N] = clamp(A·B + bias + residual) for an A whose blocks of rows have their positions in common, as far as one workgroup
// goes: a dense one, or blocks at least as tall as a workgroup's rows. A group computes TALL blocks of rows × WIDTH spans of
// columns. It stages DEPTH stored k of A and the rows of B they meet at a time, so that each is read from memory once a group;
// what is staged next is fetched while the group computes. An invocation keeps BLOCKS blocks of rows × SPANS spans in registers.

const TALL = GROUP_Y * BLOCKS;
const WIDTH = GROUP_X * SPANS;
const THREADS = GROUP_X * GROUP_Y;
const WEIGHTS = TALL * DEPTH * LANES;
const PANEL = DEPTH * WIDTH;

// A device that promises only the defaults has 16 KB.
const_assert 8u * LANE * WEIGHTS + 8u * SPAN * PANEL <= 16384u;
// An invocation fetches MORE_WEIGHTS of the weights and MORE_SPANS spans, all of one column: where it lies is found once.
const_assert MORE_WEIGHTS * THREADS >= WEIGHTS && MORE_SPANS * THREADS == PANEL && THREADS % WIDTH == 0u;
const_assert ROWS * BLOCKS * SPANS * SPAN <= 64u;

// One half is computed from while the other is filled.
var<workgroup> weights: array<Weights, 2u * WEIGHTS>;
var<workgroup> panel: array<Span, 2u * PANEL>;

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn matmul(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) local: vec3u, @builtin(local_invocation_index) thread: u32) {
  let group = group_of(id);
  let first = group.y * TALL;
  let own = first + local.y * BLOCKS;
  let tall = min(TALL, job.group_blocks - first);
  let stored_block = (group.z % job.groups) * job.group_blocks + first;
  let first_row = (group.z % job.groups) * job.rows;
  let first_value = (group.z / job.groups) * job.a_step / LANE;
  let mine = place_of(group.z, min(group.x * WIDTH + thread % WIDTH, job.spans - 1u));

  var sums: array<Span, BLOCKS * ROWS * SPANS>;
  for (var q = 0u; q < BLOCKS; q++) {
    for (var r = 0u; r < ROWS; r++) {
      let row = min((own + q) * job.block_rows + r, job.rows - 1u);
      for (var s = 0u; s < SPANS; s++) { sums[(q * ROWS + r) * SPANS + s] = begin(first_row + row); }
    }
  }

  var side = 0u;
  var start = 0u; // positions before this part
  for (var part = 0u; part < job.parts; part++) {
    let k0 = part * job.k_block;
    let at = part * (job.blocks + 1u);
    let range = bounds(at, stored_block, min(job.k_block, job.depth - k0));
    let length = (range.y - range.x) * job.block_cols; // k stored for a block of rows
    let value = first_value + (start + range.x) * job.block_cols * LANES;
    var next_weights: array<Weights, MORE_WEIGHTS>;
    var next_spans: array<Span, MORE_SPANS>;
    // Nothing is computed in the first round, nothing that counts fetched in the last one.
    for (var flat = 0u; flat < length + DEPTH; flat += DEPTH) {
      if (flat > 0u) {
        for (var i = 0u; i < MORE_WEIGHTS; i++) {
          let to = thread + i * THREADS;
          if (to < WEIGHTS) { weights[side * WEIGHTS + to] = next_weights[i]; }
        }
        for (var i = 0u; i < MORE_SPANS; i++) { panel[side * PANEL + thread + i * THREADS] = next_spans[i]; }
      }
      workgroupBarrier();
      for (var i = 0u; i < MORE_WEIGHTS; i++) {
        let y = (thread + i * THREADS) / (DEPTH * LANES);
        let w = (thread + i * THREADS) % (DEPTH * LANES);
        next_weights[i] = Weights();
        if (y < tall && flat + w / LANES < length) { next_weights[i] = weights_at(value + (y * length + flat) * LANES + w); }
      }
      for (var i = 0u; i < MORE_SPANS; i++) {
        let j = flat + (thread + i * THREADS) / WIDTH;
        next_spans[i] = Span();
        if (j < length) {
          let k = k0 + stored_k(start + range.x, j);
          // A block may reach past the last k.
          if (k < job.depth) { next_spans[i] = fetch(mine, source_of(k)); }
        }
      }
      if (flat > 0u) {
        for (var j = 0u; j < DEPTH; j++) {
          var x: array<Span, SPANS>;
          for (var s = 0u; s < SPANS; s++) { x[s] = panel[side * PANEL + j * WIDTH + s * GROUP_X + local.x]; }
          for (var q = 0u; q < BLOCKS; q++) {
            for (var v = 0u; v < LANES; v++) {
              let lane = rows_of(weights[side * WEIGHTS + ((local.y * BLOCKS + q) * DEPTH + j) * LANES + v]);
              for (var r = 0u; r < LANE; r++) {
                for (var s = 0u; s < SPANS; s++) { sums[((q * LANES + v) * LANE + r) * SPANS + s] += lane[r] * x[s]; }
              }
            }
          }
        }
        side = 1u - side;
      }
    }
    start += row_ptr[at + job.blocks];
  }

  for (var q = 0u; q < BLOCKS; q++) {
    for (var r = 0u; r < ROWS; r++) {
      let row = (own + q) * job.block_rows + r;
      if (r < job.block_rows && row < job.rows) {
        for (var s = 0u; s < SPANS; s++) {
          let span = group.x * WIDTH + s * GROUP_X + local.x;
          if (span < job.spans) { store(group.z * job.c_step + row * job.c_row, span, sums[(q * ROWS + r) * SPANS + s]); }
        }
      }
    }
  }
}
