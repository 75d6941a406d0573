import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { chromium, type Browser } from 'playwright-core';
import { root } from '../root.ts';

const unbrotli = promisify(brotliDecompress);

/** Headless, no calls home, WebGPU whose adapter tells its name and whose clock is exact. */
const args = [
  '--no-sandbox', '--headless=new', '--enable-unsafe-webgpu', '--enable-webgpu-developer-features',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
];
/** The software adapter that comes along, or with BURIN_GPU=system the one of the machine's driver. */
const adapters = {
  software: ['--use-webgpu-adapter=swiftshader'],
  system: ['--enable-features=Vulkan', '--use-angle=vulkan', '--disable-vulkan-surface', '--ignore-gpu-blocklist'],
};

/** Whether the bundled Chromium can run here; says loudly when not. */
export function hasChromium(name: string): boolean {
  const runs = process.platform === 'linux' && process.arch === 'x64';
  if (!runs) {
    console.warn(`SKIPPED: ${name} needs the bundled Chromium, which is for linux x64 and not for ${process.platform} ${process.arch}`);
  }
  return runs;
}

/** Starts the bundled Chromium, which needs nothing of the system. The caller closes it. */
export async function launchChromium(): Promise<Browser> {
  const home = await unpacked();
  const libraries = [home, join(home, 'lib'), process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter);
  const env = {
    ...(process.env as Record<string, string>), LD_LIBRARY_PATH: libraries,
    FONTCONFIG_PATH: home, FONTCONFIG_FILE: join(home, 'fonts.conf'), XDG_CACHE_HOME: home,
  };
  const adapter = adapters[process.env.BURIN_GPU === 'system' ? 'system' : 'software'];
  return chromium.launch({ executablePath: join(home, 'chromium'), args: [...args, ...adapter], env });
}

/** The folder with Chromium, its libraries and fonts; unpacked once (some seconds), then reused. */
export async function unpacked(): Promise<string> {
  const packed = join(dirname(fileURLToPath(import.meta.resolve('@sparticuz/chromium'))), '..');
  const { version } = JSON.parse(readFileSync(join(packed, 'package.json'), 'utf8')) as { version: string };
  const home = join(root, '.cache', `chromium-${version}`);
  if (existsSync(home)) return home;
  const part = `${home}.${process.pid}.part`;
  await unpackInto(part, join(packed, 'bin'));
  // The rename makes it whole in one step; where another process was faster, its folder is as good.
  try {
    renameSync(part, home);
  } catch (error) {
    rmSync(part, { recursive: true, force: true });
    if (!existsSync(home)) throw error;
  }
  return home;
}

async function unpackInto(folder: string, bin: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const open = async (name: string): Promise<Buffer> => unbrotli(await readFile(join(bin, name)));
  writeFileSync(join(folder, 'chromium'), await open('chromium.br'), { mode: 0o755 });
  for (const name of ['swiftshader.tar.br', 'al2023.tar.br', 'fonts.tar.br']) untar(await open(name), folder);
  writeFileSync(join(folder, 'fonts.conf'), fontsConf);
}

/** The one that comes along looks for fonts where a cloud function has them. */
const fontsConf = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir><cachedir prefix="xdg">fonts-cache</cachedir></fontconfig>
`;

const block = 512;

/** Writes the files of a plain ustar archive: one 512-byte header a file (name, mode and size in octal), data padded to 512. */
function untar(tar: Buffer, folder: string): void {
  const text = (start: number, length: number): string => tar.toString('latin1', start, start + length).replace(/\0.*$/s, '').trim();
  for (let at = 0; at + block <= tar.length && tar[at] !== 0;) {
    const [name, mode, size, kind] = [text(at, 100), parseInt(text(at + 100, 8), 8), parseInt(text(at + 124, 12), 8), text(at + 156, 1)];
    const path = join(folder, name);
    if (!path.startsWith(folder)) throw new Error(`archive entry ${name} points outside of its folder`);
    if (kind === '5') mkdirSync(path, { recursive: true });
    else if (kind === '' || kind === '0') {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, tar.subarray(at + block, at + block + size), { mode });
    } else throw new Error(`archive entry ${name} is of kind ${kind}, which this reader does not know`);
    at += block + Math.ceil(size / block) * block;
  }
}
