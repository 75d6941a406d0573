// What the scripts share: where things are, which Node to use, how to run a command, how to know that a step is done.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
export const at = (...parts) => join(root, ...parts);
export const say = (line) => console.error(`burin: ${line}`);
export const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
export const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

const stampPath = at('node_modules', '.burin-stamp');

/** What the last complete installation was: `{ lock, node }`, where `node` is the version of the pinned Node or null. */
export const installed = {
  read: () => (existsSync(stampPath) ? readJson(stampPath) : undefined),
  write: (stamp) => writeFileSync(stampPath, JSON.stringify(stamp)),
};

/** The Node this was started with from outside. npm puts the pinned one first in PATH, so process.execPath may be that. */
export function hostNode() {
  const pinned = at('node_modules', '.bin');
  const names = (process.env.PATH ?? '').split(delimiter).filter((dir) => dir && resolve(dir) !== pinned && !dir.includes('node_modules'));
  const exe = process.platform === 'win32' ? 'node.exe' : 'node';
  const found = [process.env.npm_node_execpath, ...names.map((dir) => join(dir, exe)), process.execPath];
  return found.find((path) => path && !path.startsWith(at('node_modules')) && existsSync(path)) ?? process.execPath;
}

export const pinnedPath = at('node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');

/** The newest Node that package.json pins, or undefined where it could not be installed or does not run here. */
export const pinnedNode = () => (installed.read()?.node && existsSync(pinnedPath) ? pinnedPath : undefined);

/**
 * Runs a command to its end and never throws: `{ code, output }`, with stdout and stderr together.
 * After `timeoutMs` this one child is killed and `code` is 'timeout'.
 */
export function capture(command, args, { env, timeoutMs, shell } = {}) {
  return new Promise((done) => {
    const chunks = [];
    let late = false;
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], shell });
    const timer = timeoutMs && setTimeout(() => { late = true; child.kill('SIGKILL'); }, timeoutMs);
    const end = (code, extra = '') => {
      clearTimeout(timer);
      done({ code: late ? 'timeout' : code, output: Buffer.concat(chunks).toString() + extra });
    };
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.on('error', (error) => end('error', String(error)));
    child.on('close', (code, signal) => end(code ?? signal));
  });
}

/** Paths of all files under folders of the project, relative to it with forward slashes, sorted. */
export function filesUnder(folders, keep = () => true) {
  const found = [];
  for (const folder of folders.filter((name) => existsSync(at(name)))) {
    for (const entry of readdirSync(at(folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) found.push(...filesUnder([path], keep));
      else if (keep(path)) found.push(path);
    }
  }
  return found.sort();
}

/** One hash over the names and contents of files of the project. */
export function hashOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(`${path}\0`).update(readFileSync(at(path))).update('\0');
  return hash.digest('hex');
}

/** Writes a file so that nobody ever reads half of it. */
export function writeWhole(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}.part`;
  writeFileSync(part, content);
  renameSync(part, path);
}

const alive = (pid) => {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** A failure that is told in plain words, without a stack. */
export class Stop extends Error {}

/** Runs `work` alone, as the whole of this process: says what stopped it and sets the exit code. */
export async function main(work) {
  try {
    await alone(work);
  } catch (error) {
    say(error instanceof Stop ? error.message : error.stack);
    process.exitCode = 1;
  }
}

/** Runs `work` while no other set-up or build of this project runs. A lock whose process is gone is taken over. */
async function alone(work) {
  const lock = at('.cache', 'setup.lock');
  mkdirSync(dirname(lock), { recursive: true });
  for (let waited = 0; ; waited++) {
    try {
      const file = openSync(lock, 'wx');
      writeFileSync(file, String(process.pid));
      closeSync(file);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      await waitFor(lock, waited);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

async function waitFor(lock, waited) {
  const holder = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : process.pid;
  // An empty file is a lock just being written; it gets two seconds.
  if (holder ? !alive(holder) : waited > 10) return rmSync(lock, { force: true });
  if (waited === 5) say(`waiting for another set-up of this project (process ${holder})`);
  await new Promise((next) => setTimeout(next, 200));
}
