// Links every variant of every shader, reflects it, holds it against what it asserts and against data races, and writes the
// texts with their binding layouts as src/backends/webgpu/shaders.ts. Runs in a build, so that no app carries a WGSL parser.
import { readFileSync } from 'node:fs';
import { detectRaces, WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import { at, filesUnder, Stop, writeWhole } from './project.mjs';
import { kernels } from './shaders/kernels.mjs';

/** The texts by name, `pattern/csr` for shaders/pattern/csr.wgsl. */
export const readParts = () => Object.fromEntries(filesUnder(['shaders'], (path) => path.endsWith('.wgsl'))
  .map((path) => [path.slice('shaders/'.length, -'.wgsl'.length), readFileSync(at(path), 'utf8')]));

/** Every variant: `front` is what stands before its parts. */
export function listVariants() {
  return Object.entries(kernels).flatMap(([kernel, { variants }]) => variants.map(({ name, sizes, parts, needs = [] }) =>
    ({ name, kernel, sizes, needs, front: frontOf(sizes, needs), parts: [...parts, kernel] })));
}

/** What the language calls the features of a device that a variant needs. */
const enabled = { subgroups: 'subgroups' };

/** `Span` is what an element of an operand is: as many floats as SPAN says. */
function frontOf(sizes, needs) {
  const lines = Object.entries(sizes).map(([key, value]) => `const ${key} = ${value}u;`);
  const enables = needs.map((feature) => `enable ${enabled[feature]};`);
  return [...enables, ...lines, ...(sizes.SPAN ? [`alias Span = ${sizes.SPAN === 1 ? 'f32' : 'vec4f'};`] : [])].join('\n');
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
 * Runs the kernel's trial in lockstep; every invocation is a subgroup of its own, so that none is spared a barrier.
 * @throws Stop when two invocations meet in memory with no barrier between
 */
export function checkRaces(variant, code, job) {
  const { name, kernel } = variant, { job: numbers, buffers, groups } = kernels[kernel].trial(variant);
  const memory = new DataView(new ArrayBuffer(Math.ceil(Math.max(...job.map(({ offset }) => offset + 4)) / 16) * 16));
  for (const { name: field, offset, type } of job) {
    if (!(field in numbers)) throw new Stop(`shader ${name}: its trial says nothing of ${field}`);
    memory[type === 'f32' ? 'setFloat32' : type === 'i32' ? 'setInt32' : 'setUint32'](offset, numbers[field], true);
  }
  const { races, errors } = detectRaces(code.replace(/^(const_assert|enable) .*$/gm, ''), kernel, groups, {
    0: Object.fromEntries([{ uniform: memory.buffer }, ...buffers].entries()),
  });
  const wrong = [...races.map((race) => race.message), ...errors];
  if (wrong.length) throw new Stop(`shader ${name}: ${wrong.slice(0, 3).join('\n')}`);
}

/** What all variants of a kernel bind, and the fields of their job. @throws Stop when one differs, because one bind group serves all. */
export function bindingsOf(reflected) {
  const bindings = {};
  for (const { name, kernel, layout, job } of reflected) {
    bindings[kernel] ??= { layout, job };
    if (JSON.stringify(bindings[kernel]) !== JSON.stringify({ layout, job })) {
      throw new Stop(`shader ${name}: binds other than the rest of ${kernel}`);
    }
  }
  return bindings;
}

/** Checks every shader and writes the generated source. @throws Stop when one is wrong. */
export async function buildShaders(path) {
  const texts = readParts(), variants = listVariants();
  const reflected = variants.map((variant) => ({ ...variant, ...reflect(variant.name, link(variant, texts)) }));
  for (const variant of reflected.filter((one) => kernels[one.kernel].tried(one))) checkRaces(variant, link(variant, texts), variant.job);
  writeWhole(path, sourceOf(texts, reflected));
  return `, ${variants.length} variants`;
}

function sourceOf(texts, reflected) {
  const row = ([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},`;
  const table = (name, type, entries) => `export const ${name}: ${type} = {\n${entries.map(row).join('\n')}\n};\n`;
  const variants = reflected.map(({ name, kernel, sizes, needs, front, parts }) =>
    [name, { kernel, sizes, ...(needs.length && { needs }), front, parts }]);
  return [
    '// Made by scripts/shaders.mjs from shaders/: the texts, what is put in front of them, and what they bind.',
    "import type { Bindings, Variant } from './variant.ts';\n",
    table('texts', 'Readonly<Record<string, string>>', Object.entries(texts)),
    table('variants', 'Readonly<Record<string, Variant>>', variants),
    table('bindings', 'Readonly<Record<string, Bindings>>', Object.entries(bindingsOf(reflected))),
  ].join('\n');
}
