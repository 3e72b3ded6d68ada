/** The modules that `--bridge-module` names, loaded before the guest starts: nothing turns the event loop afterwards. */
import { pathToFileURL } from 'node:url';
import type { BridgedLibrary } from '../../bridges/library.js';
import { moduleLibraries, ModuleError } from '../../bridges/module.js';
import { ExitStatus, Failure } from './failure.js';

export async function loadBridgeModules(
  files: readonly string[],
  importModule: (url: string) => Promise<unknown>,
): Promise<BridgedLibrary[]> {
  const libraries: BridgedLibrary[] = [];
  for (const file of files) {
    let exported: unknown;
    try {
      exported = await importModule(pathToFileURL(Buffer.from(file, 'latin1').toString('utf8')).href);
    } catch (error) {
      throw new Failure(`${file}: ${(error as Error).message}`, ExitStatus.usage);
    }
    try {
      libraries.push(...moduleLibraries(file, exported));
    } catch (error) {
      if (error instanceof ModuleError) throw new Failure(error.message, ExitStatus.usage);
      throw error;
    }
  }
  return libraries;
}
