/** Finds or makes the handler of an instruction's form. */
import type { DecodedInstruction } from '../../translator/decode/decoder.js';
import { emitHandler, handlerKey } from '../../translator/emit/handler.js';
import type { Environment } from '../engine/environment.js';
import type { Handler } from './operation.js';

export class HandlerTable {
  private readonly handlers = new Map<number, Handler>();

  constructor(private readonly environment: Environment) {}

  handlerFor(instruction: DecodedInstruction): Handler {
    const key = handlerKey(instruction);
    let handler = this.handlers.get(key);
    if (!handler) {
      handler = this.environment.evaluate(`(${emitHandler(instruction)})`, 'bridge86:handler') as Handler;
      this.handlers.set(key, handler);
    }
    return handler;
  }
}
