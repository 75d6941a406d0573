import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { root } from './root.ts';

/** Data flows from rank to rank; a file imports its own rank or a smaller one. The key is the first part of the path in src. */
const ranks: Readonly<Record<string, number>> = {
  expect: 0, tensor: 0, random: 0,
  formats: 1,
  graph: 2,
  prune: 3, io: 3,
  kernels: 4,
  backends: 5,
  runtime: 6,
  measure: 7,
  report: 8,
  cli: 9, page: 9, index: 9,
};

const longest = 350;
/** The one long function of the project lives there: loops with constant bounds are unrolled by hand. */
const mayBeLong = ['assembly/tile.ts'];
const reason = /Long because/;
const widest = 140;
/** Its long rows are a table. */
const mayBeWide = ['assembly/tile.ts'];

function filesUnder(folder: string, keep: RegExp): string[] {
  const here = join(root, folder);
  if (!existsSync(here)) return [];
  return readdirSync(here, { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) return filesUnder(path, keep);
    return keep.test(path) ? [path] : [];
  });
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const generated = ['src/backends/binaries.ts', 'src/backends/webgpu/shaders.ts'];
const sources = filesUnder('src', /\.ts$/).filter((path) => !generated.includes(path));
const everywhere = ['assembly', 'bench', 'scripts', 'shaders', 'src', 'test', '.ci'];
const written = [
  ...everywhere.flatMap((folder) => filesUnder(folder, /\.(ts|mjs|js|wgsl|json|html|css|md)$|^\.ci\/run$/)),
  ...['package.json', 'package-lock.json', 'tsconfig.json', 'asconfig.json', '.npmrc', '.gitignore', 'README.md', 'LICENSE']
    .filter((path) => existsSync(join(root, path))),
].filter((path) => !generated.includes(path));

/** Every module a source names: import, export from, import(). */
function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  return [...code.matchAll(/(?:^|[\s;}])(?:from|import)\s*\(?\s*['"]([^'"\n]+)['"]/g)].map((match) => match[1]);
}

function rankOf(path: string): number | undefined {
  return ranks[path.replace(/^src\//, '').split('/')[0].replace(/\.ts$/, '')];
}

/** What is wrong with one import, or undefined. */
function wrongImport(path: string, module: string): string | undefined {
  if (module.startsWith('node:')) {
    return path.startsWith('src/cli/') ? undefined : `${path} imports ${module}, but only src/cli may use Node`;
  }
  if (!module.startsWith('.')) return undefined;
  const target = posix.normalize(posix.join(dirname(path), module));
  const [from, to] = [rankOf(path), rankOf(target)];
  if (from === undefined) return `${path} is in no room that the house knows; give it a rank`;
  if (!target.startsWith('src/') || to === undefined) return `${path} imports ${module}, which is outside the house`;
  return to > from ? `${path} (rank ${from}) imports ${target} (rank ${to}): the arrow points left` : undefined;
}

function none(found: readonly (string | undefined)[]): void {
  const wrong = found.filter((line) => line !== undefined);
  assert.is(wrong.length, 0, `\n  ${wrong.join('\n  ')}\n`);
}

test('imports point from later rooms to earlier ones, and only src/cli uses Node', () => {
  assert.ok(sources.length > 0, 'src is empty');
  none(sources.flatMap((path) => importsOf(read(path)).map((module) => wrongImport(path, module))));
});

test('the import check sees a wrong arrow, an unknown room, a stray node: module', () => {
  const module = [
    "import { a } from '../runtime/plan.ts';", 'export * from "node:fs";', "const x = await import('./y.ts');", "import './z.ts';",
    "// import 'no';",
  ].join('\n');
  assert.equal(importsOf(module), ['../runtime/plan.ts', 'node:fs', './y.ts', './z.ts']);
  assert.match(wrongImport('src/graph/a.ts', '../runtime/plan.ts') ?? '', /points left/);
  assert.match(wrongImport('src/graph/a.ts', '../kernels.ts') ?? '', /points left/);
  assert.match(wrongImport('src/graph/a.ts', 'node:fs') ?? '', /only src\/cli/);
  assert.match(wrongImport('src/attic/a.ts', '../tensor.ts') ?? '', /no room/);
  assert.match(wrongImport('src/graph/a.ts', '../../assembly/index.ts') ?? '', /outside/);
  assert.is(wrongImport('src/graph/passes/a.ts', '../../tensor.ts'), undefined);
  assert.is(wrongImport('src/cli/index.ts', 'node:util'), undefined);
});

test(`no file is longer than ${longest} lines without a reason`, () => {
  const code = written.filter((path) => /\.(ts|mjs|wgsl)$/.test(path) && !mayBeLong.includes(path));
  none(code.map((path) => {
    const lines = read(path).split('\n');
    if (lines.length <= longest || reason.test(lines.slice(0, 20).join('\n'))) return undefined;
    return `${path} has ${lines.length} lines; split it, or say "Long because …" in its head`;
  }));
});

test(`no line is wider than ${widest} columns`, () => {
  const code = written.filter((path) => /^(assembly|bench|scripts|src|test)\/.*\.(ts|mjs)$/.test(path));
  none(code.filter((path) => !mayBeWide.includes(path)).flatMap((path) => read(path).split('\n')
    .map((text, i) => (text.length > widest ? `${path}:${i + 1} is ${text.length} columns wide; wrap it` : undefined))));
});

test('sources name no machine path and no registry', () => {
  // In pieces, so that this file passes its own test.
  const folders = ['work', 'tmp', 'home', 'root', 'Users'].map((dir) => `(?<![\\w.\\]}-])/${dir}/[\\w.]`);
  const banned = new RegExp([...folders, '//regis' + 'try\\.', '\\.npmjs\\.'].join('|'));
  none(written.map((path) => {
    const line = read(path).split('\n').findIndex((text) => banned.test(text));
    return line < 0 ? undefined : `${path}:${line + 1} names a machine path or a registry`;
  }));
});

test('package-lock.json holds no registry address', () => {
  assert.not.match(read('package-lock.json'), /"resolved": "http/);
  assert.match(read('.npmrc'), /^omit-lockfile-registry-resolved=true$/m);
});

test.run();
