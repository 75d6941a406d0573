import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder of the project, from `test/` or from the compiled `dist/test/`. */
export const root = fileURLToPath(
  ['../', '../../'].map((path) => new URL(path, import.meta.url)).find((url) => existsSync(new URL('package.json', url)))!
);
