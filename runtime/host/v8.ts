/**
 * What only V8 itself can do: its flags, and the machine code of WebAssembly modules. Node's module for them (node:v8) loads so much else that it costs a short program more than all
 * that its flags gain, so V8's own function is called, which Node exports for addons.
 */
import { createRequire } from 'node:module';
import koffi from 'koffi';

type SetFlag = (flag: string) => void;

/** `v8::V8::SetFlagsFromString(const char *)`. */
const SYMBOL = '_ZN2v82V818SetFlagsFromStringEPKc';

let setFlag: SetFlag | undefined;

export function setV8Flag(flag: string): void {
  setFlag ??= bind();
  setFlag(flag);
}

/** A function that calls one of V8's own (src/runtime/runtime-test-wasm.cc), which only code that is compiled under a flag may do. */
function intrinsic(parameters: string, call: string): (...args: unknown[]) => unknown {
  setV8Flag('--allow-natives-syntax');
  try {
    return new Function(parameters, `return %${call}`) as (...args: unknown[]) => unknown;
  } catch {
    return () => undefined;
  } finally {
    setV8Flag('--no-allow-natives-syntax');
  }
}

type Serialize = (module: WebAssembly.Module) => ArrayBuffer | undefined;
type Deserialize = (native: ArrayBuffer, bytes: Uint8Array<ArrayBuffer>) => WebAssembly.Module | undefined;

let serialize: Serialize | undefined;
let deserialize: Deserialize | undefined;

/** What V8's optimising compiler has made of a module's functions; undefined where this V8 does not give it. */
export function machineCodeOf(module: WebAssembly.Module): ArrayBuffer | undefined {
  serialize ??= intrinsic('module', 'SerializeWasmModule(module)') as Serialize;
  return serialize(module);
}

/**
 * A module of bytes that need not be compiled.
 * @param native what `machineCodeOf` gave for a module of the same bytes; it is not checked
 * @returns undefined where the code was made by another V8, under other flags or for another processor
 */
export function moduleOfMachineCode(
  native: ArrayBuffer,
  bytes: Uint8Array<ArrayBuffer>,
): WebAssembly.Module | undefined {
  deserialize ??= intrinsic('native, bytes', 'DeserializeWasmModule(native, bytes)') as Deserialize;
  return deserialize(native, bytes);
}

function bind(): SetFlag {
  try {
    return koffi.load(null).func(`void ${SYMBOL}(const char *)`) as SetFlag;
  } catch {
    // A Node that keeps its symbols to itself.
    return (createRequire('/')('node:v8') as { setFlagsFromString: SetFlag }).setFlagsFromString;
  }
}
