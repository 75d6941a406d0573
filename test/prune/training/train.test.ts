import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate } from '../../../src/graph/evaluate.ts';
import { fromZeros, Pruner, prune, type PrunerOptions } from '../../../src/prune/index.ts';
import { randomFrom } from '../../../src/random.ts';
import { Tensor } from '../../../src/tensor.ts';
import { accuracyOf, descend, gradientsOf, held, HIDDEN, IN, network, parametersOf, pickBatch, training, zerosLike } from './trainer.ts';

test('inside a training loop: 85 % of the weights go, the accuracy stays; without training after it does not', () => {
  const model = network();
  const train = (options: PrunerOptions | undefined, steps: number): { p: Map<string, Float32Array>; pruner?: Pruner } => {
    const p = parametersOf(model), velocity = zerosLike(p), random = randomFrom(0, 'batches');
    const pruner = options && new Pruner(model, options);
    for (let t = 0; t < steps; t++) {
      pruner?.step(t, { weights: p });
      pruner?.apply(p);
      descend(p, gradientsOf(p, training, pickBatch(random, training.labels.length)), velocity, 0.03);
      pruner?.apply(p);
    }
    return { p, pruner };
  };
  const dense = accuracyOf(train(undefined, 400).p, held);
  const { p, pruner } = train({ scope: 'model', schedule: { name: 'agp', final: 0.85, begin: 100, end: 300, every: 20 } }, 400);
  const sparse = accuracyOf(p, held);
  const random = train({ criterion: 'random', schedule: { name: 'agp', final: 0.85, begin: 100, end: 300, every: 20 } }, 400).p;
  const atOnce = prune(pruner!.graph(train(undefined, 400).p), { sparsity: 0.85, scope: 'model' }).graph;
  assert.is(pruner!.sparsity, 0.85);
  assert.is([...pruner!.masks.values()].reduce((sum, mask) => sum + mask.dims[0] * mask.dims[1], 0), IN * HIDDEN + HIDDEN * 4);
  for (const [name, mask] of pruner!.masks) assert.equal(fromZeros(new Tensor('float32', p.get(name)!, mask.dims)).bits, mask.bits, name);
  console.log(`dense ${dense}, gradual ${sparse}, random ${accuracyOf(random, held)}, at once ${accuracyOf(parametersOf(atOnce), held)}`);
  assert.ok(dense > 0.97 && sparse > dense - 0.03);
  assert.ok(accuracyOf(random, held) < sparse - 0.05);
  assert.ok(accuracyOf(parametersOf(atOnce), held) < sparse - 0.05);
});

test('the pruned network computes what the trainer measured', () => {
  const model = network(), pruner = new Pruner(model, { sparsity: 0.5 });
  const p = parametersOf(model);
  pruner.step(0, { weights: p });
  const graph = pruner.graph(p);
  pruner.apply(p);
  const scores = evaluate(graph, { x: new Tensor('float32', held.x, [held.labels.length, IN]) })['fc2.out'].data as Float32Array;
  let right = 0;
  held.labels.forEach((label, n) => {
    const row = [...scores.subarray(n * 4, n * 4 + 4)];
    if (row.indexOf(Math.max(...row)) === label) right++;
  });
  assert.is(right / held.labels.length, accuracyOf(p, held));
  assert.throws(() => pruner.graph({ 'fc9.weight': new Float32Array(1) }),
    /needs names of float32 constants of the model, got 'fc9.weight'/);
});

test.run();
