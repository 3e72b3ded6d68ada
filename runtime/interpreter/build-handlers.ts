/**
 * Build step: writes the handlers of all common instruction forms as one module, so that no start of the emulator has to
 * make them. The names that they use (S, M, P, helpers) are found at script scope, where the first machine's environment
 * declares them (`runtime/engine/environment.ts`).
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DecodedInstruction } from '../../translator/decode/decoder.js';
import { parseEncoding } from '../../translator/decode/encoding.js';
import { emitHandler, handlerForm, handlerKey } from '../../translator/emit/handler.js';
import { declarations } from '../../translator/isa/index.js';
import type { Declaration } from '../../translator/isa/declare.js';

/** The forms of a declaration that programs use: 32-bit addresses, no segment where the handler would depend on it. */
function* commonForms(declaration: Declaration): Generator<DecodedInstruction> {
  const candidate = parseEncoding(declaration)[0]!;
  const { shapes, form, prefix } = candidate;
  const takesMemory = shapes.some((shape) => shape.from === 'rm' || shape.from === 'moffs') || form === 'memory';
  const memoryForms = !candidate.hasModRm || form === 'register' ? [false] : form === 'memory' ? [true] : [false, true];
  const operandSizes = prefix === '66' ? [16 as const] : prefix === 'none' ? [32 as const] : [32 as const, 16 as const];
  const repeats = declaration.options.string ? (['none', 'rep', 'repne'] as const) : (['none'] as const);
  for (const operandSize of operandSizes) {
    for (const memory of memoryForms) {
      for (const repeat of repeats) {
        for (const lock of declaration.options.lock && memory && takesMemory ? [false, true] : [false]) {
          yield {
            declaration,
            shapes,
            pc: 0,
            length: 1,
            memory,
            reg: 0,
            rm: 0,
            opcodeRegister: 0,
            base: -1,
            index: -1,
            scale: 0,
            displacement: 0,
            immediate: 0,
            immediate2: 0,
            operandSize,
            addressSize: 32,
            repeat,
            lock,
            segment: -1,
          };
        }
      }
    }
  }
}

const entries = declarations.map((declaration) => {
  const handlers = new Map<number, string>();
  for (const instruction of commonForms(declaration)) {
    handlers.set(handlerForm(handlerKey(instruction)), emitHandler(instruction));
  }
  const text = [...handlers].map(([form, source]) => `${form}: ${source}`).join(',\n');
  return `// ${declaration.mnemonic} ${declaration.encoding}\n() => ({\n${text}\n})`;
});
const text = `// Written by build-handlers.js.\nexport const generatedHandlers = [\n${entries.join(',\n')}\n];\n`;
writeFileSync(fileURLToPath(new URL('handlers.generated.js', import.meta.url)), text);
