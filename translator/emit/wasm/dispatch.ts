/** Finds a multiplicative hash that spreads the targets of an indirect jump over the entries of a small table. */

export interface DispatchPlan {
  /** Bucket of an address: (address * multiplier) >>> shift, in 32 bits. */
  readonly multiplier: number;
  readonly shift: number;
  readonly buckets: readonly (readonly number[])[];
}

/** As few targets as this are compared one after the other. */
const COMPARED = 3;
const ATTEMPTS = 60;
const LARGEST_TABLE_BITS = 12;

/** `undefined` where a table is not worth it. */
export function planDispatch(targets: readonly number[]): DispatchPlan | undefined {
  if (targets.length <= COMPARED) return undefined;
  const bits = Math.min(LARGEST_TABLE_BITS, Math.ceil(Math.log2(targets.length)) + 2);
  const shift = 32 - bits;
  let best: DispatchPlan | undefined;
  let bestCollisions = Infinity;
  // Odd multipliers from the golden ratio on (Knuth, The Art of Computer Programming 3, 6.4), by a linear congruence.
  for (let attempt = 0, multiplier = 0x9e3779b1 | 0; attempt < ATTEMPTS && bestCollisions > 0; attempt++) {
    const buckets: number[][] = Array.from({ length: 1 << bits }, () => []);
    let collisions = 0;
    for (const target of targets) {
      const bucket = buckets[Math.imul(target, multiplier) >>> shift]!;
      collisions += bucket.length;
      bucket.push(target);
    }
    if (collisions < bestCollisions) {
      bestCollisions = collisions;
      best = { multiplier, shift, buckets };
    }
    multiplier = (Math.imul(multiplier, 1664525) + 1013904222) | 1;
  }
  return best;
}
