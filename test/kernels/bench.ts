import * as assert from 'uvu/assert';
import type { Backend, Call } from '../../src/backends/index.ts';
import { phaseOf } from '../../src/backends/script.ts';
import type { Block, Matrix } from '../../src/formats/index.ts';
import { canRun, type Kernel } from '../../src/kernels.ts';
import { Scratch, type Context } from '../../src/runtime/lower/context.ts';
import { lowerProduct, lowerVector, type Operand } from '../../src/runtime/lower/product.ts';
import { split } from '../../src/runtime/lower/split.ts';
import type { Choice } from '../../src/runtime/lower/weight.ts';

// A bare device around one product: operands in guarded memory, the plain f64 sums beside it.

const single = { rows: 1, cols: 1 };
const rowBlocks = [1, 2, 3, 4, 5, 6, 8, 9, 16].map((rows) => ({ rows, cols: 1 }));
const areas = [[1, 3], [1, 4], [2, 2], [4, 4], [4, 3], [6, 2], [8, 2], [16, 16]].map(([rows, cols]) => ({ rows, cols }));
const windows = [[1, 2], [1, 4], [2, 4], [4, 8]].map(([keep, of]) => ({ rows: 1, cols: 1, keep, of }));
const candidates: readonly (readonly [string, Block])[] = [
  ['dense', single], ['csr', single],
  ...[...rowBlocks, ...areas].map((block) => ['bsr', block] as const),
  ...windows.map((block) => ['nm', block] as const),
];

/** Every way of storing that a kernel can run; a matrix × vector kernel of four rows takes blocks of four. */
export function choicesOf(kernel: Kernel): Choice[] {
  return candidates.filter(([format, block]) => canRun(kernel, format, block)).map(([format, block]) => ({ format, block, kernel }));
}

/** Bytes around a result that must stay as they are, and those after it that whole vectors may reach. */
const GUARD = 256;
const SLACK = 64;
const CANARY = 0xa5;
const SCRATCH_BYTES = 1 << 21;

/** How the other operand lies in memory, the floats of it, and what its packing must know. */
interface Layout { data: Float32Array; operand: (address: number, upload: (data: ArrayBufferView) => number) => Operand }

type At = (k: number, n: number) => number;

/** B[K×N] for each packing. Taps lie in planes whose rows are wider than what is read of them. */
export const layouts: Readonly<Record<Operand['pack'], (b: At, depth: number, cols: number) => Layout>> = {
  pack_rows: (b, depth, cols) => ({
    data: Float32Array.from({ length: depth * cols }, (_, i) => b(Math.floor(i / cols), i % cols)),
    operand: (src) => ({ pack: 'pack_rows', job: { src, stride: cols * 4 } }),
  }),
  pack_columns: (b, depth, cols) => ({
    data: Float32Array.from({ length: depth * cols }, (_, i) => b(i % depth, Math.floor(i / depth))),
    operand: (src) => ({ pack: 'pack_columns', job: { src, stride: depth * 4 } }),
  }),
  pack_taps: (b, depth, cols) => {
    const outWidth = [3, 5, 2].find((n) => cols % n === 0 && cols > n) ?? cols;
    const rowWidth = outWidth + 3;
    const plane = (cols / outWidth) * rowWidth;
    const data = new Float32Array(depth * plane).fill(1e30);
    for (let k = 0; k < depth; k++) {
      for (let n = 0; n < cols; n++) data[k * plane + Math.floor(n / outWidth) * rowWidth + (n % outWidth)] = b(k, n);
    }
    const offsets = Uint32Array.from({ length: depth }, (_, k) => k * plane * 4);
    return {
      data,
      operand: (src, upload) => ({ pack: 'pack_taps', job: { src, offsets: upload(offsets), outWidth, rowStep: rowWidth * 4 } }),
    };
  },
};

export interface Trial {
  readonly choice: Choice;
  readonly matrix: Matrix;
  readonly cols: number;
  readonly pack: Operand['pack'];
  readonly transposed?: boolean;
  readonly bias?: boolean;
  readonly residual?: boolean;
  readonly min?: number;
  readonly max?: number;
}

/** Reproducible values in (−1, 1). */
export const wave = (length: number, seed: number): Float32Array =>
  new Float32Array(length).map((_, i) => Math.sin(1 + i * 0.731 + seed * 3.17));

/** A device with its scratch memory full of NaN, so that reading what was not written shows. */
export class Bench {
  readonly #backend: Backend;
  readonly #scratch = new Scratch();
  readonly #inputs: { address: number; bytes: Uint8Array }[] = [];
  readonly context: Context;
  /** Products so far: each weight is packed anew. */
  count = 0;
  readonly #threads: number;

  /** With several threads calls are cut as for them, and the parts run one after the other, the last first. */
  constructor(backend: Backend, threads = 1) {
    this.#backend = backend;
    this.#threads = threads;
    this.#scratch.base = backend.alloc(SCRATCH_BYTES);
    const uploads = new Map<string, number>(), absent = (): never => { throw new Error('no graph here'); };
    this.context = {
      backend, address: absent, typed: absent, constant: absent,
      upload: (key, make) => uploads.get(key) ?? (uploads.set(key, this.input(make())), uploads.get(key)!),
      scratch: (bytes) => this.#scratch.take(bytes),
    };
  }

  /** Uploads what no kernel may change. */
  input(data: ArrayBufferView): number {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice(), address = this.#backend.alloc(bytes.length);
    this.#backend.bytes(address, bytes.length).set(bytes);
    this.#inputs.push({ address, bytes });
    return address;
  }

  /** Runs calls that write `length` floats at the address given to them; returns these. */
  run(length: number, calls: (address: number) => Call[], where: string): Float32Array {
    this.#scratch.reset();
    const total = GUARD + length * 4 + SLACK + GUARD, start = this.#backend.alloc(total), address = start + GUARD;
    const program = this.#backend.program(this.#cut(calls(address)));
    this.#backend.bytes(this.#scratch.base, SCRATCH_BYTES).fill(0xff, 0, this.#scratch.mostBytes);
    this.#backend.bytes(start, total).fill(CANARY);
    program.run();
    const bytes = this.#backend.bytes(start, total), out = new Float32Array(bytes.slice(GUARD, GUARD + length * 4).buffer);
    const untouched = [...bytes.subarray(0, GUARD), ...bytes.subarray(GUARD + length * 4 + SLACK)].every((byte) => byte === CANARY);
    assert.ok(untouched, `${where}: memory before the result or beyond its slack was written`);
    this.#unchanged(where);
    program.dispose();
    this.#backend.free(start);
    return out;
  }

  #cut(calls: readonly Call[]): Call[] {
    const { scratch, upload } = this.context, bytes: Backend['bytes'] = (address, length) => this.#backend.bytes(address, length);
    const works = split({ scratch, upload, backend: { threads: this.#threads, bytes } }, calls, 0);
    return works.flatMap((work) => phaseOf(work).toReversed().flat());
  }

  #unchanged(where: string): void {
    for (const { address, bytes } of this.#inputs.splice(0)) {
      const now = this.#backend.bytes(address, bytes.length);
      for (let i = 0; i < bytes.length; i++) if (now[i] !== bytes[i]) assert.unreachable(`${where}: an operand was changed`);
    }
  }
}

/** The plain product, and the sum of magnitudes that its error is measured by. */
function expected(
  { matrix: { rows, cols: depth, values }, cols }: Trial, b: At, bias?: Float32Array, residual?: (m: number, n: number) => number,
) {
  const sums = new Float64Array(rows * cols), magnitudes = new Float64Array(rows * cols);
  for (let m = 0; m < rows; m++) {
    for (let n = 0; n < cols; n++) {
      let sum = bias ? bias[m] : 0, magnitude = Math.abs(sum);
      for (let k = 0; k < depth; k++) {
        const w = values[m * depth + k], term = w === 0 ? 0 : w * b(k, n);
        sum += term;
        magnitude += Math.abs(term);
      }
      const added = residual ? residual(m, n) : 0;
      sums[m * cols + n] = sum + added;
      magnitudes[m * cols + n] = magnitude + Math.abs(added);
    }
  }
  return { sums, magnitudes };
}

/** That one product is right within 4·√(K + 1)·2⁻²⁴ of the sum of magnitudes, and keeps to its memory. @returns what it gave */
export function checkProduct(bench: Bench, trial: Trial): Float32Array {
  const { choice, matrix, cols, pack, transposed = false, bias, residual, min = -Infinity, max = Infinity } = trial;
  const { rows, cols: depth } = matrix;
  const where = `${choice.kernel.name} ${choice.format} ${JSON.stringify(choice.block)} ${pack} ${rows}x${cols}x${depth}`;
  const values = wave(depth * cols, 5), b: At = (k, n) => values[k * cols + n];
  const biases = bias ? wave(rows, 6) : undefined, residuals = residual ? wave(rows * cols, 7) : undefined;
  const place = (m: number, n: number): number => (transposed ? n * rows + m : m * cols + n);
  const weight = { key: `${where} ${bench.count++}`, matrix: () => matrix, rows, cols: depth };
  const { data, operand } = layouts[pack](b, depth, cols);
  const got = bench.run(rows * cols, (address) => {
    const upload = (array: ArrayBufferView): number => bench.input(array), src = upload(data);
    const epilogue = { bias: biases && upload(biases), residual: residuals && upload(residuals), min, max };
    if (choice.kernel.op === 'spmv') return lowerVector(bench.context, { weight, choice, x: src, y: address, epilogue });
    const [rowStride, colStride] = transposed ? [4, rows * 4] : [cols * 4, 4];
    return lowerProduct(bench.context, {
      weight, choice, cols, operand: operand(src, upload), place: { address, rowStride, colStride }, epilogue,
    });
  }, where);
  const { sums, magnitudes } = expected(trial, b, biases, residuals && ((m, n) => residuals[place(m, n)]));
  const unit = 4 * Math.sqrt(depth + 1) * 2 ** -24;
  for (let m = 0; m < rows; m++) {
    for (let n = 0; n < cols; n++) {
      const i = m * cols + n, want = Math.min(max, Math.max(min, sums[i])), value = got[place(m, n)];
      if (!(Math.abs(value - want) <= unit * magnitudes[i])) assert.unreachable(`${where} [${m}, ${n}]: expected ${want}, got ${value}`);
    }
  }
  return got;
}
