// Makes a fresh checkout ready: packages as package-lock.json says, then everything built. Does only what is missing.
import { existsSync, rmSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { build } from './build.mjs';
import { at, capture, hashOf, hostNode, installed, main, pinnedPath, readJson, say, seconds, Stop } from './project.mjs';

const lockHash = () => `${hashOf(['package.json', 'package-lock.json', '.npmrc'])} ${process.platform} ${process.arch}`;

/** Is this package of the lock file there, in its version? Optional ones belong to other platforms. */
function isThere([path, entry]) {
  if (!path || entry.optional || entry.link) return true;
  try {
    return readJson(at(path, 'package.json')).version === entry.version;
  } catch {
    return false;
  }
}

function isInstalled() {
  const stamp = installed.read();
  if (stamp?.lock !== lockHash() || (stamp.node && !existsSync(pinnedPath))) return false;
  return Object.entries(readJson(at('package-lock.json')).packages).every(isThere);
}

/** Runs npm on the Node from outside: the pinned one is about to be replaced. */
function npm(args) {
  const node = hostNode();
  const env = { PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
  const script = process.env.npm_execpath ?? '';
  if (/npm-cli\.c?js$/.test(script) && existsSync(script)) return capture(node, [script, ...args], { env });
  return capture(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, { env, shell: process.platform === 'win32' });
}

async function install() {
  const start = performance.now();
  say('installing the packages of package-lock.json with npm ci (only when they change)');
  rmSync(at('node_modules', '.burin-stamp'), { force: true });
  const { code, output } = await npm(['ci', '--loglevel=error', '--no-audit', '--no-fund', '--no-progress']);
  if (code !== 0) throw new Stop(`npm ci failed (${code}); it said:\n${output.trim()}`);
  const node = await pinnedVersion();
  if (!node) say(`the pinned Node does not run here; everything runs on Node ${process.versions.node} instead`);
  installed.write({ lock: lockHash(), node });
  say(`installed in ${seconds(start)}`);
}

async function pinnedVersion() {
  const { code, output } = await capture(pinnedPath, ['--version']);
  return code === 0 && /^v\d+\./.test(output) ? output.trim() : null;
}

await main(async () => {
  if (!isInstalled()) await install();
  await build();
});
