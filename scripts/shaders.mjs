// Links every variant of every shader, reflects it, holds it against what it asserts and against data races, and writes the
// texts with their binding layouts as src/backends/webgpu/shaders.ts. Runs in a build, so that no app carries a WGSL parser.
import { readFileSync } from 'node:fs';
import { detectRaces, WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import { at, filesUnder, Stop, writeWhole } from './project.mjs';

/** Rows a packing may hold at once, and columns an invocation computes: spans of one f32, or of a vec4f where N allows. */
const lanes = [1, 2, 4, 6, 8];
const widths = { 1: { SPAN: 1, SPANS: 1 }, 4: { SPAN: 4, SPANS: 1 }, 8: { SPAN: 4, SPANS: 2 } };
const patterns = ['dense', 'csr', 'bsr', 'nm'];

/** A kernel's files besides its own, and the invocations of a group: columns first, they are neighbours in memory. */
const kernels = {
  spmm: { name: (pattern) => `${pattern}_spmm`, patterns, GROUP_X: 16, GROUP_Y: 8 },
  matmul: { name: () => 'matmul', patterns: [undefined], GROUP_X: 16, GROUP_Y: 16 },
};
/** k's that a kernel stages at once: 8 rows × 8 columns an invocation then take 13 KB of the 16 KB a device promises. */
const DEPTH = 8;

/** The texts by name, `pattern/csr` for shaders/pattern/csr.wgsl. */
export const readParts = () => Object.fromEntries(filesUnder(['shaders'], (path) => path.endsWith('.wgsl'))
  .map((path) => [path.slice('shaders/'.length, -'.wgsl'.length), readFileSync(at(path), 'utf8')]));

/** Every variant: `front` is what stands before its parts, `groupBlocks` × `groupColumns` what a group computes. */
export function listVariants() {
  return Object.entries(kernels).flatMap(([kernel, { name, patterns: walks, GROUP_X, GROUP_Y }]) =>
    walks.flatMap((pattern) => lanes.flatMap((ROWS) => Object.entries(widths).map(([width, { SPAN, SPANS }]) => ({
      name: `f32_${name(pattern)}_${ROWS}x${width}`,
      kernel, span: SPAN, groupBlocks: GROUP_Y, groupColumns: GROUP_X * SPANS * SPAN,
      front: frontOf({ ROWS, SPAN, SPANS, GROUP_X, GROUP_Y, DEPTH }),
      parts: ['operands', ...(pattern ? [`pattern/${pattern}`] : []), 'epilogue/clamp', kernel],
    })))));
}

function frontOf(sizes) {
  const lines = Object.entries(sizes).map(([key, value]) => `const ${key} = ${value}u;`);
  return [...lines, `alias Span = ${sizes.SPAN === 1 ? 'f32' : 'vec4f'};`].join('\n');
}

/** A variant's whole text. */
export const link = ({ front, parts }, texts) => [front, ...parts.map((part) => texts[part])].join('\n');

/** What a shader binds, asserts and reads of its job. @throws Stop when it does not parse or an assertion fails. */
export function reflect(name, code) {
  try {
    const shader = new WgslReflect(code);
    checkAsserts(code);
    const groups = shader.getBindGroups();
    if (groups.length !== 1) throw new Error(`binds ${groups.length} groups; one is expected`);
    if (shader.overrides.length) throw new Error('an override is no size of a register tile; use a const in front');
    return {
      layout: groups[0].filter(Boolean).map(entryOf),
      job: shader.uniforms[0].members.map(fieldOf),
      entry: shader.entry.compute[0].name,
    };
  } catch (error) {
    throw new Stop(`shader ${name}: ${error.message ?? error}`);
  }
}

/** A GPUBindGroupLayoutEntry; 4 is GPUShaderStage.COMPUTE, which exists only in browsers. */
function entryOf({ binding, resourceType, access, size }) {
  const uniform = resourceType === 0;
  if (!uniform && resourceType !== 1) throw new Error(`binding ${binding} is neither a uniform nor a storage buffer`);
  if (uniform) return { binding, visibility: 4, buffer: { type: 'uniform', minBindingSize: size } };
  return { binding, visibility: 4, buffer: { type: access === 'read_write' ? 'storage' : 'read-only-storage' } };
}

const fieldOf = ({ name, offset, type }) => ({ name, offset, type: type.name });

/** wgsl_reflect reads assertions and does not hold them; theirs are whole numbers and operators that JavaScript shares. */
function checkAsserts(code) {
  const plain = code.replace(/\/\/.*$/gm, '').replace(/\b(\d+)u\b/g, '$1');
  const constants = [...plain.matchAll(/^const \w+ = [^;]+;/gm)].map(([line]) => line);
  for (const [, claim] of plain.matchAll(/^const_assert ([^;]+);/gm)) {
    if (!new Function(`${constants.join('\n')}\nreturn ${claim};`)()) throw new Error(`does not hold: ${claim}`);
  }
}

/**
 * Runs one small product in lockstep. M, N and K end inside a group, and two parts of K meet all barriers twice.
 * @throws Stop when two invocations meet in memory with no barrier between
 */
export function checkRaces({ name, kernel, span }, code, job) {
  const [rows, depth, kBlock, spans] = [3, 11, 9, 2], blockRows = 1;
  const numbers = {
    rows, depth, spans, k_block: kBlock, parts: 2, blocks: rows, block_rows: blockRows, block_cols: 1, lo: -1e30, hi: 1e30,
  };
  const memory = new DataView(new ArrayBuffer(48));
  for (const { name: field, offset, type } of job) memory[type === 'f32' ? 'setFloat32' : 'setUint32'](offset, numbers[field], true);
  const floats = (length) => new Float32Array(length).fill(1);
  const ptr = Uint32Array.from([0, 1, 2, 3, 0, 1, 2, 3]);
  const [values, idx, b, c] = [floats(rows * depth * 8), new Uint32Array(8), floats(depth * spans * span), floats(rows * spans * span)];
  const buffers = [{ uniform: memory.buffer }, values, idx, ptr, floats(rows), b, c];
  const { races, errors } = detectRaces(code.replace(/^const_assert .*$/gm, ''), kernel, [1, 1, 1], {
    0: Object.fromEntries(buffers.entries()),
  });
  const wrong = [...races.map((race) => race.message), ...errors];
  if (wrong.length) throw new Stop(`shader ${name}: ${wrong.slice(0, 3).join('\n')}`);
}

/** Two sizes of each are enough: more rows change how often a line runs, not who meets whom. */
const isTried = ({ name }) => /_(2x1|2x8)$/.test(name);

/** The one layout of each kernel. @throws Stop when a variant differs, because one bind group serves all. */
export function layoutsOf(reflected) {
  const layouts = {};
  for (const { name, kernel, layout } of reflected) {
    layouts[kernel] ??= layout;
    if (JSON.stringify(layouts[kernel]) !== JSON.stringify(layout)) {
      throw new Stop(`shader ${name}: binds other than the rest of ${kernel}`);
    }
  }
  return layouts;
}

/** Checks every shader and writes the generated source. @throws Stop when one is wrong. */
export async function buildShaders(path) {
  const texts = readParts(), variants = listVariants();
  const reflected = variants.map((variant) => ({ ...variant, ...reflect(variant.name, link(variant, texts)) }));
  for (const variant of reflected.filter(isTried)) checkRaces(variant, link(variant, texts), variant.job);
  writeWhole(path, sourceOf(texts, reflected));
  return `, ${variants.length} variants`;
}

function sourceOf(texts, reflected) {
  const row = ([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},`;
  const table = (name, type, entries) => `export const ${name}: ${type} = {\n${entries.map(row).join('\n')}\n};\n`;
  const variants = reflected.map(({ name, kernel, span, groupBlocks, groupColumns, front, parts }) =>
    [name, { kernel, span, groupBlocks, groupColumns, front, parts }]);
  return [
    '// Made by scripts/shaders.mjs from shaders/: the texts, what is put in front of them, and what they bind.',
    "import type { Field, Variant } from './variant.ts';\n",
    table('texts', 'Readonly<Record<string, string>>', Object.entries(texts)),
    table('variants', 'Readonly<Record<string, Variant>>', variants),
    table('layouts', 'Readonly<Record<string, readonly GPUBindGroupLayoutEntry[]>>', Object.entries(layoutsOf(reflected))),
    `export const job: readonly Field[] = ${JSON.stringify(reflected[0].job)};\n`,
  ].join('\n');
}
