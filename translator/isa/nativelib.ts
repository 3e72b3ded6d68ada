/**
 * The nativelib cookie as an instruction. Processors have none at 0F 3C; where the process has bridges, the two codes behind
 * it name a host function, which is called with the arguments on the guest's stack, and the guest's call returns.
 */
import { DECLINED } from '../bridge.js';
import { State, Trap } from '../state.js';
import { instruction } from './declare.js';

instruction('nativelib', '0F 3C', [], { ends: true, cookie: true, nondeterministic: true }, (b, _, { bridge }) => {
  if (!bridge) {
    b.guard(b.const(1), Trap.invalidOpcode);
    b.jump(b.nextAddress());
    return;
  }
  const esp = b.get('esp');
  // Before the call: whatever faults must do so while nothing is done.
  const returnAddress = b.load(esp, 32);
  if (bridge.callsGuest) b.write(State.bridgeStack, esp);
  const result = b.bridge(bridge, b.add(esp, b.const(4)));
  if (bridge.result === 'i32' || bridge.result === 'i64') b.put('eax', result);
  if (bridge.result === 'i64') b.put('edx', b.read(State.bridgeHigh));
  const after = b.add(esp, b.const(4));
  if (bridge.original === undefined) {
    b.put('esp', after);
    b.jump(returnAddress, 'return');
    return;
  }
  // The original finds the stack as it was. eax is nobody's at a function's begin.
  const declined = b.eq(result, b.const(DECLINED));
  b.put('esp', b.select(declined, esp, after));
  b.jump(b.select(declined, b.const(bridge.original), returnAddress), 'return');
});
