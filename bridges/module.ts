/**
 * Bridges that a program's user writes: a module (`--bridge-module FILE`) whose default export is one declaration of a library, as
 * `declareLibrary` takes it, or several. With the soname '' it stands for the program itself, of which any function can be
 * replaced that its symbol table names.
 *
 *   export default {
 *     name: 'mine', soname: 'libm.so.6', description: 'faster',
 *     written: { 'double cbrt(double x)': () => Math.cbrt },
 *   };
 *
 * What a declaration's `written` gives for a function is called once, with the context (`BridgeContext`: guest memory, `original`
 * and `callGuest` among others), and gives the function that guest code calls.
 */
import { type BridgedLibrary, declareLibrary, type LibraryDeclaration } from './library.js';
import { libraries } from './libraries/index.js';

/** A module that is none of bridges; the message says why. */
export class ModuleError extends Error {}

/**
 * The libraries that a module declares.
 * @param exported the module's namespace
 * @throws ModuleError
 */
export function moduleLibraries(file: string, exported: unknown): BridgedLibrary[] {
  const given = (exported as { default?: unknown } | undefined)?.default;
  const list = Array.isArray(given) ? (given as unknown[]) : [given];
  return list.map((one) => {
    const { name, soname } = (one ?? {}) as Partial<LibraryDeclaration>;
    if (typeof name !== 'string' || !/^\w+$/.test(name) || typeof soname !== 'string') {
      throw new ModuleError(`${file}: the default export is no declaration of a library (name, soname, written)`);
    }
    if (libraries().some((library) => library.name === name)) {
      throw new ModuleError(`${file}: there is a library ${name} already: take another name`);
    }
    try {
      return declareLibrary({ callsGuest: true, ...(one as LibraryDeclaration) });
    } catch (error) {
      throw new ModuleError(`${file}: ${(error as Error).message}`);
    }
  });
}
