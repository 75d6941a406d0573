// The records kernels are called with. Every kernel takes one argument, the address of its record; the host writes the
// same fields in the same order (src/kernels.ts lists them, a test compares the two). usize is an address or a count of
// bytes, u32 a count, f32 a number. Long because the records are one table.

/** A micro-kernel call: C[rows×NR] = A · P, one panel P[k][NR], one block of K, all rows of A. */
@unmanaged
export class SpmmJob {
  /** Kept weights, [block][position][run][R]. */
  values: usize;
  /** u16 byte offsets into the panel, one a position (none for dense). */
  idx: usize;
  /** u32 [blocks + 1], position count before each row block. */
  ptr: usize;
  /** Positions of every block where all store the same number (dense, N:M). */
  all: u32;
  /** Consecutive k a position stands for (columns of a block). */
  run: u32;
  /** Blocks of rows, rows of A in each (at most R), and rows in all. */
  blocks: u32;
  blockRows: u32;
  rows: u32;
  panel: usize;
  /** Bytes of a row of the panel. */
  unit: usize;
  c: usize;
  /** Bytes between rows of C. */
  cStride: usize;
  /** f32 [rows], or 0. */
  bias: usize;
  /** Bytes from C to what is added to it, or 0. */
  residual: usize;
  min: f32;
  max: f32;
  /** 1: C holds the sums of earlier blocks of K. */
  partial: u32;
  /** u32 [2 · blocks], the rows of C of each pair of rows (pair.ts). */
  order: usize;
}

/** A product: walks panels of columns and blocks of K. */
@unmanaged
export class MatmulJob {
  /**
   * Table index and record of the micro-kernel, of the packing (0: the micro-kernel reads B where it lies, from the
   * address in its record's `panel` on) and of the unpacking (0: C is written in place).
   */
  spmm: u32;
  spmmJob: usize;
  pack: u32;
  packJob: usize;
  unpack: u32;
  unpackJob: usize;
  /**
   * First column of C and the one after the last (a part of them for a thread), columns of a panel, and those that a packed panel has
   * beyond; rows of B in all and in a block of K.
   */
  first: u32;
  cols: u32;
  width: u32;
  halo: u32;
  depth: u32;
  kBlock: u32;
  /** Start of the values, indices, pointers and pairs of rows of each block of K: four usize each. */
  parts: usize;
  c: usize;
  /** Table index, record and parts of a second micro-kernel for the last rows of A, and bytes from C to them; or 0. */
  rest: u32;
  restJob: usize;
  restParts: usize;
  restC: usize;
  min: f32;
  max: f32;
  residual: usize;
}

/** Fills a panel: P[k][j] = B[k0 + k][col + j], zero beyond the last column. */
@unmanaged
export class PackJob {
  src: usize;
  /** Bytes between rows (pack_rows), between columns (pack_columns). */
  stride: usize;
  panel: usize;
  width: u32;
  /** Set by the driver: the first column, how many of them exist, and the rows wanted. */
  col: u32;
  valid: u32;
  k0: u32;
  k1: u32;
  /** pack_taps: u32 byte offset of each k into the padded planes, and pixels of an output row, bytes of a step down. */
  offsets: usize;
  outWidth: u32;
  rowStep: usize;
}

/** Takes a finished scratch tile to its place: dst[row·rowStride + col·colStride]. */
@unmanaged
export class UnpackJob {
  src: usize;
  srcStride: usize;
  dst: usize;
  rowStride: usize;
  colStride: usize;
  rows: u32;
  /** Set by the driver. */
  col: u32;
  valid: u32;
  residual: usize;
  min: f32;
  max: f32;
}

/** dst[row][y][x] = clamp(src[row][y · pitch + x] + residual): planes without what lies between their rows. */
@unmanaged
export class CropJob {
  src: usize;
  /** Bytes between planes of src and between their rows. */
  srcPlane: usize;
  pitch: usize;
  dst: usize;
  rows: u32;
  height: u32;
  width: u32;
  /** Bytes from dst to what is added to it, or 0. */
  residual: usize;
  min: f32;
  max: f32;
}

/** A matrix times a vector: y[rows] = A · x. */
@unmanaged
export class SpmvJob {
  values: usize;
  /** u16 byte offsets into x; for weights of 16 bits the address of the mask that widens them. */
  idx: usize;
  ptr: usize;
  run: u32;
  blocks: u32;
  blockRows: u32;
  rows: u32;
  /** Length of x. */
  cols: u32;
  x: usize;
  y: usize;
  /** f32 [rows] to start from: the bias, or y where it holds the sums of earlier parts; or 0. */
  bias: usize;
  residual: usize;
  min: f32;
  max: f32;
}

/** Products at stored positions: values[nnz] (partial: added to it) of A·Bᵀ, A[rows×depth], B[·×depth]. */
@unmanaged
export class SddmmJob {
  values: usize;
  /** u32 columns [nnz] and bounds of rows [rows + 1]; strides in bytes. */
  idx: usize;
  ptr: usize;
  rows: u32;
  a: usize;
  aStride: usize;
  b: usize;
  bStride: usize;
  /** Bytes of a row to sum over, a multiple of 32. */
  depth: usize;
  partial: u32;
}

/** C[depth×cols] = Aᵀ·B, A[rows×depth] packed with byte offsets of rows of the tile, B[rows×cols]. */
@unmanaged
export class TransposedJob {
  values: usize;
  idx: usize;
  ptr: usize;
  rows: u32;
  blockRows: u32;
  depth: u32;
  cols: u32;
  b: usize;
  bStride: usize;
  /** Room for depth rows of a tile, and bytes of one: 128 for single rows of B, 32 for four at a time. */
  tile: usize;
  unit: usize;
  c: usize;
  cStride: usize;
}

/** Copies planes [channels][height][width] into padded phase planes [channels][rows][phases][phaseWidth]. */
@unmanaged
export class PadJob {
  src: usize;
  dst: usize;
  channels: u32;
  height: u32;
  width: u32;
  top: u32;
  left: u32;
  /** Rows of a padded plane, phases (the horizontal stride) and pixels of a phase. */
  rows: u32;
  phases: u32;
  phaseWidth: u32;
  value: f32;
}

/** A window slid over one plane after the other, each output channel from one plane: depthwise convolution and pooling. */
@unmanaged
export class WindowJob {
  /** Planes [channels / multiplier] and bytes of one. */
  src: usize;
  srcPlane: usize;
  /** Record of the padding of one plane, whose `src` the kernel sets, or 0: the planes are read where they are. */
  padJob: usize;
  dst: usize;
  channels: u32;
  /** Output channels that read the same plane. */
  multiplier: u32;
  outHeight: u32;
  outWidth: u32;
  /** Rows of a plane, bytes of one, and rows above the image that the first output row reaches. */
  height: u32;
  rowBytes: usize;
  top: u32;
  /** Kernels that read planes as they are: pixels left of the image that the first output pixel reaches. */
  left: u32;
  strideY: u32;
  dilationY: u32;
  kernelHeight: u32;
  kernelWidth: u32;
  /** The same: i32 [kernelWidth][outWidth], −1 where the tap of an output pixel lies on the image, else 0. */
  masks: usize;
  /**
   * u32 [taps] byte offsets from where the window begins, f32 [channels][taps] weights
   * (depthwise_5x5: each four times), f32 [channels] bias or 0.
   */
  offsets: usize;
  weights: usize;
  bias: usize;
  /** f32 [outHeight·outWidth] factors (average pooling), or 0. */
  scale: usize;
  residual: usize;
  min: f32;
  max: f32;
}

/** y[i] = f(x[i]); a, b are the operator's parameters. */
@unmanaged
export class UnaryJob {
  x: usize;
  y: usize;
  length: u32;
  a: f32;
  b: f32;
}

/** y = f(a, b) over four dimensions, outermost first; strides in bytes, 0 repeats; y is contiguous. */
@unmanaged
export class BinaryJob {
  a: usize;
  b: usize;
  y: usize;
  n0: u32;
  n1: u32;
  n2: u32;
  n3: u32;
  a0: usize;
  a1: usize;
  a2: usize;
  a3: usize;
  b0: usize;
  b1: usize;
  b2: usize;
  b3: usize;
  min: f32;
  max: f32;
}

/** dst[i0…i5] = src[i0…i5], outermost first; strides in bytes. */
@unmanaged
export class CopyJob {
  src: usize;
  dst: usize;
  n0: u32;
  n1: u32;
  n2: u32;
  n3: u32;
  n4: u32;
  n5: u32;
  s0: usize;
  s1: usize;
  s2: usize;
  s3: usize;
  s4: usize;
  s5: usize;
  d0: usize;
  d1: usize;
  d2: usize;
  d3: usize;
  d4: usize;
  d5: usize;
}

/** Along the middle of x[outer][length][inner]. */
@unmanaged
export class AxisJob {
  x: usize;
  y: usize;
  outer: u32;
  length: u32;
  inner: u32;
  scale: f32;
}

/** y[plane][oy][ox] from four neighbours; per axis u32 [out] byte offsets low and high and f32 [out] weight of high. */
@unmanaged
export class ResizeJob {
  x: usize;
  y: usize;
  planes: u32;
  /** Bytes of an input plane, pixels of its rows, and room for one row. */
  plane: usize;
  width: u32;
  between: usize;
  outHeight: u32;
  outWidth: u32;
  rowLow: usize;
  rowHigh: usize;
  rowWeight: usize;
  colLow: usize;
  colHigh: usize;
  colWeight: usize;
  /**
   * 1: twice as many rows and columns, of four columns or more: 2i from x[i] and `even` parts of its neighbour before it, 2i + 1 from x[i]
   * and `odd` parts of the one after it.
   */
  doubles: u32;
  even: f32;
  odd: f32;
}

/** Adds columns[channels·taps][height·width] into planes[channels][outHeight][outWidth] (transposed convolution). */
@unmanaged
export class ScatterJob {
  columns: usize;
  y: usize;
  channels: u32;
  height: u32;
  width: u32;
  outHeight: u32;
  outWidth: u32;
  kernelHeight: u32;
  kernelWidth: u32;
  strideY: u32;
  strideX: u32;
  dilationY: u32;
  dilationX: u32;
  top: u32;
  left: u32;
  bias: usize;
  min: f32;
  max: f32;
}

/** A dense A[rows×depth] made at run time into blocks of R rows: dst[rows/R][depth][R]. */
@unmanaged
export class PackRowsJob {
  src: usize;
  dst: usize;
  rows: u32;
  depth: u32;
  rowStride: usize;
  colStride: usize;
  blockRows: u32;
}
