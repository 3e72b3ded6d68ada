/**
 * The names that generated code may use, as script-scope constants: V8 folds their base addresses into the code, which it
 * does not do for closure variables or parameters. The first machine of a process takes the main context, further ones get
 * a context of their own, so that the same source text serves all.
 */
import vm from 'node:vm';
import { Page } from '../../translator/pages.js';
import { SPLIT_LOCK_ADDRESS } from '../../translator/state.js';
import type { CpuState } from '../cpu/cpu-state.js';
import * as arithmetic from '../helpers/arithmetic.js';
import { createSimdHelpers } from '../helpers/simd/index.js';
import { createSystemHelpers, type SystemHelperOptions } from '../helpers/system.js';
import { createX87Helpers } from '../helpers/x87/index.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { pageFault } from '../memory/trap.js';

export type Helper = (...args: number[]) => number;

export interface Environment {
  /** Compiles and runs a script at this machine's script scope; gives its completion value. */
  evaluate(source: string, filename: string): unknown;
  /** Declares a name at script scope, once. */
  declare(name: string, value: unknown): void;
  /** The function that generated code means by a name; undefined where it may not call such a thing. */
  helper(name: string): Helper | undefined;
  /** The names are declared in the main context. */
  readonly isMain: boolean;
}

let mainContextTaken = false;

/** Checked accesses for handlers. They throw `GuestTrap`. */
function accessors(checkedStores: boolean): string {
  /** Where every store is to be seen, also those that read first, no page spares the check. */
  const unless = (pages: string): string => (checkedStores ? '' : `if ((${pages} & ${Page.write}) === 0) `);
  return `
function ld8(a) {
  if ((P[a >>> 12] & ${Page.read}) === 0) readFault(a, 1);
  return M8[a >>> 0];
}
function ld16(a) {
  if ((P[a >>> 12] & P[a + 1 >>> 12] & ${Page.read}) === 0) readFault(a, 2);
  return (a & 1) === 0 ? M16[a >>> 1] : M.getUint16(a >>> 0, true);
}
function ld32(a) {
  if ((P[a >>> 12] & P[a + 3 >>> 12] & ${Page.read}) === 0) readFault(a, 4);
  return (a & 3) === 0 ? M32[a >>> 2] : M.getInt32(a >>> 0, true);
}
function ld8w(a) {
  ${unless('P[a >>> 12]')}updateFault(a, 1);
  return M8[a >>> 0];
}
function ld16w(a) {
  ${unless('P[a >>> 12] & P[a + 1 >>> 12]')}updateFault(a, 2);
  return (a & 1) === 0 ? M16[a >>> 1] : M.getUint16(a >>> 0, true);
}
function ld32w(a) {
  ${unless('P[a >>> 12] & P[a + 3 >>> 12]')}updateFault(a, 4);
  return (a & 3) === 0 ? M32[a >>> 2] : M.getInt32(a >>> 0, true);
}
function st8(a, v) {
  ${unless('P[a >>> 12]')}storeFault(a, 1);
  M8[a >>> 0] = v;
}
function st16(a, v) {
  ${unless('P[a >>> 12] & P[a + 1 >>> 12]')}storeFault(a, 2);
  if ((a & 1) === 0) M16[a >>> 1] = v;
  else M.setInt16(a >>> 0, v, true);
}
function st32(a, v) {
  ${unless('P[a >>> 12] & P[a + 3 >>> 12]')}storeFault(a, 4);
  if ((a & 3) === 0) M32[a >>> 2] = v;
  else M.setInt32(a >>> 0, v, true);
}
function compareExchange8(a, old, v) {
  return Atomics.compareExchange(M8, a >>> 0, old, v) === old ? 0 : 1;
}
function compareExchange16(a, old, v) {
  if ((a & 1) !== 0) return splitExchange(a, 2, old, v);
  return Atomics.compareExchange(M16, a >>> 1, old, v) === old ? 0 : 1;
}
function compareExchange32(a, old, v) {
  if ((a & 3) !== 0) return splitExchange(a, 4, old, v);
  return Atomics.compareExchange(M32, a >>> 2, old, v) === old ? 0 : 1;
}
function splitExchange(a, size, old, v) {
  while (Atomics.compareExchange(SPLIT_LOCK, 0, 0, 1) !== 0);
  const same = size === 2 ? M.getUint16(a >>> 0, true) === old : M.getInt32(a >>> 0, true) === old;
  if (same && size === 2) M.setInt16(a >>> 0, v, true);
  else if (same) M.setInt32(a >>> 0, v, true);
  Atomics.store(SPLIT_LOCK, 0, 0);
  return same ? 0 : 1;
}
`;
}

export interface EnvironmentOptions extends SystemHelperOptions {
  /** The names are never declared in the main context, which would keep them for ever. */
  readonly ownContext?: boolean;
}

export function createEnvironment(cpu: CpuState, memory: GuestMemory, options: EnvironmentOptions): Environment {
  const constants: Record<string, unknown> = {
    S: cpu.i32,
    S8: cpu.u8,
    S16: cpu.u16,
    M: memory.view,
    M8: memory.u8,
    M16: new Uint16Array(memory.buffer),
    M32: new Int32Array(memory.buffer),
    SPLIT_LOCK: new Int32Array(memory.buffer, SPLIT_LOCK_ADDRESS, 1),
    P: memory.pages,
    readFault: (address: number, size: number): void => {
      memory.checkRead(address, size);
      if (memory.watch?.isWatched(address, size, false)) return;
      // Only an access that wraps around the end of memory comes here.
      throw pageFault(address, false, false);
    },
    storeFault: (address: number, size: number): void => {
      memory.willWrite(address, size);
    },
    /** A read that a write of the same memory follows. */
    updateFault: (address: number, size: number): void => {
      memory.checkWrite(address, size);
      memory.watch?.note(address, size, false);
      memory.watch?.note(address, size, true);
    },
    ...arithmetic,
    ...createSystemHelpers(cpu, memory, options),
    ...createX87Helpers(cpu),
    ...createSimdHelpers(cpu),
  };
  const names = Object.keys(constants);
  const isMain = !mainContextTaken && options.ownContext !== true;
  const run: (source: string, filename: string) => unknown = !isMain
    ? (
        (context) => (source: string, filename: string) =>
          vm.runInContext(source, context, { filename })
      )(vm.createContext({}))
    : (source, filename) => vm.runInThisContext(source, { filename });
  if (isMain) mainContextTaken = true;
  const install = run(
    `let bridge86Constants; (function (constants) { bridge86Constants = constants; })`,
    'bridge86:install',
  ) as (constants: Record<string, unknown>) => void;
  install(constants);
  const functions = accessors(options.checkedStores === true);
  run(
    `const { ${names.join(', ')} } = bridge86Constants; bridge86Constants = undefined;${functions}`,
    'bridge86:environment',
  );
  const declared = new Set([...names, ...Array.from(functions.matchAll(/^function (\w+)/gm), ([, name]) => name!)]);
  const declare = (name: string, value: unknown): void => {
    if (declared.has(name)) return;
    declared.add(name);
    install({ [name]: value });
    run(`const { ${name} } = bridge86Constants; bridge86Constants = undefined;`, 'bridge86:declare');
  };
  const helpers = new Map<string, Helper>();
  const helper = (name: string): Helper | undefined => {
    let found = helpers.get(name);
    if (!found && declared.has(name)) {
      const value = run(name, 'bridge86:helper');
      if (typeof value === 'function') helpers.set(name, (found = value as Helper));
    }
    return found;
  };
  return { evaluate: run, declare, helper, isMain };
}
