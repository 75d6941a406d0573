import { MatmulJob, PackJob, SpmmJob, UnpackJob } from './job';

// The macro-kernel: panels of columns, blocks of K. The last panel overlaps the one before where there are columns
// enough, so that a ragged edge costs no second pass over the weights.

/** C = A·B through packed panels; the micro-kernel, packing and unpacking are called through the table. */
export function matmul(at: usize): void {
  const job = changetype<MatmulJob>(at);
  const tile = changetype<SpmmJob>(job.spmmJob), pack = changetype<PackJob>(job.packJob), unpack = changetype<UnpackJob>(job.unpackJob);
  const first = job.first, cols = job.cols, width = job.width, depth = job.depth, kBlock = job.kBlock, valid = min(width, cols - first);
  for (let next = first; next < cols; next += width) {
    const col = min(next, cols - valid);
    pack.col = col;
    pack.valid = valid;
    if (!job.unpack) tile.c = job.c + (<usize>col << 2);
    let part = job.parts;
    for (let k: u32 = 0; k < depth; k += kBlock, part += 12) {
      pack.k0 = k;
      pack.k1 = min(k + kBlock, depth);
      call_indirect<void>(job.pack, job.packJob);
      const last = pack.k1 == depth;
      tile.values = load<u32>(part);
      tile.idx = load<u32>(part, 4);
      tile.ptr = load<u32>(part, 8);
      tile.all = load<u32>(part, 8);
      tile.partial = u32(k > 0);
      tile.residual = last ? job.residual : 0;
      tile.min = last ? job.min : -Infinity;
      tile.max = last ? job.max : Infinity;
      call_indirect<void>(job.spmm, job.spmmJob);
    }
    if (job.unpack) {
      unpack.col = col;
      unpack.valid = valid;
      call_indirect<void>(job.unpack, job.unpackJob);
    }
  }
}

/** Runs `count` pairs (table index, record) in order. */
export function run(program: usize, count: u32): void {
  const end = program + (<usize>count << 3);
  for (; program < end; program += 8) call_indirect<void>(load<u32>(program), <usize>load<u32>(program, 4));
}

/** The first address the host may use. */
export const heap_base: usize = __heap_base;
