/** A WebAssembly function that the engine itself needs: a hash over memory, by which kept translations and their code are compared. */
import type { ModuleBuilder } from './module.js';
import { FunctionWriter } from './writer.js';

/** Odd, with bits all over: the fraction of the golden ratio. */
const MULTIPLIER = 0x9e3779b97f4a7c15n;

/** Adds `name(address, bytes, seed)`: a 64-bit hash (i64) of a number of bytes that is a multiple of eight and not zero. */
export function emitHash(module: ModuleBuilder, name: string): void {
  const ADDRESS = 0;
  const REST = 1;
  const HASH = 2;
  const w = new FunctionWriter(name, 3);
  w.open('loop', 'next');
  w.get(ADDRESS);
  w.memory('i64.load');
  w.get(HASH);
  w.op('i64.xor');
  w.i64(BigInt.asIntN(64, MULTIPLIER));
  w.op('i64.mul');
  w.tee(HASH);
  w.get(HASH);
  w.i64(32n);
  w.op('i64.shr_u', 'i64.xor');
  w.set(HASH);
  w.get(ADDRESS);
  w.i32(8);
  w.op('i32.add');
  w.set(ADDRESS);
  w.get(REST);
  w.i32(8);
  w.op('i32.sub');
  w.tee(REST);
  w.branchIf('next');
  w.close();
  w.get(HASH);
  module.add(w, { parameters: ['i32', 'i32', 'i64'], results: ['i64'] });
}
