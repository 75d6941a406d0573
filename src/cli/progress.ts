import type { Progress } from '../measure/compare.ts';
import type { Io } from './command.ts';

/** Back to the start of the line, and clear it. */
const restart = '\r\x1b[K';

/** Shows what is going on in one line that is overwritten, where somebody watches. */
export function progressOn(io: Io): { report: (progress: Progress) => void; end: () => void } {
  if (!io.live) return { report: () => {}, end: () => {} };
  return {
    report: ({ stage, done, total }) => io.err(`${restart}${`${stage} ${done}/${total}`.slice(0, io.width - 1)}`),
    end: () => io.err(restart),
  };
}
