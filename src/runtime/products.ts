import type { MemoryUse } from '../backends/index.ts';
import type { Bounds, ProductWeight, WeightOptions } from '../backends/product.ts';
import { createWasm, type WasmOptions } from '../backends/wasm.ts';
import { expect, show } from '../expect.ts';
import { packedBytes, type Packed } from '../formats/index.ts';
import { hold, type Held } from './held.ts';
import { sampled, sumRows, transposedProduct, vectorProduct, wholeProduct } from './lower/products.ts';

/** Products of packed weights on WebAssembly, all matrices row-major f32. Calls compute at once; sums are f32. */
export interface Products {
  /**
   * Takes a packing of any layout; kernels have their own, made at the first product that needs it and kept. `spmm` and
   * `spmmTransposed` share one where the format is blocks of 3, 4 or 8 rows × 1 column.
   * @throws BurinError when it has no rows or no columns, or `limit` when memory is full
   */
  upload(packed: Packed, options?: WeightOptions): ProductWeight;
  /** C[M×N] = clamp(A·B[K×N] + bias). @throws BurinError when B is not K·N floats */
  spmm(weight: ProductWeight, b: Float32Array, n: number, bounds?: Bounds): Float32Array;
  /** y[M] = clamp(A·x[K] + bias). @throws BurinError when x is not K floats */
  spmv(weight: ProductWeight, x: Float32Array, bounds?: Bounds): Float32Array;
  /** C[K×N] = Aᵀ·B[M×N]. @throws BurinError when B is not M·N floats */
  spmmTransposed(weight: ProductWeight, b: Float32Array, n: number): Float32Array;
  /**
   * A[M×depth]·B[K×depth]ᵀ at the positions that `pattern` stores, zeros inside its blocks included, packed as it is: the
   * gradient of a weight is that of its outputs times its inputs, the scores of sparse attention are queries times keys.
   * The weights of `pattern` are not read. @throws BurinError when A or B do not fit
   */
  sddmm(pattern: ProductWeight, a: Float32Array, b: Float32Array, depth: number): Packed;
  /** The kernel `spmm` runs for N columns. */
  kernelFor(weight: ProductWeight, n: number): string;
  memory(): MemoryUse;
  /** Frees everything. */
  dispose(): void;
  [Symbol.dispose](): void;
}

const count = (n: number, what: string, where: string): void =>
  expect(Number.isInteger(n) && n > 0, { kind: 'argument', where, needs: `a whole number of ${what}, 1 or more`, got: show(n) });

function operand(array: Float32Array, length: number, where: string): void {
  expect(array instanceof Float32Array, { kind: 'argument', where, needs: 'a Float32Array', got: show(array) });
  expect(array.length === length, { kind: 'shape', where, needs: `${length} floats`, got: `${array.length}` });
}

function boundsOf({ min = -Infinity, max = Infinity }: Bounds, where: string): { min: number; max: number } {
  expect(min <= max, { kind: 'argument', where, needs: 'min ≤ max', got: `${show(min)} and ${show(max)}` });
  return { min, max };
}

/** @throws BurinError for what `pack` and `convert` do not make, or a matrix without rows or columns. */
function checkWeight(packed: Packed, bias: Float32Array | undefined, where: string): void {
  expect(packed?.values instanceof Float32Array && packed.ptr && packed.idx && packed.starts && packed.layout, {
    kind: 'argument', where, needs: 'a packing', got: show(packed), remedy: 'make one with pack, fromCsr or fromCoo',
  });
  const { rows, cols } = packed;
  expect(rows > 0 && cols > 0, { kind: 'shape', where, needs: 'one row and one column or more', got: `[${rows}, ${cols}]` });
  if (bias) operand(bias, rows, `${where} bias`);
}

/** An engine of its own: WebAssembly memory holds the weights until they are disposed. */
export async function createProducts(options: WasmOptions = {}): Promise<Products> {
  const backend = await createWasm(options), weights = new Map<ProductWeight, Held>();
  let open = true;

  const heldBy = (weight: ProductWeight): Held => {
    const held = weights.get(weight);
    expect(held, { kind: 'state', where: 'products', needs: 'a weight that was uploaded here and not disposed', got: 'another' });
    return held;
  };
  const release = (weight: ProductWeight): void => {
    weights.get(weight)?.dispose();
    weights.delete(weight);
  };
  const dispose = (): void => {
    for (const weight of [...weights.keys()]) release(weight);
    if (open) backend.dispose();
    open = false;
  };

  function upload(packed: Packed, { bias, where = 'products weight' }: WeightOptions = {}): ProductWeight {
    expect(open, { kind: 'state', where: 'products', needs: 'to be in use', got: 'a call after dispose' });
    checkWeight(packed, bias, where);
    const end = (): void => release(weight);
    const weight: ProductWeight = {
      rows: packed.rows, cols: packed.cols, format: packed.format, bytes: packedBytes(packed), dispose: end, [Symbol.dispose]: end,
    };
    weights.set(weight, hold(backend, packed, bias));
    return weight;
  }

  const spmm: Products['spmm'] = (weight, b, n, bounds = {}) => {
    const held = heldBy(weight), { rows, cols } = weight, where = `spmm [${rows}, ${cols}] · [${cols}, ${n}]`;
    count(n, 'columns', where);
    operand(b, cols * n, `${where} B`);
    const limits = boundsOf(bounds, where);
    return held.run(`spmm ${n} ${limits.min} ${limits.max}`, [b], (site) => wholeProduct(site, held, n, limits));
  };

  const spmv: Products['spmv'] = (weight, x, bounds = {}) => {
    const held = heldBy(weight), { rows, cols } = weight, where = `spmv [${rows}, ${cols}] · [${cols}]`;
    operand(x, cols, `${where} x`);
    const limits = boundsOf(bounds, where);
    return held.run(`spmv ${limits.min} ${limits.max}`, [x], (site) => vectorProduct(site, held, limits));
  };

  const spmmTransposed: Products['spmmTransposed'] = (weight, b, n) => {
    const held = heldBy(weight), { rows, cols } = weight, where = `spmmTransposed [${rows}, ${cols}]ᵀ · [${rows}, ${n}]`;
    count(n, 'columns', where);
    operand(b, rows * n, `${where} B`);
    return held.run(`spmmt ${n}`, [b], (site) => transposedProduct(site, held, n));
  };

  const sddmm: Products['sddmm'] = (pattern, a, b, depth) => {
    const held = heldBy(pattern), { rows, cols } = pattern, where = `sddmm [${rows}, ${depth}] · [${cols}, ${depth}]ᵀ`;
    count(depth, 'columns', where);
    operand(a, rows * depth, `${where} A`);
    operand(b, cols * depth, `${where} B`);
    const sums = held.run(`sddmm ${depth}`, [sumRows(a, depth), sumRows(b, depth)], (site) => sampled(site, held, depth));
    return held.scatter(sums);
  };

  return {
    upload, spmm, spmv, spmmTransposed, sddmm, dispose, [Symbol.dispose]: dispose,
    kernelFor: (weight, n) => heldBy(weight).kernelFor(n).name,
    memory: () => (open ? backend.memory() : { usedBytes: 0, totalBytes: 0 }),
  };
}
