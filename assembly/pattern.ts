// Which rows of the packed panel P[k][NR] a row of A touches. A pattern is told the address its last position met and
// gives the next one; stored positions are byte offsets into the panel, scaled when the weight is packed.

/** How stored positions are walked. Policies extend only this class and hold no state (see tile.ts). */
@unmanaged
export abstract class Pattern {}

/** Every k in turn: no index at all. */
@unmanaged @final
export class Dense extends Pattern {
  /** Positions stored for the row block whose entry of `ptr` is at `ptr`; `all` where every block stores the same number. */
  @inline count(ptr: usize, all: u32): u32 { return all; }
  /** Address of the next position's row of P. */
  @inline next(last: usize, panel: usize, idx: usize, unit: usize): usize { return last + unit; }
  /** Bytes of index a position takes. */
  @inline indexBytes(): usize { return 0; }
  /** Whether a position stands for a run of consecutive k. */
  @inline runs(): bool { return false; }
}

/** One 16-bit offset a position; ptr[b], ptr[b + 1] bound the positions of row block b. */
@unmanaged @final
export class Csr extends Pattern {
  @inline count(ptr: usize, all: u32): u32 { return load<u32>(ptr, 4) - load<u32>(ptr); }
  @inline next(last: usize, panel: usize, idx: usize, unit: usize): usize { return panel + <usize>load<u16>(idx); }
  @inline indexBytes(): usize { return 2; }
  @inline runs(): bool { return false; }
}

/** One 16-bit offset for each run of C consecutive k (the columns of a block). */
@unmanaged @final
export class Bsr extends Pattern {
  @inline count(ptr: usize, all: u32): u32 { return load<u32>(ptr, 4) - load<u32>(ptr); }
  @inline next(last: usize, panel: usize, idx: usize, unit: usize): usize { return panel + <usize>load<u16>(idx); }
  @inline indexBytes(): usize { return 2; }
  @inline runs(): bool { return true; }
}
