#!/usr/bin/env node
import { main } from './main.ts';

const { stdout, stderr, env } = process;

/** A reader that has seen enough (`| head`) is no failure. */
stdout.on('error', (error: NodeJS.ErrnoException) => { if (error.code !== 'EPIPE') throw error; });

/** https://no-color.org: any value that is not empty turns colours off. */
const color = stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';

process.exitCode = await main(process.argv.slice(2), {
  out: (text) => void stdout.write(text),
  err: (text) => void stderr.write(text),
  width: stdout.columns ?? (Number(env.COLUMNS) || 120),
  color,
  live: stderr.isTTY === true,
});
