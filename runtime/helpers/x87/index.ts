/**
 * The x87 unit's instructions as functions over a CPU state, for the interpreter and generated code to call by name. Register
 * arguments are stack positions (0 = ST(0)); `slot` and `image` are byte offsets in the state block, 4-byte aligned, where the lifter puts memory
 * operands and finds stored bytes.
 */
import type { StateViews } from '../../cpu/cpu-state.js';
import { createArithmeticHelpers } from './arithmetic-helpers.js';
import { createEnvironmentHelpers } from './environment-helpers.js';
import { RegisterStack } from './register-stack.js';
import { createTranscendentalHelpers } from './transcendental-helpers.js';
import { createTransferHelpers } from './transfer-helpers.js';

export function createX87Helpers(state: StateViews) {
  const stack = new RegisterStack(state);
  return {
    ...createArithmeticHelpers(stack),
    ...createTransferHelpers(stack),
    ...createTranscendentalHelpers(stack),
    ...createEnvironmentHelpers(stack),
  };
}

export type X87Helpers = ReturnType<typeof createX87Helpers>;
