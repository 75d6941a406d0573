import { conventions, type Convention } from '../measure/conventions.ts';
import type { LayerProfile, Profile } from '../measure/profile.ts';
import { ratio } from '../measure/record.ts';
import { count, percent, times } from '../measure/words.ts';
import type { Column } from './words.ts';

// The words of a profile, the same in every form of it.

/** What a convention counts. */
const workWords: Readonly<Record<Convention, string>> = {
  'macs': 'MACs', 'macs+bias': 'MACs and biases', 'ptflops': 'FLOPs by ptflops', 'flops2': 'FLOPs', 'inBounds': 'MACs in bounds',
  'shrinkbench': 'MACs by ShrinkBench',
};
export const workWord = ({ convention }: Pick<Profile, 'convention'>): string => workWords[convention];

/** A share of the whole; what would round to nothing says so. */
export const share = (part: number): string => (part > 0 && part < 0.0005 ? '< 0.1 %' : percent(part));

/** Whether any weight is zero, so that what is left differs from what there was. */
export const hasZeros = ({ params, work }: Profile): boolean => params.kept < params.total || work.kept < work.total;

type Key = 'params' | 'work';

/** The fewest layers that have half of something together, in execution order. */
function heaviest({ layers }: Profile, key: Key): LayerProfile[] {
  const sorted = layers.toSorted((a, b) => b[key].share - a[key].share), taken = new Set<LayerProfile>();
  for (let have = 0; have < 0.5 && taken.size < sorted.length;) {
    const next = sorted[taken.size];
    taken.add(next);
    have += next[key].share;
  }
  return layers.filter((layer) => taken.has(layer));
}

/** Names that fit a sentence. */
const fewNames = 3;

function halfSentence(profile: Profile, key: Key): string {
  const words = { params: 'parameters', work: workWord(profile) }, other = key === 'params' ? 'work' : 'params';
  const few = heaviest(profile, key), names = few.map(({ name }) => name).join(', ');
  const part = (of: Key): string => `${share(few.reduce((sum, layer) => sum + layer[of].share, 0))} of the ${words[of]}`;
  const which = few.length <= fewNames ? ` (${names})` : '';
  const has = few.length === 1 ? 'has' : 'have';
  return `${few.length} of ${profile.layers.length} layers${which} ${has} ${part(key)} and ${part(other)}.`;
}

/** Where half of the parameters are, and half of the work. */
export function profileSentences(profile: Profile): string[] {
  const present = (['params', 'work'] as const).filter((key) => profile.layers.length && profile[key].total);
  const halves = present.map((key) => halfSentence(profile, key));
  if (!hasZeros(profile)) return halves;
  const left = (key: Key, word: string): string => `${count(profile[key].kept)} of ${count(profile[key].total)} ${word}`;
  return [...halves, `The zeros leave ${left('params', 'parameters')} and ${left('work', workWord(profile))}.`];
}

const kept = ({ total, kept }: { total: number; kept: number }): string => (total ? percent(kept / total) : '');

/** The layer table of a profile. Columns about zeros are left out where there are none. */
export function profileColumns(profile: Profile): Column<LayerProfile>[] {
  const work = workWord(profile), zeros = hasZeros(profile);
  const all: (Column<LayerProfile> & { zeros?: true })[] = [
    { head: 'layer', cell: (l) => l.name, spare: 0 },
    { head: 'operation', cell: (l) => l.op, spare: 6 },
    { head: 'output', cell: (l) => l.shape.join('×'), right: true, spare: 7 },
    { head: 'parameters', cell: (l) => (l.params.total ? count(l.params.total) : ''), right: true, spare: 2 },
    { head: 'share', cell: (l) => (l.params.total ? share(l.params.share) : ''), right: true, spare: 0 },
    { head: 'up to here', cell: (l) => percent(l.params.cumulative), right: true, spare: 4 },
    { head: 'left', cell: (l) => kept(l.params), right: true, spare: 3, zeros: true },
    { head: work, cell: (l) => count(l.work.total), right: true, spare: 2 },
    { head: 'share', cell: (l) => share(l.work.share), right: true, spare: 0 },
    { head: 'up to here', cell: (l) => percent(l.work.cumulative), right: true, spare: 4 },
    { head: 'left', cell: (l) => kept(l.work), right: true, spare: 3, zeros: true },
    { head: 'zeros', cell: (l) => (l.weights ? percent(l.sparsity) : ''), right: true, spare: 1, zeros: true },
  ];
  return all.filter((column) => zeros || !column.zeros);
}

/** What no layer has; nothing where they have all. */
export function restSentence({ rest, params, work }: Profile, word: string): string | undefined {
  if (!rest.params.total && !rest.work.total) return undefined;
  const part = (key: Key, whole: number): string => share(whole ? rest[key].total / whole : 0);
  return `Everything else (normalisation, activations, pooling) has ${part('params', params.total)} of the parameters and `
    + `${part('work', work.total)} of the ${word}.`;
}

export interface CountRow {
  readonly name: string;
  readonly total: string;
  readonly left: string;
  /** Dense over left. */
  readonly speedup: string;
  readonly about: string;
}

/** The whole network by every convention. */
export function countRows({ counts }: Profile): CountRow[] {
  return Object.entries(conventions).map(([name, { about }]) => {
    const amount = counts[name as Convention];
    const speedup = times(amount && ratio(amount.total, amount.kept));
    return { name, total: count(amount?.total), left: count(amount?.kept), speedup, about };
  });
}
