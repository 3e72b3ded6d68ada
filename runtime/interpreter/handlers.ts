/** Finds or makes the handler of an instruction's form. */
import type { DecodedInstruction } from '../../translator/decode/decoder.js';
import { emitHandler, handlerForm, handlerKey } from '../../translator/emit/handler.js';
import type { Environment } from '../engine/environment.js';
import { generatedHandlers } from './handlers.generated.js';
import type { Handler } from './operation.js';

export class HandlerTable {
  private readonly handlers = new Map<number, Handler>();
  private readonly loaded: (Readonly<Record<number, Handler>> | undefined)[] = [];

  constructor(private readonly environment: Environment) {}

  handlerFor(instruction: DecodedInstruction): Handler {
    const key = handlerKey(instruction);
    let handler = this.handlers.get(key);
    if (!handler) {
      handler =
        this.generated(instruction, key) ??
        (this.environment.evaluate(`(${emitHandler(instruction)})`, 'bridge86:handler') as Handler);
      this.handlers.set(key, handler);
    }
    return handler;
  }

  /** The handler that the build made, if it did; those find their names in the main context only. */
  private generated(instruction: DecodedInstruction, key: number): Handler | undefined {
    if (!this.environment.isMain) return undefined;
    const { id } = instruction.declaration;
    return (this.loaded[id] ??= generatedHandlers[id]?.() ?? {})[handlerForm(key)];
  }
}
