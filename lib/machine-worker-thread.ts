/** The Worker of a `MachineWorker`: a machine, and the thread that made it asking for things, also while a listener there is called. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { failureOf } from './control/protocol.js';
import type { Cell, WrittenArgument } from './guest-arguments.js';
import type { Hook, HookListeners } from './hooks.js';
import { GuestError, Snapshot, type RunResult } from './machine-types.js';
import { Machine } from './machine.js';
import {
  ControlWord,
  Stop,
  type FromWorker,
  type RemoteMethods,
  type ToWorker,
  type WorkerStart,
} from './machine-worker-protocol.js';

const { options, control } = workerData as WorkerStart;
const port = parentPort!;
const machine = new Machine(options);
const hooks = new Map<number, Hook>();

class ListenerError extends Error {}

const isStopped = (): boolean => Atomics.load(control, ControlWord.stop) !== Stop.none;
const pending = machine.interruptible(isStopped);

const methods: RemoteMethods = {
  start: () => pending,
  map: (address, length, protection) => machine.map(address, length, protection),
  unmap: (address, length) => machine.unmap(address, length),
  protect: (address, length, protection) => machine.protect(address, length, protection),
  mappings: () => machine.mappings,
  read: (address, length) => machine.read(address, length),
  write: (address, bytes) => machine.write(address, bytes),
  readString: (address, limit) => machine.readString(address, limit),
  getRegisters: (names) => Object.fromEntries(names.map((name) => [name, machine.registers.get(name)])),
  setRegisters(values) {
    for (const [name, value] of Object.entries(values)) machine.registers.set(name as 'eax', value);
  },
  run(how) {
    try {
      const result: RunResult = machine.run(how);
      if (result.reason !== 'stop') return result;
      return { reason: Atomics.load(control, ControlWord.stop) === Stop.abort ? 'abort' : 'stop' };
    } finally {
      Atomics.store(control, ControlWord.stop, Stop.none);
    }
  },
  callFunction(address, how, args) {
    const value =
      typeof how === 'string'
        ? machine.function(address, how)(...args)
        : machine.function(address, how)(...(args as (number | bigint)[]));
    // Bytes and cells came as copies, which the call has written to.
    const written = args.flatMap((argument, index): WrittenArgument[] => {
      if (argument instanceof Uint8Array) return [{ index, value: argument }];
      return typeof argument === 'object' && argument !== null ? [{ index, value: (argument as Cell).value }] : [];
    });
    return { value, written };
  },
  callback: (listener, how) => machine.callback((...args) => ask(listener, args) as number, how),
  hook(kind, listener, range) {
    const tell = (...event: unknown[]): unknown => ask(listener, event);
    hooks.set(listener, machine.hook(kind, tell as HookListeners[typeof kind], range));
  },
  unhook(listener) {
    hooks.get(listener)?.remove();
    hooks.delete(listener);
  },
  save: () => machine.save().serialize(),
  restore: (snapshot) => machine.restore(Snapshot.deserialize(snapshot)),
  disassemble: (address, length) => machine.disassemble(address, length),
  translate: (address, length, language) => machine.translate(address, length, language),
  statistics: () => ({ ...machine.statistics }),
};

function send(message: FromWorker): void {
  port.postMessage(message);
}

function perform(id: number, method: keyof RemoteMethods, args: unknown[]): void {
  try {
    send({ type: 'reply', id, value: (methods[method] as (...args: unknown[]) => unknown)(...args) });
  } catch (error) {
    const failure = {
      ...failureOf(error),
      ofListener: error instanceof ListenerError,
      ...(error instanceof GuestError ? { result: error.result } : {}),
    };
    send({ type: 'reply', id, value: undefined, failure });
  }
}

/** Tells of an event and does what the other thread asks for until it has answered. */
function ask(listener: number, event: readonly unknown[]): unknown {
  send({ type: 'event', listener, event });
  for (;;) {
    const seen = Atomics.load(control, ControlWord.messages);
    const received = receiveMessageOnPort(port) as { message: ToWorker } | undefined;
    if (!received) {
      Atomics.wait(control, ControlWord.messages, seen);
      continue;
    }
    const { message } = received;
    if (message.type === 'request') perform(message.id, message.method, message.args);
    else if (message.hasThrown) throw new ListenerError('a listener has thrown');
    else {
      // `stop` of a listener acts before the instruction.
      if (isStopped()) machine.stop();
      return message.value;
    }
  }
}

port.on('message', (message: ToWorker) => {
  if (message.type === 'request') perform(message.id, message.method, message.args);
});
