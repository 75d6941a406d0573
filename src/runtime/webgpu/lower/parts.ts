import { BINDING_STEP } from '../../../backends/webgpu/buffers.ts';
import { checkSize, mostBound } from '../../../backends/webgpu/guard.ts';
import type { Lease } from '../../../backends/webgpu/shared.ts';
import { hold, packGroups, release, type Held, type HoldOptions } from '../../../backends/webgpu/weight.ts';
import type { Matrix } from '../../../formats/index.ts';
import { fillOf, nonzerosOf } from '../../../formats/occupancy.ts';
import type { Operation, Place, Storage } from './lower.ts';

// Weights on the device, in parts of rows where one binding does not hold them.

/** Columns of a weight in one part, at most: indices have 16 bits, and whole blocks and windows of N:M must fit. */
const PART = 32768;

/** A weight as it is given, with what goes with it. */
export interface Source { readonly matrix: () => Matrix; readonly held: HoldOptions }

/** Rows [from, …) of a weight on the device. */
export interface Part { readonly from: number; readonly held: Held }

export interface Parts { readonly parts: readonly Part[]; readonly release: () => void }

/** A weight on its way to the device, and what frees it once it is there. */
interface Coming { coming: Promise<Held>; free?: () => void }

const commonMultiple = (a: number, b: number): number => {
  let [x, y] = [a, b];
  while (y) [x, y] = [y, x % y];
  return (a / x) * b;
};

/** A part begins with a whole block of rows, and where its first row of C may be bound. */
function rowStep({ lanes, block }: Pick<Storage, 'lanes' | 'block'>): number {
  return commonMultiple(commonMultiple(BINDING_STEP / 4, lanes), block.rows);
}

/** Share of a weight that a format stores. */
export function storedShare(matrix: Matrix, format: string, block: Storage['block']): number {
  if (format === 'dense') return 1;
  if (block.of) return block.keep! / block.of;
  return nonzerosOf(matrix) / matrix.values.length / (fillOf(matrix, block) || 1);
}

/** Bytes of the values of a weight of which a share is stored. */
function bytesOf({ rows, cols }: Matrix, lanes: number, share: number): number {
  return Math.ceil(share * Math.ceil(rows / lanes) * lanes * cols) * 4;
}

const rowsOf = ({ cols, values }: Matrix, from: number, to: number): Matrix =>
  ({ rows: to - from, cols, values: values.subarray(from * cols, to * cols) });

interface Strip { readonly row: number; readonly bytes: number }

/** The strips of rows that parts are made of, and what is really stored of them. */
function* stripsOf(matrix: Matrix, storage: Storage): Generator<Strip> {
  const { format, block, lanes } = storage, step = rowStep(storage);
  for (let row = 0; row < matrix.rows; row += step) {
    const strip = rowsOf(matrix, row, Math.min(row + step, matrix.rows));
    yield { row, bytes: bytesOf(strip, lanes, storedShare(strip, format, block)) };
  }
}

interface Asked { readonly share: number; readonly groups: number; readonly most: number }

/** Bytes of values that must be bound together, of a weight of which a share is stored: at most `most` where parts of rows have so few. */
export function boundBytes(matrix: Matrix, storage: Storage, { share, groups, most }: Asked): number {
  const whole = bytesOf(matrix, storage.lanes, share);
  if (groups > 1 || whole <= most) return whole;
  // No format stores more than all weights.
  const full = bytesOf({ ...matrix, rows: Math.min(rowStep(storage), matrix.rows) }, storage.lanes, 1);
  return full <= most ? full : Math.max(...Array.from(stripsOf(matrix, storage), ({ bytes }) => bytes));
}

/** Where the parts of a weight begin and end: as many rows each as `most` bytes hold, by what is really stored of them. */
function cut(matrix: Matrix, storage: Storage, groups: number, most: number): [from: number, to: number][] {
  const { rows } = matrix, parts: [number, number][] = [];
  if (groups > 1 || bytesOf(matrix, storage.lanes, 1) <= most) return [[0, rows]];
  let [from, bytes] = [0, 0];
  for (const { row, bytes: own } of stripsOf(matrix, storage)) {
    if (row > from && bytes + own > most) {
      parts.push([from, row]);
      [from, bytes] = [row, 0];
    }
    bytes += own;
  }
  return [...parts, [from, rows]];
}

/** Puts a weight on the device, or takes what is there: plans for other shapes have the same. */
export async function holdParts(place: Place, op: Operation, source: Source, storage: Storage): Promise<Parts> {
  const matrix = source.matrix(), leases: Lease<Coming>[] = [], parts: Part[] = [];
  const free = (): void => { for (const lease of leases) lease.release(); };
  try {
    for (const [from, to] of cut(matrix, storage, source.held.groups ?? 1, mostBound(place.limits) * (storage.half ? 2 : 1))) {
      const lease = lend(place, op, source, { ...storage, from, to });
      leases.push(lease);
      parts.push({ from, held: await lease.made.coming });
    }
  } catch (error) {
    free();
    throw error;
  }
  return { parts, release: free };
}

/** What goes with rows [from, to) of a weight. */
function withRows({ bias, ...held }: HoldOptions, from: number, to: number, all: number): HoldOptions {
  return to - from === all ? { ...held, bias } : { ...held, rows: to - from, bias: bias?.subarray(from, to) };
}

function lend(
  place: Place, op: Operation, { matrix, held }: Source,
  { format, block, lanes, half = false, from, to }: Storage & { from: number; to: number },
): Lease<Coming> {
  const weights = op.inputs[1]!.value!, { groups = 1, rows = 0, bias, taps } = held, made = {} as Coming, where = `node '${op.node.name}'`;
  async function come(): Promise<Held> {
    const whole = matrix(), part = to - from === whole.rows ? whole : rowsOf(whole, from, to);
    const packed = packGroups(format, part, groups, { lanes, unit: 1, kBlock: PART }, block);
    const bytes = Math.max(packed.values.byteLength / (half ? 2 : 1), packed.idx.byteLength);
    checkSize(place.guard.device, `${where}: weight [${packed.rows}, ${packed.cols}]`, bytes);
    const own = await hold(place.guard, packed, { ...withRows(held, from, to, whole.rows), half }, where), uncount = place.count(own.bytes);
    made.free = () => {
      uncount();
      release(own.buffers);
    };
    return own;
  }
  return place.share({
    // How the matrix follows from the weight, then which rows of it, then how they are stored.
    key: [op.node.op, weights.dims, groups, rows, from, to, format, ...Object.values(block), lanes, half, bias ? 'biased' : ''].join('|'),
    data: [weights.data as Float32Array, ...(bias ? [bias] : []), ...(taps ? [taps] : [])],
    make: () => Object.assign(made, { coming: come() }),
    // What is still coming is freed when it is there.
    end: ({ coming, free }) => (free ? free() : void coming.then(() => made.free?.(), () => {})),
  });
}
