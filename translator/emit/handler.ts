/**
 * The interpreter's handlers: for each form of an instruction one JavaScript function of an operation `o`, made from the
 * same lifting function that translation uses. A form is what a handler's text depends on; registers, immediates and
 * addresses are fields of the operation.
 */
import type { DecodedInstruction } from '../decode/decoder.js';
import { Builder } from '../ir/builder.js';
import { variables } from '../ir/ir.js';
import { liftInstruction } from '../lift/lift.js';
import { Segment, State } from '../state.js';
import { JavaScriptEmitter, strip, type Target } from './javascript.js';

/** Two instructions with the same key can share a handler. */
export function handlerKey(instruction: DecodedInstruction): number {
  // Every bridge has a handler of its own, that no build makes.
  if (instruction.bridge) return -1 - instruction.bridge.index;
  const { declaration } = instruction;
  // Only string instructions and xlat are lifted with their segment, and only string instructions with their repeat; an
  // operand in the code segment cannot be written.
  const stringLike = declaration.options.string !== undefined || declaration.mnemonic === 'xlat';
  const segment = stringLike || instruction.segment === Segment.cs ? instruction.segment + 1 : 0;
  const repeat = stringLike ? (instruction.repeat === 'none' ? 0 : instruction.repeat === 'rep' ? 1 : 2) : 0;
  return (
    (((((declaration.id * 8 + segment) * 4 + repeat) * 2 + (instruction.addressSize === 16 ? 1 : 0)) * 2 +
      (instruction.operandSize === 16 ? 1 : 0)) *
      2 +
      (instruction.memory ? 1 : 0)) *
      2 +
    (instruction.lock ? 1 : 0)
  );
}

/** The part of a key that tells forms of one declaration apart. */
export function handlerForm(key: number): number {
  return key % 512;
}

const handlerTarget: Target = {
  variable: (variable) => `S[${variables[variable] >> 2}]`,
  leave: (_, vector) => `raise(${vector});`,
  sharesMemory: true,
  again: () => 'continue;',
  throwing: true,
  writeBack: [],
  reload: [],
};

/** Source of the handler: a function expression of one parameter `o`. */
export function emitHandler(instruction: DecodedInstruction): string {
  const b = new Builder(true);
  liftInstruction(b, instruction);
  const emitter = new JavaScriptEmitter(handlerTarget);
  const isAtomic = b.statements.some((statement) => statement.kind === 'store' && statement.atomic);
  if (isAtomic) emitter.line('for (;;) {');
  const terminator = emitter.block(b.statements);
  const eip = `S[${State.eip >> 2}]`;
  if (terminator?.kind === 'jump') {
    emitter.line(`${eip} = ${strip(emitter.integer(terminator.target))};`);
  } else if (terminator?.kind === 'branch') {
    const condition = emitter.condition(terminator.condition);
    emitter.line(
      `${eip} = ${condition} ? ${emitter.integer(terminator.taken)} : ${emitter.integer(terminator.notTaken)};`,
    );
  } else if (terminator?.kind === 'stop') {
    emitter.line(`S[${State.exitDetail >> 2}] = ${strip(emitter.integer(terminator.detail))};`);
    emitter.line(`${eip} = ${strip(emitter.integer(terminator.eip))};`);
    emitter.line(`S[${State.exit >> 2}] = ${terminator.reason};`);
  }
  if (isAtomic) emitter.line('return; }');
  const name = instruction.declaration.mnemonic.replace(/[^a-z0-9]/gi, '_');
  // A helper may have the mnemonic's name, and is called within.
  return `function ${name}_handler(o) {\n${emitter.lines.join('\n')}\n}`;
}
