/**
 * Functions of the host as guest functions: each gets an address, and the engine calls it in the place of code there, with the
 * arguments on the guest's stack (cdecl). Generated code calls it directly.
 */
import type { BridgeFunction, EngineBridges } from '../runtime/engine/index.js';
import type { CpuState } from '../runtime/cpu/cpu-state.js';
import { GuestTrap } from '../runtime/memory/trap.js';
import type { GuestMemory } from '../runtime/memory/guest-memory.js';
import type { BridgeCall, BridgeType } from '../translator/bridge.js';
import { Page, PAGE_SHIFT } from '../translator/pages.js';
import { State, Trap } from '../translator/state.js';
import type { ValueType } from './functions.js';

export interface CallbackOptions {
  /** Types of the arguments; none where this is missing. 64-bit integers are bigints. */
  readonly parameters?: readonly ValueType[];
  /** Default: void. */
  readonly result?: ValueType | 'void';
}

export type Callback = (...args: (number | bigint)[]) => number | bigint | undefined;

/** Above all that guests can map. */
const FIRST_ADDRESS = 0xffff0000;
const LAST_ADDRESS = 0xffffeff0;
/** Room that each address has for itself. */
const SPACING = 16;

const BRIDGE_TYPES: Readonly<Record<ValueType, BridgeType>> = {
  i32: 'i32',
  u32: 'i32',
  i64: 'i64',
  u64: 'i64',
  f32: 'f32',
  f64: 'f64',
};

export class Callbacks implements EngineBridges {
  private readonly calls = new Map<number, BridgeCall>();
  private readonly functions = new Map<BridgeCall, BridgeFunction>();
  /** What a function threw: it comes out of the run as soon as the guest's state is in order. */
  private thrown: { error: unknown } | undefined;

  constructor(
    private readonly memory: GuestMemory,
    private readonly cpu: CpuState,
  ) {}

  /** The address at which the guest calls the function. */
  add(callback: Callback, { parameters = [], result = 'void' }: CallbackOptions): number {
    const index = this.calls.size;
    const address = FIRST_ADDRESS + SPACING * index;
    if (address > LAST_ADDRESS) throw new RangeError('there are too many callbacks');
    const call: BridgeCall = {
      name: `callback_${index}`,
      index,
      parameters: parameters.map((type) => BRIDGE_TYPES[type]),
      result: result === 'void' ? 'void' : BRIDGE_TYPES[result],
      canFault: true,
    };
    this.memory.pages[address >>> PAGE_SHIFT] = Page.mapped | Page.execute;
    this.calls.set(address | 0, call);
    this.functions.set(call, this.wrap(callback, parameters, result));
    return address;
  }

  at(address: number): BridgeCall | undefined {
    return this.calls.get(address);
  }
  byCode(): undefined {
    return undefined;
  }
  damagedCookie(): void {
    // Guests of machines know nothing of cookies.
  }
  implementation(call: BridgeCall): BridgeFunction {
    return this.functions.get(call)!;
  }
  fault(): GuestTrap {
    const { thrown } = this;
    this.thrown = undefined;
    if (thrown) throw thrown.error;
    return new GuestTrap(Trap.invalidOpcode);
  }

  private wrap(callback: Callback, parameters: readonly ValueType[], result: ValueType | 'void'): BridgeFunction {
    const s = this.cpu.i32;
    return (...words) => {
      // Generated code has left because of it; the interpreter makes the call again.
      if (this.thrown) return undefined;
      try {
        let at = 0;
        const args = parameters.map((type) => {
          const low = words[at++]!;
          if (type === 'u32') return low >>> 0;
          if (type !== 'i64' && type !== 'u64') return low;
          const value = (BigInt(words[at++]!) << 32n) | BigInt(low >>> 0);
          return type === 'i64' ? value : BigInt.asUintN(64, value);
        });
        const value = callback(...args);
        if (result === 'i64' || result === 'u64') {
          const wide = BigInt.asIntN(64, BigInt(value ?? 0));
          s[State.bridgeHigh >> 2] = Number(wide >> 32n);
          return Number(BigInt.asIntN(32, wide));
        }
        const number = Number(value ?? 0);
        return result === 'f64' ? number : result === 'f32' ? Math.fround(number) : number | 0;
      } catch (error) {
        this.thrown = { error };
        return undefined;
      }
    };
  }
}
