import type { Backend } from '../backends/index.ts';
import { expect } from '../expect.ts';
import type { Graph, Typed } from '../graph/graph.ts';
import type { Weighed } from '../graph/weigh.ts';
import { allocate, bytesOf, sizeOf, Tensor } from '../tensor.ts';
import { placeValues, type Lifetime } from './arena.ts';
import { aliases } from './lower/index.ts';
import { Scratch, type Context } from './lower/context.ts';

/** A specialised graph with its fusion record. */
export interface PlanInput {
  readonly graph: Graph;
  readonly types: ReadonlyMap<string, Typed>;
  readonly parts: ReadonlyMap<string, readonly string[]>;
  readonly given?: ReadonlyMap<string, Weighed>;
}

/** Address of every value that is computed, and of what is uploaded. */
export class Binding implements Context {
  readonly backend: Backend;
  readonly scratchMemory = new Scratch();
  readonly #input: PlanInput;
  readonly #roots: Map<string, string>;
  readonly #places: Map<string, number>;
  readonly #arena: number;
  readonly #uploads = new Map<string, number>();
  readonly #kept = new Set<string>();
  #asked: Set<string> | undefined;

  constructor(backend: Backend, input: PlanInput) {
    this.backend = backend;
    this.#input = input;
    this.#roots = rootsOf(input.graph);
    const placed = placeValues(lifetimes(input, this.#roots));
    this.#places = placed.offsets;
    this.#arena = backend.alloc(placed.bytes);
  }

  typed(name: string): Typed {
    const typed = this.#input.types.get(name);
    expect(typed, { kind: 'state', where: 'plan', needs: `the type of '${name}'`, got: 'nothing' });
    return typed;
  }

  constant(name: string): Tensor | undefined { return this.#input.graph.constants.get(name); }

  address(name: string): number {
    const root = this.#roots.get(name) ?? name, place = this.#places.get(root);
    if (place !== undefined) return this.#arena + place;
    const tensor = this.constant(root);
    expect(tensor, { kind: 'state', where: 'plan', needs: `a place for '${name}'`, got: 'none' });
    return this.upload(`constant|${root}`, () => tensor.data);
  }

  upload(key: string, make: () => ArrayBufferView): number {
    this.#asked?.add(key);
    const known = this.#uploads.get(key);
    if (known !== undefined) return known;
    const data = make(), address = this.backend.alloc(data.byteLength);
    this.backend.bytes(address, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.#uploads.set(key, address);
    return address;
  }

  scratch(bytes: number): number { return this.scratchMemory.take(bytes); }

  /** Runs `build` with as much scratch memory as it turns out to need. */
  sized<T>(build: () => T): T {
    this.scratchMemory.reset();
    const before = this.scratchMemory.mostBytes, had = this.scratchMemory.base;
    const first = build();
    const most = this.scratchMemory.mostBytes;
    if (had && most <= before) return first;
    if (had) this.backend.free(had);
    this.scratchMemory.base = this.backend.alloc(most);
    this.scratchMemory.reset();
    return build();
  }

  /** Keeps for good what `build` asks for, and frees what only rejected candidates needed. */
  keep<T>(build: () => T): T {
    this.#asked = this.#kept;
    const result = this.sized(build);
    this.#asked = undefined;
    for (const [key, address] of this.#uploads) {
      if (this.#kept.has(key)) continue;
      this.backend.free(address);
      this.#uploads.delete(key);
    }
    return result;
  }

  dispose(): void {
    for (const address of this.#uploads.values()) this.backend.free(address);
    this.backend.free(this.#arena);
    if (this.scratchMemory.base) this.backend.free(this.scratchMemory.base);
  }
}

/** For values that share another's memory, whose it is. */
export function rootsOf(graph: Graph): Map<string, string> {
  const roots = new Map<string, string>();
  for (const { op, inputs, outputs } of graph.nodes) if (aliases.has(op)) roots.set(outputs[0], roots.get(inputs[0]) ?? inputs[0]);
  return roots;
}

export function lifetimes({ graph, types }: PlanInput, roots: Map<string, string>): Lifetime[] {
  const first = new Map<string, number>(), last = new Map<string, number>(), end = graph.nodes.length;
  const root = (name: string): string => roots.get(name) ?? name;
  for (const { name } of graph.inputs) first.set(name, -1);
  graph.nodes.forEach((node, step) => {
    if (!aliases.has(node.op)) for (const name of node.outputs) if (name) first.set(name, step);
    for (const name of [...node.inputs, ...node.outputs]) if (name) last.set(root(name), step);
  });
  for (const { name } of graph.outputs) last.set(root(name), end);
  return [...first].map(([name, step]) => {
    const { type, shape } = types.get(name)!;
    return { name, bytes: sizeOf(shape) * bytesOf(type), first: step, last: last.get(name) ?? step };
  });
}

/** A copy of a value. */
export function read(binding: Binding, name: string): Tensor {
  const { type, shape } = binding.typed(name), data = allocate(type, sizeOf(shape));
  new Uint8Array(data.buffer).set(binding.backend.bytes(binding.address(name), data.byteLength));
  return new Tensor(type, data, shape);
}

/** Puts a tensor where a value belongs. */
export function write(binding: Binding, name: string, { data }: Tensor): void {
  binding.backend.bytes(binding.address(name), data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
