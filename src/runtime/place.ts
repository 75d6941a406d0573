import type { Passage } from '../graph/segment.ts';

/** What it costs a device to be handed a part of a network: ms of every run, and of a byte that goes in or comes out. */
export interface Handover {
  readonly runMs: number;
  readonly inMs: number;
  readonly outMs: number;
}

/** What a device needs for each node of a graph, in ms, and for what it is handed. */
export interface Costs {
  readonly nodeMs: readonly number[];
  readonly handover: Handover;
}

/** Nodes [from, to) on one device, by its place in the list. */
export interface Stretch {
  readonly device: number;
  readonly from: number;
  readonly to: number;
}

export interface Placement {
  /** Predicted, of a run. */
  readonly ms: number;
  /** All nodes in order; neighbours lie on different devices. */
  readonly stretches: readonly Stretch[];
}

interface Best { readonly ms: number; readonly from: number; readonly before: number }

/** For each node, what changes in the bytes a stretch is handed when it grows by it. */
interface Traffic { readonly reads: readonly Passage[]; readonly makes: readonly Passage[]; readonly ends: readonly Passage[] }

function trafficOf(nodes: number, values: readonly Passage[]): Traffic[] {
  const traffic = Array.from({ length: nodes }, () => ({ reads: [] as Passage[], makes: [] as Passage[], ends: [] as Passage[] }));
  for (const value of values) {
    const last = value.reads.at(-1);
    if (last === undefined) continue;
    if (value.made >= 0) traffic[value.made].makes.push(value);
    for (const node of value.reads) if (node < nodes) traffic[node].reads.push(value);
    if (last < nodes) traffic[last].ends.push(value);
  }
  return traffic;
}

/**
 * The cheapest way to cut the nodes into stretches and give each to a device. A stretch costs the times of its nodes and the handing over
 * of what it reads of others and of what others, the caller too, read of it. Dynamic programming over the cuts: time O(nodes² · devices).
 */
export function cheapest(devices: readonly Costs[], values: readonly Passage[]): Placement {
  const nodes = devices[0].nodeMs.length, traffic = trafficOf(nodes, values);
  const sums = devices.map(({ nodeMs }) => runningSum(nodeMs));
  const best: Best[][] = Array.from({ length: nodes + 1 }, () => devices.map(() => ({ ms: Infinity, from: 0, before: -1 })));
  for (let from = 0; from < nodes; from++) {
    // The best way here by each device's neighbour: a device is not followed by itself.
    const starts = devices.map((_, device) => (from === 0 ? { ms: 0, before: -1 } : leastBut(best[from], device)));
    const seen = new Set<Passage>();
    let [bytesIn, bytesOut] = [0, 0];
    for (let to = from + 1; to <= nodes; to++) {
      const { reads, makes, ends } = traffic[to - 1];
      for (const value of reads) if (value.made < from && !seen.has(value)) bytesIn += seen.add(value) && value.bytes;
      for (const { bytes } of makes) bytesOut += bytes;
      for (const { made, bytes } of ends) if (made >= from) bytesOut -= bytes;
      devices.forEach(({ handover: { runMs, inMs, outMs } }, device) => {
        const { ms: before, before: neighbour } = starts[device];
        const ms = before + sums[device][to] - sums[device][from] + runMs + bytesIn * inMs + bytesOut * outMs;
        if (ms < best[to][device].ms) best[to][device] = { ms, from, before: neighbour };
      });
    }
  }
  return walkBack(best);
}

function runningSum(list: readonly number[]): Float64Array {
  const sums = new Float64Array(list.length + 1);
  list.forEach((ms, i) => { sums[i + 1] = sums[i] + ms; });
  return sums;
}

function leastBut(row: readonly Best[], device: number): { ms: number; before: number } {
  return row.reduce((least, { ms }, before) => (before !== device && ms < least.ms ? { ms, before } : least), { ms: Infinity, before: -1 });
}

function walkBack(best: readonly (readonly Best[])[]): Placement {
  const stretches: Stretch[] = [], end = leastBut(best.at(-1)!, -1);
  for (let [to, device] = [best.length - 1, end.before]; to > 0;) {
    const { from, before } = best[to][device];
    stretches.unshift({ device, from, to });
    [to, device] = [from, before];
  }
  return { ms: end.ms, stretches };
}

/**
 * Times of nodes that add up to `wholeMs`, the time of all of them in one run: timed one by one each bears the same cost of its
 * own (a fence, a call), or lacks it, which is taken off, no time becoming negative, or put on.
 */
export function fitted(nodeMs: readonly number[], wholeMs: number): number[] {
  const positive = nodeMs.filter((ms) => ms > 0).sort((a, b) => a - b);
  let sum = positive.reduce((all, ms) => all + ms, 0), count = positive.length, off = (sum - wholeMs) / count;
  // What costs less than is taken off becomes 0, and the others bear the rest.
  for (const ms of positive) {
    if (ms >= off || count === 1) break;
    sum -= ms;
    off = (sum - wholeMs) / --count;
  }
  return nodeMs.map((ms) => (ms > 0 ? Math.max(0, ms - off) : 0));
}
