import { loadAndCompile, loadLiteRt, Tensor as LiteTensor, type CompiledModel } from '@litertjs/core';
import { fail, show } from '../../src/expect.ts';
import { Tensor, type TensorData } from '../../src/tensor.ts';
import type { Feeds, Loaded } from './peer.ts';

/** LiteRT.js on its wasm accelerator: XNNPACK with its sparse kernels, one thread. It runs in a browser, on TFLite files. */
export const litert = { name: 'LiteRT.js', where: 'chromium', start, load } as const;

/** @param folder where its wasm files are served, with a slash at the end */
async function start(folder: string): Promise<void> {
  await loadLiteRt(folder, { threads: false });
}

/** @throws BurinError `unsupported` for a file it cannot run */
async function load(bytes: Uint8Array, feeds: Feeds): Promise<Loaded> {
  const model: CompiledModel = await loadAndCompile(bytes, { accelerator: 'wasm', cpuOptions: { numThreads: 1 } }).catch((cause: unknown) =>
    fail({ kind: 'unsupported', where: litert.name, needs: 'a TFLite file it can run', got: show(cause), cause }));
  const details = model.getOutputDetails(), values = Object.values(feeds);
  let last: TensorData[] = [];
  const run = async (): Promise<void> => {
    const inputs = values.map(({ data, dims }) => new LiteTensor(data as Float32Array, [...dims]));
    const outputs = await model.run(inputs);
    last = outputs.map((output) => output.toTypedArray().slice());
    for (const tensor of [...inputs, ...outputs]) tensor.delete();
  };
  return {
    run,
    outputs: async () => {
      if (!last.length) await run();
      return Object.fromEntries(details.map(({ name, dtype, shape }, i) => [name, new Tensor(dtype, last[i], [...shape])]));
    },
    dispose: () => model.delete(),
  };
}
