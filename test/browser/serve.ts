import { createReadStream, realpathSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, sep } from 'node:path';

export interface Served {
  /** Where the folder is, without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.json': 'application/json',
  '.svg': 'image/svg+xml', '.png': 'image/png', '.wasm': 'application/wasm',
};

/** What a page needs for SharedArrayBuffer. */
const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/** Serves the files of `folder` and nothing else, to this machine only, on a free port. */
export async function serve(folder: string, { isolated = false } = {}): Promise<Served> {
  const base = realpathSync(folder);
  const server = createServer((request, response) => answer(base, request, response, isolated ? isolation : {}));
  await new Promise<void>((ready, failed) => server.once('error', failed).listen(0, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((closed) => { server.close(() => closed()); server.closeAllConnections(); }),
  };
}

function answer(base: string, request: IncomingMessage, response: ServerResponse, extra: Record<string, string>): void {
  const path = request.method === 'GET' || request.method === 'HEAD' ? fileAt(base, request.url ?? '/') : undefined;
  if (!path) {
    response.writeHead(404, extra).end('not found');
    return;
  }
  response.writeHead(200, { ...extra, 'Content-Type': types[extname(path)] ?? 'application/octet-stream', 'Cache-Control': 'no-store' });
  if (request.method === 'HEAD') response.end();
  else createReadStream(path).on('error', () => response.destroy()).pipe(response);
}

/** The file a request means, or undefined where there is none or it lies (by `..` or by a link) outside of the folder. */
function fileAt(base: string, target: string): string | undefined {
  try {
    const name = decodeURIComponent(target.split(/[?#]/)[0]);
    const path = realpathSync(join(base, name.endsWith('/') ? `${name}index.html` : name));
    return path.startsWith(base + sep) && statSync(path).isFile() ? path : undefined;
  } catch {
    return undefined;
  }
}
