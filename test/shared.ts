import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder `shared` beside the project, from `test/` or from the compiled `dist/test/`. */
const roots = ['../../shared/', '../../../shared/'].map((path) => new URL(path, import.meta.url));

/** Where a file or folder of the shared data lies, or undefined where it is not at hand (it is no part of the package). */
export function shared(path: string): URL | undefined {
  return roots.map((root) => new URL(path, root)).find((url) => existsSync(fileURLToPath(url)));
}

/** Says loudly that a test is left out because the shared data is not at hand. */
export function noShared(name: string): void {
  console.warn(`SKIPPED: ${name} needs the shared data folder, which is not beside this project`);
}
