import { MatmulJob, PackJob, SpmmJob, UnpackJob } from './job';

// The macro-kernel: panels of columns, blocks of K. The last panel overlaps the one before where there are columns
// enough, so that a ragged edge costs no second pass over the weights.

/** C = A·B through packed panels; the micro-kernels, packing and unpacking are called through the table. */
export function matmul(at: usize): void {
  const job = changetype<MatmulJob>(at);
  const tile = changetype<SpmmJob>(job.spmmJob), rest = changetype<SpmmJob>(job.restJob);
  const pack = changetype<PackJob>(job.packJob), unpack = changetype<UnpackJob>(job.unpackJob);
  const first = job.first, cols = job.cols, width = job.width, depth = job.depth, kBlock = job.kBlock, halo = job.halo, b = tile.panel;
  const valid = min(width, cols - first);
  for (let next = first; next < cols; next += width) {
    const col = min(next, cols - valid);
    if (job.pack) {
      pack.col = col;
      pack.valid = valid + halo;
    } else {
      tile.panel = b + (<usize>col << 2);
    }
    if (!job.unpack) tile.c = job.c + (<usize>col << 2);
    for (let k: u32 = 0, part: usize = 0; k < depth; k += kBlock, part += 16) {
      const last = k + kBlock >= depth;
      if (job.pack) {
        pack.k0 = k;
        pack.k1 = last ? depth : k + kBlock;
        call_indirect<void>(job.pack, job.packJob);
      }
      aim(job, tile, job.parts + part, k > 0, last);
      call_indirect<void>(job.spmm, job.spmmJob);
      if (job.rest) {
        rest.c = tile.c + job.restC;
        aim(job, rest, job.restParts + part, k > 0, last);
        call_indirect<void>(job.rest, job.restJob);
      }
    }
    if (job.unpack) {
      unpack.col = col;
      unpack.valid = valid;
      call_indirect<void>(job.unpack, job.unpackJob);
    }
  }
  tile.panel = b;
}

/** Points a micro-kernel at one block of K: the sums start from C unless it is the first, and are finished in the last. */
function aim(job: MatmulJob, tile: SpmmJob, part: usize, partial: bool, last: bool): void {
  tile.values = load<u32>(part);
  tile.idx = load<u32>(part, 4);
  tile.ptr = load<u32>(part, 8);
  tile.all = load<u32>(part, 8);
  tile.order = load<u32>(part, 12);
  tile.partial = u32(partial);
  tile.residual = last ? job.residual : 0;
  tile.min = last ? job.min : -Infinity;
  tile.max = last ? job.max : Infinity;
}

/** Runs `count` pairs (table index, record) in order. */
export function run(program: usize, count: u32): void {
  const end = program + (<usize>count << 3);
  for (; program < end; program += 8) call_indirect<void>(load<u32>(program), <usize>load<u32>(program, 4));
}

/** The first address the host may use. */
export const heap_base: usize = __heap_base;
