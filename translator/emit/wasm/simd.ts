/**
 * SSE in WebAssembly: what calls of the commonest helpers (`runtime/helpers/simd`) become. Operands are slots of the CPU state,
 * which are in locals (`vector-slots.ts`).
 */
import type { Statement } from '../../ir/ir.js';
import type { SimdLowering } from './simd-context.js';
import { floatLowerings } from './simd-float.js';
import { integerLowerings } from './simd-integer.js';
import { textLowerings } from './simd-text.js';

const lowerings: Readonly<Record<string, SimdLowering>> = { ...floatLowerings, ...integerLowerings, ...textLowerings };

/** How a helper's call is written inline, where it can be. */
export function simdLowering({ helper, args }: Extract<Statement, { kind: 'call' }>): SimdLowering | undefined {
  const lowering = lowerings[helper];
  if (!lowering || !args.slice(0, lowering.constants).every(({ op }) => op === 'const')) return undefined;
  const { width, accepts } = lowering;
  if (accepts && !accepts(args.map((value) => (value.op === 'const' ? value.value : 0)))) return undefined;
  if (!width) return lowering;
  const given = args[width.index]!;
  return given.op === 'const' && given.value === width.value ? lowering : undefined;
}
