/** The benchmark guests: small programs without a C library (sources in tests/guests/bench) that repeat one kind of work N times. */
import { fileURLToPath } from 'node:url';

export const CATEGORIES = [
  'integer',
  'calls',
  'interpreter',
  'x87',
  'SSE2',
  'strings',
  'memory',
  'compression',
  'crypto',
  'sorting',
  'start-up',
] as const;
export type Category = (typeof CATEGORIES)[number];

export interface Kernel {
  /** Of the program, too. */
  readonly name: string;
  readonly category: Category;
  /** Repetitions of a whole run: a second or two of generated code. 0 where the program takes no count. */
  readonly count: number;
}

export const KERNELS: readonly Kernel[] = [
  { name: 'arithmetic', category: 'integer', count: 400 },
  { name: 'fib', category: 'calls', count: 240 },
  { name: 'bytecode', category: 'interpreter', count: 100 },
  { name: 'matmul-x87', category: 'x87', count: 20 },
  { name: 'nbody-x87', category: 'x87', count: 100 },
  { name: 'matmul-sse2', category: 'SSE2', count: 80 },
  { name: 'nbody-sse2', category: 'SSE2', count: 800 },
  { name: 'pixels-sse2', category: 'SSE2', count: 800 },
  { name: 'strings', category: 'strings', count: 20000 },
  { name: 'sieve', category: 'memory', count: 160 },
  { name: 'lists', category: 'memory', count: 120 },
  { name: 'lz', category: 'compression', count: 240 },
  { name: 'sha256', category: 'crypto', count: 2000 },
  { name: 'quicksort', category: 'sorting', count: 120 },
  { name: 'startup', category: 'start-up', count: 0 },
];

const PROGRAMS = new URL('../../../tests/guests/bin/bench/', import.meta.url);

export const kernelPath = (kernel: Kernel): string => fileURLToPath(new URL(kernel.name, PROGRAMS));
