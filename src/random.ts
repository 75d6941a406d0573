/**
 * A seeded source of random numbers: `next` uniform in [0, 1), `normal` with mean 0 and deviation 1,
 * `normals` fills an array with normals times `scale` (the fast way to millions of them).
 */
export interface Random {
  readonly next: () => number;
  readonly normal: () => number;
  readonly normals: (out: Float32Array, scale: number) => Float32Array;
}

/** Generator sfc32 (Doty-Humphrey, PractRand), normals by the ziggurat of Marsaglia and Tsang (2000) with 128 layers. */
export function randomFrom(seed: number, stream = ''): Random {
  const state = seeded(seed, stream);
  const normal = (): number => ziggurat(state, step(state));
  return {
    next: () => uniform(state),
    normal,
    normals: (out, scale) => fillNormals(state, out, scale),
  };
}

/** Seed and stream name, hashed (FNV-1a) into a warmed-up state, so that neighbouring seeds have nothing in common. */
function seeded(seed: number, stream: string): Int32Array {
  let hash = 0x811c9dc5;
  for (let i = 0; i < stream.length; i++) hash = Math.imul(hash ^ stream.charCodeAt(i), 0x01000193);
  const state = Int32Array.of(seed, seed / 2 ** 32, hash, 1);
  for (let i = 0; i < 16; i++) step(state);
  return state;
}

/** The next 32 random bits, as a signed integer. */
function step(state: Int32Array): number {
  const a = state[0], b = state[1], c = state[2], counter = state[3];
  const bits = (a + b + counter) | 0;
  state[3] = counter + 1;
  state[0] = b ^ (b >>> 9);
  state[1] = c + (c << 3);
  state[2] = ((c << 21) | (c >>> 11)) + bits;
  return bits;
}

function uniform(state: Int32Array): number {
  return (step(state) >>> 0) / 2 ** 32;
}

/** Where the last layer of the ziggurat begins, and the area of each of its 128 layers. */
const edge = 3.442619855899;
const area = 9.91256303526217e-3;
const layers = zigguratLayers();

function zigguratLayers(): { accept: Int32Array; width: Float64Array; density: Float64Array } {
  const accept = new Int32Array(128), width = new Float64Array(128), density = new Float64Array(128);
  const bits = 2 ** 31;
  const base = area / Math.exp(-0.5 * edge * edge);
  accept[0] = (edge / base) * bits;
  width[0] = base / bits;
  density[0] = 1;
  for (let i = 127, x = edge, above = edge; i >= 1; i--) {
    width[i] = x / bits;
    density[i] = Math.exp(-0.5 * x * x);
    if (i < 127) accept[i + 1] = (x / above) * bits;
    above = x;
    x = Math.sqrt(-2 * Math.log(area / x + density[i]));
  }
  accept[1] = 0;
  return { accept, width, density };
}

/** One normal from 32 bits: a hit inside a layer in 98 of 100 cases, else the wedge or the tail. */
function ziggurat(state: Int32Array, first: number): number {
  const { accept, width, density } = layers;
  for (let bits = first; ; bits = step(state)) {
    const i = bits & 127;
    const x = bits * width[i];
    if (Math.abs(bits) < accept[i]) return x;
    if (i === 0) return bits > 0 ? tail(state) : -tail(state);
    if (density[i] + uniform(state) * (density[i - 1] - density[i]) < Math.exp(-0.5 * x * x)) return x;
  }
}

/** A normal beyond `edge`. */
function tail(state: Int32Array): number {
  for (;;) {
    const x = -Math.log(1 - uniform(state)) / edge;
    const y = -Math.log(1 - uniform(state));
    if (y + y >= x * x) return edge + x;
  }
}

/** `step` and the hit inside a layer, inlined with the state in locals: twice as fast, and a zoo network has up to 138 million weights. */
function fillNormals(state: Int32Array, out: Float32Array, scale: number): Float32Array {
  const { accept, width } = layers;
  let a = state[0], b = state[1], c = state[2], counter = state[3];
  for (let j = 0; j < out.length; j++) {
    const bits = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + bits) | 0;
    const i = bits & 127;
    if (Math.abs(bits) < accept[i]) {
      out[j] = bits * width[i] * scale;
      continue;
    }
    state[0] = a; state[1] = b; state[2] = c; state[3] = counter;
    out[j] = ziggurat(state, bits) * scale;
    a = state[0]; b = state[1]; c = state[2]; counter = state[3];
  }
  state[0] = a; state[1] = b; state[2] = c; state[3] = counter;
  return out;
}
