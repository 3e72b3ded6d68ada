/**
 * Flags of the V8 that runs this. Node's module for them (node:v8) loads so much else that it costs a short program more than all
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

function bind(): SetFlag {
  try {
    return koffi.load(null).func(`void ${SYMBOL}(const char *)`) as SetFlag;
  } catch {
    // A Node that keeps its symbols to itself.
    return (createRequire('/')('node:v8') as { setFlagsFromString: SetFlag }).setFlagsFromString;
  }
}
