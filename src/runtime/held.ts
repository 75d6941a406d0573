import type { Backend, Call, Program } from '../backends/index.ts';
import { fail } from '../expect.ts';
import { convert, eachStored } from '../formats/convert.ts';
import { countNonzero, unpack, type FormatName, type Packed } from '../formats/index.ts';
import { canRun, type Kernel } from '../kernels.ts';
import type { Context } from './lower/context.ts';
import type { Choice, Weight } from './lower/weight.ts';

/** Products of a weight that are kept ready, the latest ones. */
const MOST_READY = 4;

/** A product: its calls, where its operands go and where its result comes out. */
export interface Steps {
  readonly calls: readonly Call[];
  readonly inputs: readonly number[];
  readonly output: number;
  /** Floats of the result. */
  readonly length: number;
}

interface Ready extends Steps {
  readonly program: Program;
  readonly owned: readonly number[];
}

/** Stored places row by row: columns, bounds of rows, and where in `values` each lies. */
export interface Places {
  readonly colIdx: Uint32Array;
  readonly rowPtr: Uint32Array;
  readonly place: Uint32Array;
}

/** A weight on a backend, with the products it has been asked for. */
export interface Held {
  readonly packed: Packed;
  readonly source: Weight;
  /** Address of the bias, 0 for none. */
  readonly bias: number;
  /** Runs a product, prepared at its first call. */
  run(key: string, operands: readonly Float32Array[], make: (site: Context) => Steps): Float32Array;
  /** The kernel of A·B for n columns. */
  kernelFor(n: number): Kernel;
  /** How to store and run it by a kernel of this operation and width, as csr where no kernel walks its own format. */
  choiceFor(op: string, width: number): Choice;
  places(): Places;
  /** The packing with other values. */
  scatter(values: Float32Array): Packed;
  dispose(): void;
}

function placesOf(packed: Packed): Places {
  const rowPtr = new Uint32Array(packed.rows + 1);
  eachStored(packed, (row) => { rowPtr[row + 1]++; });
  for (let row = 0; row < packed.rows; row++) rowPtr[row + 1] += rowPtr[row];
  const next = rowPtr.slice(), colIdx = new Uint32Array(rowPtr[packed.rows]), place = new Uint32Array(colIdx.length);
  eachStored(packed, (row, k, at) => {
    colIdx[next[row]] = k;
    place[next[row]++] = at;
  });
  return { colIdx, rowPtr, place };
}

/** Tiles by width: what fits N first, then the widest. */
function widthCost(width: number, n: number): number {
  return (width > Math.max(n, 8) ? 1000 : 0) + Math.max(0, 32 - width);
}

const SINGLE = { rows: 1, cols: 1 };

/** A weight's place on a backend. `bias` as many floats as rows. */
export function hold(backend: Backend, packed: Packed, bias?: Float32Array): Held {
  const uploads = new Map<string, number>(), ready = new Map<string, Ready>(), kernels = [...backend.kernels.values()];
  let places: Places | undefined;

  const write = (address: number, data: ArrayBufferView): void =>
    backend.bytes(address, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const upload = (key: string, make: () => ArrayBufferView): number => {
    const known = uploads.get(key);
    if (known !== undefined) return known;
    const data = make(), address = backend.alloc(data.byteLength);
    write(address, data);
    uploads.set(key, address);
    return address;
  };
  const drop = (key: string): void => {
    const { program, owned } = ready.get(key)!;
    program.dispose();
    for (const address of owned) backend.free(address);
    ready.delete(key);
  };
  const noGraph = (): never => fail({ kind: 'state', where: 'products', needs: 'a product alone', got: 'a graph' });
  // What is cached by context belongs to the weight; scratch memory belongs to the product that is being prepared.
  let owned: number[] = [];
  const scratch = (bytes: number): number => {
    const address = backend.alloc(bytes);
    owned.push(address);
    return address;
  };
  const context: Context = { backend, address: noGraph, typed: noGraph, constant: noGraph, upload, scratch };

  function prepare(key: string, make: (site: Context) => Steps): Ready {
    owned = [];
    try {
      const steps = make(context), made = { ...steps, owned, program: backend.program(steps.calls) };
      ready.set(key, made);
      if (ready.size > MOST_READY) drop(ready.keys().next().value!);
      return made;
    } catch (error) {
      for (const address of owned) backend.free(address);
      throw error;
    }
  }

  function run(key: string, operands: readonly Float32Array[], make: (site: Context) => Steps): Float32Array {
    const known = ready.get(key);
    if (known) {
      ready.delete(key);
      ready.set(key, known);
    }
    const { inputs, program, output, length } = known ?? prepare(key, make);
    operands.forEach((data, i) => write(inputs[i], data));
    program.run();
    return new Float32Array(backend.bytes(output, length * 4).slice().buffer);
  }

  function choiceFor(op: string, width: number): Choice {
    // A block that reaches beyond the last column would read what nobody packed.
    const fits = packed.cols % packed.block.cols === 0;
    const ways = [...(fits ? [{ format: packed.format, block: packed.block }] : []), { format: 'csr', block: SINGLE }];
    for (const { format, block } of ways) {
      const able = kernels.filter((kernel) => kernel.op === op && kernel.dtype === 'f32' && canRun(kernel, format, block));
      able.sort((a, b) => widthCost(a.width, width) - widthCost(b.width, width) || b.rows - a.rows);
      if (able.length) return { format, block, kernel: able[0] };
    }
    return fail({ kind: 'unsupported', where: `products ${op}`, needs: 'a kernel', got: packed.format });
  }

  return {
    packed, run, choiceFor, bias: bias ? upload('bias', () => bias) : 0,
    source: {
      key: 'A', rows: packed.rows, cols: packed.cols, matrix: () => unpack(packed), density: packed.nnz / (packed.rows * packed.cols),
      pack: ({ format, block }, layout) => convert(packed, { format: format as FormatName, block, layout }),
    },
    kernelFor: (n) => choiceFor('spmm', n).kernel,
    places: () => (places ??= placesOf(packed)),
    scatter(sums) {
      const values = new Float32Array(packed.values.length), { place } = (places ??= placesOf(packed));
      for (let i = 0; i < sums.length; i++) values[place[i]] = sums[i];
      return { ...packed, values, nnz: countNonzero(values) };
    },
    dispose() {
      for (const key of [...ready.keys()]) drop(key);
      for (const address of uploads.values()) backend.free(address);
    },
  };
}
