/**
 * The interpreter's handlers as the build writes them over this file's compiled form (`build-handlers.ts`): per declaration
 * a function that gives handlers by form. Empty here: without them each handler is made when it is first needed.
 */
import type { Handler } from './operation.js';

export const generatedHandlers: readonly (() => Readonly<Record<number, Handler>>)[] = [];
