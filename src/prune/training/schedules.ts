/** The numbers a curve may read. Sparsities and rates are fractions 0 … 1. */
export interface CurveNumbers {
  /** s_i, the sparsity it starts from. */
  readonly initial: number;
  /** s_f, the sparsity it ends at. */
  readonly final: number;
  /** n, how many steps it takes. */
  readonly rounds: number;
  /** Fraction of what is left that one round removes. */
  readonly rate: number;
  /** The highest sparsity of a schedule that comes down again. */
  readonly peak: number;
}

/** Sparsity as a function of progress p, 0 … 1. At p = 1 a schedule is at `final`, whatever its curve says. */
export type Curve = (p: number, numbers: CurveNumbers) => number;

/** A row of {@link schedules}, or a curve of the caller's with what it needs. */
export interface Schedule {
  readonly formula: string;
  readonly source: string;
  readonly sparsity: Curve;
  /** What a spec must give. */
  readonly needs: readonly (keyof CurveNumbers)[];
  /** s_f where the spec does not give it. */
  readonly final?: (numbers: CurveNumbers) => number;
  /** n where the spec does not give it. */
  readonly rounds?: (numbers: CurveNumbers) => number;
  /** It ends where it begins, unless the spec says otherwise. */
  readonly instant?: boolean;
  /** Dropped weights come back where it falls. */
  readonly regrows?: boolean;
}

/** p · n is a whole number when p = k / n, up to rounding; without this 7 / 100 of 100 rounds would be the eighth. */
export const ROUNDING = 1e-9;
const roundAt = (p: number, rounds: number): number => Math.ceil(p * rounds - ROUNDING);
const wave = (angle: number): number => (1 - Math.cos(angle)) / 2;
const logistic = (p: number): number => 1 + Math.exp(-14 * p + 6);

/** Sparsity over progress p, each with its formula and source: s_i is `initial`, s_f `final`, n `rounds`; fractions 0 … 1. */
export const schedules = {
  'one-shot': {
    formula: 's_f from its start', source: 'LeCun, Denker and Solla (1990)', needs: ['final'], instant: true,
    sparsity: (_p, { final }) => final,
  },
  iterative: {
    formula: 's_i + (s_f − s_i) / n · ⌈p · n⌉', source: 'Han et al. (2015)', needs: ['final', 'rounds'],
    sparsity: (p, { initial, final, rounds }) => initial + ((final - initial) / rounds) * roundAt(p, rounds),
  },
  agp: {
    formula: 's_f + (s_i − s_f) · (1 − p)³', source: 'Zhu and Gupta (2017)', needs: ['final'],
    sparsity: (p, { initial, final }) => final + (initial - final) * (1 - p) ** 3,
  },
  'one-cycle': {
    formula: 's_i + (s_f − s_i) · (1 + e^(−14 + 6)) / (1 + e^(−14p + 6))', source: 'Hubens et al. (2021)', needs: ['final'],
    sparsity: (p, { initial, final }) => initial + (final - initial) * (logistic(1) / logistic(p)),
  },
  cosine: {
    formula: 's_i + (s_f − s_i) · (1 − cos πp) / 2', source: 'fasterai', needs: ['final'],
    sparsity: (p, { initial, final }) => initial + (final - initial) * wave(Math.PI * p),
  },
  linear: {
    formula: 's_i + (s_f − s_i) · p', source: 'fasterai', needs: ['final'],
    sparsity: (p, { initial, final }) => initial + (final - initial) * p,
  },
  /** Dense, sparse, dense: with a grid of half its length it is the three phases of the paper. */
  dsd: {
    formula: 'to the peak and back to s_f (default s_i): s + (peak − s) · (1 − cos 2πp) / 2',
    source: 'Han et al. (2017); curve of fasterai',
    needs: ['peak'], regrows: true, final: ({ initial }) => initial,
    sparsity: (p, { initial, final, peak }) => {
      const base = p < 0.5 ? initial : final;
      return base + (peak - base) * wave(2 * Math.PI * p);
    },
  },
  'lottery-ticket': {
    formula: '1 − (1 − s_i) · (1 − rate)^⌈p · n⌉, at most s_f', source: 'Frankle and Carbin (2019)', needs: ['rate', 'rounds'],
    final: (numbers) => ticket(1, numbers),
    rounds: ({ initial, final, rate }) => Math.ceil(Math.log((1 - final) / (1 - initial)) / Math.log(1 - rate) - ROUNDING),
    sparsity: (p, numbers) => Math.min(ticket(p, numbers), numbers.final),
  },
} satisfies Record<string, Schedule>;

function ticket(p: number, { initial, rate, rounds }: CurveNumbers): number {
  return 1 - (1 - initial) * (1 - rate) ** roundAt(p, rounds);
}

/** A row of {@link schedules}. */
export type ScheduleName = keyof typeof schedules;
