import type { Ratio } from './record.ts';

/** Shown where there is no number. */
export const nothing = '–';

/** From which size on how many decimals are shown: 0.0012, 0.012, 0.12, 1.23, 12.3, 123. */
const decimals = [[99.95, 0], [9.995, 1], [0.0995, 2], [0.00995, 3], [0, 4]] as const;

function digits(value: number): string {
  if (value === 0) return '0';
  return value.toFixed(decimals.find(([from]) => Math.abs(value) >= from)![1]);
}

function shown(value: Ratio | undefined, write: (value: number) => string): string {
  return typeof value === 'number' && Number.isFinite(value) ? write(value) : nothing;
}

/** `6.28`, without the unit, for columns. */
export const number = (value: Ratio | undefined): string => shown(value, digits);
export const ms = (value: Ratio | undefined): string => shown(value, (v) => `${digits(v)} ms`);
/** A speedup: `1.45×`. */
export const times = (value: Ratio | undefined): string => shown(value, (v) => `${v >= 9.995 ? digits(v) : v.toFixed(2)}×`);
/** A fraction as `72 %`; small ones keep a decimal. */
export const percent = (value: Ratio | undefined): string =>
  shown(value, (v) => `${(100 * v).toFixed(v !== 0 && (Math.abs(v) < 0.0995 || (v > 0.9905 && v < 0.9995)) ? 1 : 0)} %`);

const steps = [[1e9, ' G'], [1e6, ' M'], [1e3, ' k'], [1, '']] as const;

/** A count as `117 M`. */
export function count(value: Ratio | undefined): string {
  return shown(value, (v) => {
    const [unit, letter] = steps.find(([unit]) => Math.abs(v) >= 0.9995 * unit) ?? [1, ''];
    return `${unit === 1 ? v.toFixed(0) : digits(v / unit)}${letter}`;
  });
}

/** A size as `1.20 kB`, `15.1 MB`: thousands, not 1024s. */
export const bytes = (value: Ratio | undefined): string => shown(value, (v) => (v < 999.5 ? `${v.toFixed(0)} B` : `${count(v)}B`));

/** `1 layer`, `3 layers`. */
export const several = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;
