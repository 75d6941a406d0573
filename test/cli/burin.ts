import { main } from '../../src/cli/main.ts';

export interface Outcome { code: number; out: string; err: string }

/** Runs a command line and keeps what it says. */
export async function burin(...argv: string[]): Promise<Outcome> {
  const outcome: Outcome = { code: -1, out: '', err: '' };
  outcome.code = await main(argv, {
    out: (text) => { outcome.out += text; },
    err: (text) => { outcome.err += text; },
    width: 100, color: false, live: false,
  });
  return outcome;
}
