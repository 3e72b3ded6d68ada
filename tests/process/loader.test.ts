/** `#!` lines, header checks, and the first stack of a program. */
import tap from 'tap';
import { GuestMemory } from '../../runtime/memory/guest-memory.js';
import { isGuestElf, readElfHeader, readProgramHeaders } from '../../runtime/loader/elf.js';
import { type LoadError } from '../../runtime/loader/load-error.js';
import { parseScriptLine } from '../../runtime/loader/program-file.js';
import { AuxiliaryType, checkArgumentSize, writeInitialStack } from '../../runtime/loader/stack.js';
import { Errno } from '../../runtime/linux/constants/errno.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

void tap.test('script lines', (t) => {
  const parse = (line: string): [string, string | undefined] | undefined => {
    const found = parseScriptLine(bytes(line));
    return (
      found && [new TextDecoder().decode(found.interpreter), found.argument && new TextDecoder().decode(found.argument)]
    );
  };
  t.same(parse('#!/bin/sh\n'), ['/bin/sh', undefined]);
  t.same(parse('#! /usr/bin/env  python3 -u \nx'), ['/usr/bin/env', 'python3 -u']);
  t.same(parse('#!/bin/sh'), ['/bin/sh', undefined], 'a line without an end');
  t.equal(parse('#!\n'), undefined);
  t.equal(parse('#!   \n'), undefined);
  t.equal(parse('echo'), undefined);
  t.equal(parseScriptLine(bytes(`#!/${'x'.repeat(300)}`).subarray(0, 256)), undefined, 'a name that is cut off');
  t.end();
});

function header(change: (view: DataView) => void = () => undefined): Uint8Array {
  const view = new DataView(new ArrayBuffer(84));
  [0x7f, 0x45, 0x4c, 0x46, 1, 1, 1].forEach((byte, index) => view.setUint8(index, byte));
  view.setUint16(16, 2, true);
  view.setUint16(18, 3, true);
  view.setUint32(28, 52, true);
  view.setUint16(42, 32, true);
  view.setUint16(44, 1, true);
  change(view);
  return new Uint8Array(view.buffer);
}

void tap.test('ELF headers', (t) => {
  t.ok(isGuestElf(header()));
  t.equal(readElfHeader(header(), 'x').programHeaderCount, 1);
  const refuses = (file: Uint8Array, message: RegExp): void => {
    t.throws(() => readElfHeader(file, '/p'), { message, exitStatus: 126 });
  };
  refuses(bytes('hello'), /not an ELF file/);
  refuses(header().subarray(0, 30), /truncated/);
  refuses(
    header((view) => view.setUint16(18, 62, true)),
    /x86_64/,
  );
  refuses(
    header((view) => view.setUint16(18, 40, true)),
    /ARM/,
  );
  refuses(
    header((view) => view.setUint16(44, 0xffff, true)),
    /65535 program headers/,
  );
  refuses(
    header((view) => view.setUint16(44, 0, true)),
    /0 program headers/,
  );
  refuses(
    header((view) => view.setUint16(42, 31, true)),
    /wrong size/,
  );
  refuses(
    header((view) => view.setUint16(16, 1, true)),
    /no program/,
  );
  t.throws(() => readProgramHeaders(new Uint8Array(10), readElfHeader(header(), '/p'), '/p'), {
    message: /missing/,
  });
  t.end();
});

void tap.test('the first stack', (t) => {
  const memory = new GuestMemory();
  const top = 0x20000;
  const args = ['prog', 'one', ''];
  const environment = ['A=1', 'LONG=' + 'x'.repeat(100)];
  const sp = writeInitialStack(memory, top, 8 << 20, {
    execPath: bytes('/bin/prog'),
    arguments: args.map(bytes),
    environment: environment.map(bytes),
    ids: { userId: 1, effectiveUserId: 1, groupId: 2, effectiveGroupId: 3 },
    random: new Uint8Array(16).fill(0xaa),
    hardwareCapabilities: 0x1234,
    programHeaders: 0x8048034,
    programHeaderCount: 7,
    interpreterBase: 0xf7000000,
    entry: 0x8049000,
  });
  const word = (address: number): number => memory.view.getUint32(address, true);
  const text = (address: number): string => {
    const end = memory.u8.indexOf(0, address);
    return new TextDecoder().decode(memory.u8.slice(address, end));
  };
  t.equal(sp % 16, 0, 'aligned as the ABI asks');
  t.equal(word(sp), 3);
  t.same(
    [0, 1, 2].map((index) => text(word(sp + 4 + index * 4))),
    args,
  );
  t.equal(word(sp + 16), 0);
  t.same(
    [0, 1].map((index) => text(word(sp + 20 + index * 4))),
    environment,
  );
  t.equal(word(sp + 28), 0);
  const vector = new Map<number, number>();
  let at = sp + 32;
  for (; word(at) !== AuxiliaryType.AT_NULL; at += 8) vector.set(word(at), word(at + 4));
  t.equal(text(vector.get(AuxiliaryType.AT_EXECFN)!), '/bin/prog');
  t.equal(vector.get(AuxiliaryType.AT_EXECFN)! + '/bin/prog'.length + 1 + 8, top, 'right below the final null pointer');
  t.equal(text(vector.get(AuxiliaryType.AT_PLATFORM)!), 'i686');
  t.equal(word(vector.get(AuxiliaryType.AT_RANDOM)!), 0xaaaaaaaa);
  t.equal(vector.get(AuxiliaryType.AT_PHNUM), 7);
  t.equal(vector.get(AuxiliaryType.AT_SECURE), 1);
  t.equal(vector.get(AuxiliaryType.AT_PAGESZ), 4096);
  t.end();
});

void tap.test('arguments that are too long', (t) => {
  t.doesNotThrow(() => checkArgumentSize([[new Uint8Array(131071)]], 8 << 20));
  for (const strings of [[new Uint8Array(131072)], Array.from({ length: 60 }, () => new Uint8Array(100000))]) {
    try {
      checkArgumentSize([strings], 8 << 20);
      t.fail('no error');
    } catch (error) {
      t.equal((error as LoadError).errno, Errno.E2BIG);
    }
  }
  t.end();
});
