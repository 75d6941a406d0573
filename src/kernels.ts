import { fail } from './expect.ts';
import { kernelRows, smallestLanes, type Block } from './formats/index.ts';

/** A kernel's name as a record: `f32_csr_spmm_1x32` is { dtype f32, pattern csr, op spmm, rows 1, width 32 }. */
export interface Kernel {
  readonly name: string;
  /** Of the values it reads; sums are f32. */
  readonly dtype: string;
  /** How stored positions are walked; absent for kernels without weights. */
  readonly pattern?: string;
  readonly op: string;
  /** Rows of C computed at once; height of the window of a kernel made for one. */
  readonly rows: number;
  /** Columns of C computed at once (spmm); width of the window. */
  readonly width: number;
}

const WEIGHTED = /^(f32|f16)_(dense|csr|bsr|nm|pair)_(spmm|spmv|direct|conv|spmmt|sddmm)(?:_(\d+)(?:x(\d+))?)?$/;
const PLAIN = /^(?:(f32|b32)_)?([a-z]+(?:_[a-z]+)*)(?:_(\d+)x(\d+))?$/;

/** @throws BurinError when the name is not of the form above. */
export function parseKernel(name: string): Kernel {
  const weighted = WEIGHTED.exec(name);
  if (weighted) {
    const [, dtype, pattern, op, rows = '1', width = '1'] = weighted;
    return { name, dtype, pattern, op, rows: Number(rows), width: Number(width) };
  }
  const plain = PLAIN.exec(name);
  if (plain) return { name, dtype: plain[1] ?? 'any', op: plain[2], rows: Number(plain[3] ?? 1), width: Number(plain[4] ?? 1) };
  return fail({ kind: 'argument', where: 'kernel name', needs: 'dtype_pattern_op_rowsxwidth or dtype_op', got: `'${name}'` });
}

/** How a kernel must walk a format with this block. Blocks one column wide need no run, so `csr` walks them. */
export function patternOf(format: string, block: Block): string {
  return format === 'bsr' && block.cols === 1 ? 'csr' : format;
}

/** Formats of single weights, whose rows can go in pairs. */
const pairable: ReadonlySet<string> = new Set(['csr', 'nm']);

/** Whether a kernel can run a format with this block; rows it does not need are stored as zeros. */
export function canRun(kernel: Kernel, format: string, block: Block): boolean {
  // Windows of N:M weights run along the channels, which a sliding kernel takes one by one.
  if (kernel.pattern === 'pair') return kernel.op === 'conv' ? format === 'csr' : pairable.has(format);
  if (kernel.pattern !== patternOf(format, block)) return false;
  if (format === 'dense') return true;
  const rows = kernelRows(block.rows);
  return kernel.rows === smallestLanes(rows);
}

type Field = readonly [name: string, kind: 'usize' | 'u32' | 'f32'];

const fields = (kind: Field[1], names: string): Field[] => names.split(' ').map((name) => [name, kind] as const);
const address = (names: string): Field[] => fields('usize', names);
const count = (names: string): Field[] => fields('u32', names);
const real = (names: string): Field[] => fields('f32', names);

/** The record each kernel is called with: the same fields in the same order as assembly/job.ts, four bytes each. */
export const jobs = {
  SpmmJob: [
    ...address('values idx ptr'), ...count('all run blocks blockRows rows'),
    ...address('panel unit c cStride bias residual'), ...real('min max'), ...count('partial'), ...address('order'),
  ],
  MatmulJob: [
    ...count('spmm'), ...address('spmmJob'), ...count('pack'), ...address('packJob'), ...count('unpack'), ...address('unpackJob'),
    ...count('first cols width halo depth kBlock'), ...address('parts c'),
    ...count('rest'), ...address('restJob restParts restC'), ...real('min max'), ...address('residual'),
  ],
  PackJob: [
    ...address('src stride panel'),
    ...count('width col valid k0 k1'),
    ...address('offsets'),
    ...count('outWidth'),
    ...address('rowStep'),
  ],
  UnpackJob: [...address('src srcStride dst rowStride colStride'), ...count('rows col valid'), ...address('residual'), ...real('min max')],
  CropJob: [...address('src srcPlane pitch dst'), ...count('rows height width'), ...address('residual'), ...real('min max')],
  SpmvJob: [
    ...address('values idx ptr'), ...count('run blocks blockRows rows cols'),
    ...address('x y bias residual'), ...real('min max'),
  ],
  SddmmJob: [...address('values idx ptr'), ...count('rows'), ...address('a aStride b bStride depth'), ...count('partial')],
  TransposedJob: [...address('values idx ptr'), ...count('rows blockRows depth cols'), ...address('b bStride tile unit c cStride')],
  PadJob: [...address('src dst'), ...count('channels height width top left rows phases phaseWidth'), ...real('value')],
  WindowJob: [
    ...address('src srcPlane padJob dst'), ...count('channels multiplier outHeight outWidth height'), ...address('rowBytes'),
    ...count('top left strideY dilationY kernelHeight kernelWidth'),
    ...address('masks offsets weights bias scale residual'), ...real('min max'),
  ],
  UnaryJob: [...address('x y'), ...count('length'), ...real('a b')],
  BinaryJob: [...address('a b y'), ...count('n0 n1 n2 n3'), ...address('a0 a1 a2 a3 b0 b1 b2 b3'), ...real('min max')],
  CopyJob: [...address('src dst'), ...count('n0 n1 n2 n3 n4 n5'), ...address('s0 s1 s2 s3 s4 s5 d0 d1 d2 d3 d4 d5')],
  AxisJob: [...address('x y'), ...count('outer length inner'), ...real('scale')],
  ResizeJob: [
    ...address('x y'), ...count('planes'), ...address('plane'), ...count('width'), ...address('between'),
    ...count('outHeight outWidth'), ...address('rowLow rowHigh rowWeight colLow colHigh colWeight'),
    ...count('doubles'), ...real('even odd'),
  ],
  ScatterJob: [
    ...address('columns y'),
    ...count('channels height width outHeight outWidth kernelHeight kernelWidth strideY strideX dilationY dilationX top left'),
    ...address('bias'), ...real('min max'),
  ],
  PackRowsJob: [...address('src dst'), ...count('rows depth'), ...address('rowStride colStride'), ...count('blockRows')],
} satisfies Record<string, Field[]>;

export type JobName = keyof typeof jobs;

/** Which record a kernel reads, by its operation; element-wise kernels of one operand are the rest. */
const jobOf: Readonly<Record<string, JobName>> = {
  spmm: 'SpmmJob', direct: 'SpmmJob', conv: 'SpmmJob', spmv: 'SpmvJob', sddmm: 'SddmmJob', spmmt: 'TransposedJob',
  matmul: 'MatmulJob', pack_rows: 'PackJob',
  pack_columns: 'PackJob', pack_taps: 'PackJob', pack_a: 'PackRowsJob',
  pad: 'PadJob', unpack: 'UnpackJob', crop: 'CropJob', depthwise: 'WindowJob', depthwise_strided: 'WindowJob',
  maxpool: 'WindowJob', maxpool_strided: 'WindowJob', sumpool: 'WindowJob', sumpool_strided: 'WindowJob',
  add: 'BinaryJob', sub: 'BinaryJob', mul: 'BinaryJob', div: 'BinaryJob', min: 'BinaryJob', max: 'BinaryJob', prelu: 'BinaryJob',
  copy: 'CopyJob', sum: 'AxisJob', largest: 'AxisJob', softmax: 'AxisJob', resize: 'ResizeJob', scatter: 'ScatterJob',
};

/** The record a kernel is called with. */
export function jobFor(kernel: Kernel): JobName {
  return jobOf[kernel.op] ?? 'UnaryJob';
}
