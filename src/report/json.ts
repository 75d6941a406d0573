import type { Report } from '../measure/record.ts';

/** The record as it is, indented; numbers without a finite value become null. */
export function reportJson(report: Report | readonly Report[]): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}
