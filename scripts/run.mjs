// Runs a task on the right Node: `main-job` and `bench` on the newest pinned one, `test` on the host's and on the newest.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { at, capture, filesUnder, hostNode, pinnedNode, say } from './project.mjs';

const tasks = {
  'main-job': (args) => onNewest('dist/bench/main-job.js', args),
  bench: (args) => onNewest('dist/bench/index.js', args),
  test: (args) => testAll(args),
};

function onNewest(script, args) {
  const node = pinnedNode();
  if (!node) say(`the pinned Node is not here; running on Node ${process.versions.node}`);
  const child = spawn(node ?? hostNode(), [at(script), ...args], { stdio: 'inherit' });
  child.on('exit', (code, signal) => { process.exitCode = signal ? 1 : code; });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
}

const fileTimeoutMs = 4 * 60_000;
const lanes = 2;
/** Real browsers test the bundle, and whole networks on a GPU its driver, not the Node that starts them: once is enough. */
const onNewestOnly = (path) => path.startsWith('test/browser/') || /^test\/webgpu\/(networks|measure|bench)\./.test(path);

/** Runs test files (all, or those whose path contains one of `wanted`), each in its own process, on every Node. */
async function testAll(wanted) {
  const files = filesUnder(['test'], (path) => path.endsWith('.test.ts') && (!wanted.length || wanted.some((part) => path.includes(part))));
  const nodes = await testNodes();
  const jobs = nodes.flatMap(({ node, version }, i) =>
    files.filter((path) => i === nodes.length - 1 || !onNewestOnly(path)).map((path) => ({ node, version, path })));
  const results = [];
  const lane = async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) {
      const result = await testFile(job);
      print(result);
      results.push(result);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  summarise(results);
}

/** The oldest Node at hand first, the newest last, each once. */
async function testNodes() {
  const nodes = [];
  for (const node of [hostNode(), pinnedNode()].filter(Boolean)) {
    const version = (await capture(node, ['--version'])).output.trim();
    if (!nodes.some((other) => other.version === version)) nodes.push({ node, version });
  }
  if (!pinnedNode()) say('the pinned Node is not here; testing on one Node only');
  return nodes;
}

/**
 * Node 20 can wait for ever between two tests: it drains background tasks while a compilation there waits for a garbage collection that
 * only the draining thread could do. Without compilation in the background there is nothing to wait for.
 */
const flagsFor = (version) => (Number(/\d+/.exec(version)[0]) < 22 ? ['--no-concurrent-recompilation'] : []);

async function testFile({ node, version, path }) {
  const start = performance.now();
  const script = at('dist', path.replace(/\.ts$/, '.js'));
  const { code, output } = existsSync(script)
    ? await capture(node, [...flagsFor(version), script], { env: { NO_COLOR: '1', FORCE_COLOR: undefined }, timeoutMs: fileTimeoutMs })
    : { code: 'not built', output: '' };
  return { version, path, code, output, ms: performance.now() - start, ...verdict(code, output) };
}

/** uvu's own counts, and one failure more where the process says that something went wrong and uvu counted nothing. */
function verdict(code, output) {
  const count = (word) =>
    [...output.matchAll(new RegExp(`^ *${word}: +(\\d+) *$`, 'gm'))].reduce((sum, match) => sum + Number(match[1]), 0);
  const [total, passed, skipped] = ['Total', 'Passed', 'Skipped'].map(count);
  const failed = total - passed;
  if (code === 'timeout') return { passed, skipped, failed: failed + 1, why: `ran past ${fileTimeoutMs / 60_000} minutes` };
  if (code !== 0 && !failed) return { passed, skipped, failed: 1, why: `ended with ${code}` };
  // A file may have nothing to test where its data is not at hand, if it says so.
  if (total + skipped === 0 && /SKIPPED/.test(output)) return { passed, skipped: 1, failed, why: '' };
  if (total + skipped === 0) return { passed, skipped, failed: failed + 1, why: 'ran no test' };
  return { passed, skipped, failed, why: '' };
}

function print({ version, path, output, ms, passed, skipped, failed, why }) {
  const counts = `${passed} passed${failed ? `, ${failed} FAILED` : ''}${skipped ? `, ${skipped} skipped` : ''}${why && ` (${why})`}`;
  console.log(`${failed ? '✗' : '✓'} ${version} ${path}: ${counts}, ${(ms / 1000).toFixed(1)} s`);
  if (failed) console.log(output);
  else for (const line of output.split('\n').filter((text) => /SKIPPED/.test(text))) console.log(`  ${line.trim()}`);
}

function summarise(results) {
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  for (const { version, path } of results.filter((result) => result.failed)) console.log(`failed on ${version}: ${path}`);
  if (sum('skipped')) console.log(`${sum('skipped')} skipped`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  if (sum('failed') || !sum('passed')) process.exitCode = 1;
}

const [task, ...args] = process.argv.slice(2);
if (Object.hasOwn(tasks, task ?? '')) await tasks[task](args);
else {
  say(`needs a task: ${Object.keys(tasks).join(', ')}`);
  process.exitCode = 2;
}
