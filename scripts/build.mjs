// Builds what the sources say: AssemblyScript → two wasm binaries → binaries.ts → dist. Skips what has not changed.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { at, capture, filesUnder, hashOf, hostNode, main, readJson, say, seconds, Stop, writeWhole } from './project.mjs';

const targets = readJson(at('asconfig.json')).targets;
const binaries = 'src/backends/binaries.ts';
const shaderSource = 'src/backends/webgpu/shaders.ts';
const stamps = at('build', 'stamps.json');

/** A step is done when its inputs have the hash they had at its last end and its outputs exist; paths in the project. */
const steps = [
  {
    name: 'kernels',
    inputs: () => [...filesUnder(['assembly']), 'asconfig.json', 'package-lock.json'],
    outputs: () => [...Object.values(targets).flatMap((target) => [target.outFile, target.textFile]), binaries],
    run: buildKernels,
  },
  {
    name: 'shaders',
    inputs: () => [...filesUnder(['shaders', 'scripts/shaders']), 'scripts/shaders.mjs', 'package-lock.json'],
    outputs: () => [shaderSource],
    // Imported late: on a fresh checkout its parser is installed only after this file was read.
    run: async () => (await import('./shaders.mjs')).buildShaders(at(shaderSource)),
  },
  {
    name: 'TypeScript',
    inputs: () => [...sources(), 'tsconfig.json', 'package.json', 'package-lock.json'],
    outputs: () => [...sources().map(compiled), ...Object.values(targets).map(shipped)],
    run: buildTypeScript,
  },
];

const sources = () => filesUnder(['src', 'test', 'bench'], (path) => /(?<!\.d)\.ts$/.test(path));
const compiled = (path) => `dist/${path.replace(/\.ts$/, '.js')}`;
const shipped = (target) => `dist/src/backends/${target.outFile.split('/').pop()}`;

/** Brings everything up to date. @throws Stop with what the compiler said when a step fails. */
export async function build() {
  for (const step of steps) {
    const done = existsSync(stamps) ? readJson(stamps) : {};
    const hash = hashOf(step.inputs());
    if (done[step.name] === hash && step.outputs().every((path) => existsSync(at(path)))) continue;
    const start = performance.now();
    const note = await step.run();
    writeWhole(stamps, JSON.stringify({ ...done, [step.name]: hash }));
    say(`${step.name} built in ${seconds(start)}${note}`);
  }
}

async function buildKernels() {
  mkdirSync(at('build'), { recursive: true });
  await Promise.all(Object.keys(targets).map(assemble));
  const exports = Object.entries(targets).map(([name, target]) =>
    `export const ${name} = '${readFileSync(at(target.outFile)).toString('base64')}';`);
  const why = 'the kernels as base64, so that no bundler and no fetch stands between them and us.';
  writeWhole(at(binaries), `// Made by scripts/build.mjs from assembly/: ${why}\n${exports.join('\n')}\n`);
  return Object.values(targets).map((target) => `, ${target.outFile} ${kilobytes(target.outFile)}`).join('');
}

const kilobytes = (path) => `${(statSync(at(path)).size / 1000).toFixed(1)} kB`;

/** AS228 says that a policy became virtual, which means wrong addresses in a kernel. */
async function assemble(name) {
  const asc = at('node_modules', 'assemblyscript', 'bin', 'asc.js');
  const { code, output } = await capture(hostNode(), [asc, '--config', at('asconfig.json'), '--target', name]);
  if (code === 0 && !output.includes('AS228')) return;
  const why = output.includes('AS228')
    ? `a policy of the ${name} kernels became virtual (AS228)`
    : `the ${name} kernels do not compile (${code})`;
  throw new Stop(`${why}:\n${output.trim()}`);
}

async function buildTypeScript() {
  rmSync(at('dist'), { recursive: true, force: true });
  const tsc = at('node_modules', 'typescript', 'bin', 'tsc');
  const { code, output } = await capture(hostNode(), [
    tsc, '-p', at('tsconfig.json'), '--incremental', 'false', '--tsBuildInfoFile', 'null', '--pretty', 'false',
  ]);
  if (code !== 0) throw new Stop(`the TypeScript does not compile (${code}):\n${output.trim()}`);
  for (const target of Object.values(targets)) {
    mkdirSync(dirname(at(shipped(target))), { recursive: true });
    copyFileSync(at(target.outFile), at(shipped(target)));
  }
  return '';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(build);
