import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate, prune, readModel, Tensor, writeModel, zooGraph } from '../../src/index.ts';

const network = () => zooGraph('lenet-5-caffe');
const feeds = { input: new Tensor('float32', Float32Array.from({ length: 784 }, (_, i) => Math.sin(0.37 * i)), [1, 1, 28, 28]) };

for (const sparse of [false, true]) {
  test(`a pruned network survives its file, ${sparse ? 'sparse' : 'dense'} initializers`, async () => {
    const { graph } = prune(network(), { sparsity: 0.9 });
    const again = await readModel(await writeModel(graph, { sparse }));
    assert.equal([...evaluate(again, feeds).scores.data as Float32Array], [...evaluate(graph, feeds).scores.data as Float32Array]);
  });
}

test('sparse initializers make a pruned file smaller', async () => {
  const { graph } = prune(network(), { sparsity: 0.95 });
  assert.ok((await writeModel(graph, { sparse: true })).length < (await writeModel(graph)).length / 2);
});

test('no bytes, and bytes of no model, are typed errors', async () => {
  for (const bytes of [new Uint8Array(0), new ArrayBuffer(0), new Uint8Array([8, 255, 255])]) {
    try {
      await readModel(bytes);
      assert.unreachable('must be refused');
    } catch (error) {
      assert.is((error as { kind?: string }).kind, 'file');
    }
  }
});

test.run();
