/** The few statistics that a comparison of running times needs. */

export interface Sample {
  readonly median: number;
  readonly minimum: number;
  readonly maximum: number;
  /** All values, in the order in which they were measured. */
  readonly values: readonly number[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function sampleOf(values: readonly number[]): Sample {
  return { median: median(values), minimum: Math.min(...values), maximum: Math.max(...values), values };
}

/** Half of the range, as a part of the median. */
export const spreadOf = ({ median: middle, minimum, maximum }: Sample): number =>
  middle > 0 ? (maximum - minimum) / 2 / middle : 0;

/** undefined for no values. */
export function geometricMean(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
