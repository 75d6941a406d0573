// C[M×N] = clamp(A·B + bias + residual) for N:M rows: every row stores as many of each window of k, but others than its
// neighbours. A group computes TALL rows × WIDTH spans of columns. It stages DEPTH stored weights of each row, each with the place of
// its k in the panel, and the PANEL_DEPTH rows of B that they are chosen from, whole; what is staged next is fetched while the
// group computes. An invocation keeps BLOCKS rows × SPANS spans in registers.

const TALL = GROUP_Y * BLOCKS;
const WIDTH = GROUP_X * SPANS;
const THREADS = GROUP_X * GROUP_Y;
const WEIGHTS = TALL * DEPTH;
const PANEL = PANEL_DEPTH * WIDTH;

// A device that promises only the defaults has 16 KB.
const_assert 16u * WEIGHTS + 8u * SPAN * PANEL <= 16384u;
// An invocation fetches MORE_WEIGHTS of the weights and MORE_SPANS spans, all of one column: where it lies is found once.
const_assert MORE_WEIGHTS * THREADS == WEIGHTS && MORE_SPANS * THREADS == PANEL && THREADS % WIDTH == 0u;
const_assert ROWS == 1u && BLOCKS * SPANS * SPAN <= 64u;

// A weight's bits and the place of its k. One half is computed from while the other is filled.
var<workgroup> weights: array<vec2u, 2u * WEIGHTS>;
var<workgroup> panel: array<Span, 2u * PANEL>;

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn windows(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) local: vec3u, @builtin(local_invocation_index) thread: u32) {
  let group = group_of(id);
  let first = group.y * TALL;
  let own = first + local.y * BLOCKS;
  let tall = min(TALL, job.group_blocks - first);
  let stored_row = (group.z % job.groups) * job.group_blocks + first;
  let first_row = (group.z % job.groups) * job.rows;
  let mine = place_of(group.z, min(group.x * WIDTH + thread % WIDTH, job.spans - 1u));

  var sums: array<Span, BLOCKS * SPANS>;
  for (var q = 0u; q < BLOCKS; q++) {
    for (var s = 0u; s < SPANS; s++) { sums[q * SPANS + s] = begin(first_row + min(own + q, job.rows - 1u)); }
  }

  var side = 0u;
  var start = 0u; // positions before this part
  for (var part = 0u; part < job.parts; part++) {
    let k0 = part * job.k_block;
    let at = part * (job.blocks + 1u);
    let columns = min(job.k_block, job.depth - k0);
    let range = bounds(at, stored_row, columns);
    let length = range.y - range.x; // weights stored for a row
    let value = start + range.x;
    var next_weights: array<vec2u, MORE_WEIGHTS>;
    var next_spans: array<Span, MORE_SPANS>;
    // Nothing is computed in the first round, nothing that counts fetched in the last one.
    for (var flat = 0u; flat < length + DEPTH; flat += DEPTH) {
      if (flat > 0u) {
        for (var i = 0u; i < MORE_WEIGHTS; i++) { weights[side * WEIGHTS + thread + i * THREADS] = next_weights[i]; }
        for (var i = 0u; i < MORE_SPANS; i++) { panel[side * PANEL + thread + i * THREADS] = next_spans[i]; }
      }
      workgroupBarrier();
      // The first k of the windows that these weights are chosen from.
      let base = (flat / DEPTH) * PANEL_DEPTH;
      for (var i = 0u; i < MORE_WEIGHTS; i++) {
        let y = (thread + i * THREADS) / DEPTH;
        let w = flat + (thread + i * THREADS) % DEPTH;
        next_weights[i] = vec2u();
        if (y < tall && w < length) {
          let position = value + y * length + w;
          next_weights[i] = vec2u(bitcast<u32>(weights_at(position)), index_of(position) - base);
        }
      }
      for (var i = 0u; i < MORE_SPANS; i++) {
        let k = base + (thread + i * THREADS) / WIDTH;
        next_spans[i] = Span();
        if (k < columns) { next_spans[i] = fetch(mine, source_of(k0 + k)); }
      }
      if (flat > 0u) {
        for (var j = 0u; j < DEPTH; j++) {
          for (var q = 0u; q < BLOCKS; q++) {
            let weight = weights[side * WEIGHTS + (local.y * BLOCKS + q) * DEPTH + j];
            let x = side * PANEL + weight.y * WIDTH + local.x;
            for (var s = 0u; s < SPANS; s++) { sums[q * SPANS + s] += bitcast<f32>(weight.x) * panel[x + s * GROUP_X]; }
          }
        }
        side = 1u - side;
      }
    }
    start += row_ptr[at + job.blocks];
  }

  for (var q = 0u; q < BLOCKS; q++) {
    if (own + q < job.rows) {
      for (var s = 0u; s < SPANS; s++) {
        let span = group.x * WIDTH + s * GROUP_X + local.x;
        if (span < job.spans) { store(group.z * job.c_step + (own + q) * job.c_row, span, sums[q * SPANS + s]); }
      }
    }
  }
}
