/**
 * Bridged threads: the process suite's programs of many threads with libpthread and librt bridged, where they must print what they
 * print natively; and what threads of one process tell one another of bridges.
 */
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tap from 'tap';
import { DECLINED } from '../../translator/bridge.js';
import { Bridges } from '../../bridges/bridges.js';
import { codeOf } from '../../bridges/codes.js';
import { readSharedLibrary } from '../../bridges/elf-library.js';
import { libpthread } from '../../bridges/libraries/libpthread.js';
import { Mutex, RwLock } from '../../bridges/libraries/pthread/structures.js';
import type { BridgeContext } from '../../bridges/library.js';
import { SharedPlaces } from '../../bridges/places.js';
import { selectBridges } from '../../bridges/selection.js';
import { writeStubLibrary } from '../../bridges/stub-library.js';
import { addressOf, syscall } from '../../runtime/host/libc.js';
import { Host } from '../../runtime/linux/constants/host-syscalls.js';
import { GuestMemory } from '../../runtime/memory/guest-memory.js';
import { Mappings } from '../../runtime/memory/mappings.js';
import { inScratchDirectory } from '../support/guest-cases.js';
import { canIsolate, readRecordedSuite, runThreadProgram, THREAD_PROGRAMS } from '../support/process-suite.js';
import { runAll } from '../support/run.js';
import { existingSysroot } from '../support/sysroot.js';
import { BridgeMachine, COOKIE, DATA } from './machine.js';

const hasCLibrary = existingSysroot() !== undefined || existsSync('/lib/ld-linux.so.2');
const isolated = await canIsolate();
const skip = !hasCLibrary
  ? 'needs an i386 C library (bridge86 sysroot install libc6)'
  : !isolated && 'needs a process namespace (unshare), which this machine does not allow';
const OPTIONS = ['--bridge', 'libpthread,librt'];

void tap.test('programs of many threads', { skip, timeout: 600_000 }, async (t) => {
  const recorded = readRecordedSuite();
  const jobs = THREAD_PROGRAMS.map((program) => async () => {
    const outcome = await inScratchDirectory((directory) => runThreadProgram(program, OPTIONS, directory));
    return { program, outcome };
  });
  for (const { program, outcome } of await runAll(jobs, 2)) {
    t.notOk(outcome.timedOut, `${program}: ends in time`);
    t.same(outcome.stdout.toString('latin1').trimEnd().split('\n'), recorded[program], program);
    t.equal(outcome.status, 0, `${program}: status; ${outcome.stderr.slice(0, 300)}`);
  }
  // With an argument more the program does not close the descriptor that the report goes to.
  const reporting = [...OPTIONS, '--bridge-report'];
  const { stderr } = await inScratchDirectory((directory) =>
    runThreadProgram('mutexes', reporting, directory, ['reported']),
  );
  const called = [...stderr.matchAll(/called bridged: (.*)/g)].flatMap(([, names]) => names!.split(' '));
  for (const name of ['pthread_mutex_lock', 'pthread_rwlock_unlock', 'sem_post', 'clock_gettime']) {
    t.ok(called.includes(name), `${name} was called bridged`);
  }
});

tap.test('what one thread has found, others learn of', (t) => {
  const memory = new GuestMemory();
  const [mapper, other] = [new SharedPlaces(memory), new SharedPlaces(memory)];
  const place = { address: 0x400100, library: codeOf('libm') | 0, func: codeOf('floor') | 0, original: 0 };
  t.notOk(other.hasNews);
  mapper.publish(3, place);
  t.notOk(mapper.hasNews, 'not to who has found it');
  t.ok(other.hasNews);
  t.same(other.news(), { isNewProgram: true, places: [place] });
  t.notOk(other.hasNews, 'once');
  const second = { ...place, address: -0x1000, original: 0x500000 };
  other.publish(3, second);
  t.ok(mapper.hasNews);
  t.same(mapper.news(), { isNewProgram: false, places: [second] });
  t.notOk(other.hasNews);
  mapper.publish(4, place);
  t.same(other.news(), { isNewProgram: true, places: [place] }, 'another program forgets what was');
  t.end();
});

/** libpthread's functions on memory with a page for structures and a thread's own, whose id is told by `id`. */
function threadMachine(): { memory: GuestMemory; call: (name: string, ...args: number[]) => number | undefined } {
  const memory = new GuestMemory();
  const mappings = new Mappings(memory, addressOf(memory.buffer));
  mappings.mapFixed(PAGE, 4096, READ_WRITE);
  mappings.mapFixed(THREAD, 4096, READ_WRITE);
  mappings.mapFixed(READ_ONLY, 4096, READ);
  memory.writeU32(THREAD + THREAD_ID, syscall(Host.gettid));
  const hostBase = addressOf(memory.buffer);
  const context = { memory, hostBase, threadPointer: () => THREAD } as unknown as BridgeContext;
  const { functions } = libpthread();
  const made = new Map(functions.map(({ prototype, implementation }) => [prototype.name, implementation!(context)!]));
  return { memory, call: (name, ...args) => made.get(name)!(...args) };
}
const PAGE = 0x10000;
const THREAD = 0x20000;
const READ_ONLY = 0x30000;
const THREAD_ID = 0x68;
const READ = 1;
const READ_WRITE = 3;

tap.test('locks, and whose business what is', (t) => {
  const { memory, call } = threadMachine();
  const id = memory.readU32(THREAD + THREAD_ID);
  const RECURSIVE = 1;
  const ROBUST = 16;
  t.equal(call('pthread_mutex_lock', PAGE), 0);
  t.equal(memory.readU32(PAGE + Mutex.owner), id);
  t.equal(memory.readU32(PAGE + Mutex.users), 1);
  t.equal(call('pthread_mutex_lock', PAGE), DECLINED, 'who has to wait does so in the guest');
  t.equal(call('pthread_mutex_trylock', PAGE), 16, 'EBUSY');
  t.equal(call('pthread_mutex_unlock', PAGE), 0);
  t.same(memory.read(PAGE, Mutex.size), new Uint8Array(Mutex.size));
  memory.writeU32(PAGE + Mutex.kind, RECURSIVE);
  t.equal(call('pthread_mutex_lock', PAGE), 0);
  t.equal(call('pthread_mutex_lock', PAGE), 0);
  t.equal(memory.readU32(PAGE + Mutex.count), 2);
  t.equal(call('pthread_mutex_unlock', PAGE), 0);
  t.equal(call('pthread_mutex_unlock', PAGE), 0);
  t.equal(call('pthread_mutex_unlock', PAGE), 1, 'EPERM');
  memory.writeU32(PAGE + Mutex.kind, ROBUST);
  t.equal(call('pthread_mutex_lock', PAGE), DECLINED, 'a robust one');
  const lock = PAGE + 0x100;
  t.equal(call('pthread_rwlock_rdlock', lock), 0);
  t.equal(call('pthread_rwlock_wrlock', lock), DECLINED);
  t.equal(call('pthread_rwlock_rdlock', lock), 0);
  t.equal(call('pthread_rwlock_unlock', lock), 0);
  t.equal(call('pthread_rwlock_unlock', lock), 0);
  t.equal(call('pthread_rwlock_wrlock', lock), 0);
  t.equal(memory.readU32(lock + RwLock.writer), id);
  t.equal(call('pthread_rwlock_wrlock', lock), 35, 'EDEADLK');
  t.equal(call('pthread_rwlock_unlock', lock), 0);
  t.equal(call('pthread_rwlock_tryrdlock', lock), 0, 'from the writers phase');
  t.equal(call('pthread_rwlock_unlock', lock), 0);
  const semaphore = PAGE + 0x200;
  t.equal(call('sem_trywait', semaphore), DECLINED);
  t.equal(call('sem_post', semaphore), 0);
  t.equal(call('sem_trywait', semaphore), 0);
  memory.writeU32(semaphore, 0xfffffffe);
  t.equal(call('sem_post', semaphore), DECLINED, 'one too many');
  memory.writeU32(THREAD + THREAD_ID, 1);
  memory.writeU32(PAGE + Mutex.kind, RECURSIVE);
  const other = threadMachine();
  other.memory.writeU32(THREAD + THREAD_ID, 1);
  t.equal(other.call('pthread_mutex_lock', PAGE), DECLINED, 'a library that keeps ids elsewhere');
  t.end();
});

tap.test('wild pointers are left to the guest', (t) => {
  const { memory, call } = threadMachine();
  const wild = [0, 1, -1, PAGE + 1, PAGE + 4094, READ_ONLY, 0x7ffffffc, 0xfdfffffc, 0xfffffffc | 0];
  for (const { prototype, declines } of libpthread().functions) {
    if (!declines) continue;
    for (const pointer of wild) t.equal(call(prototype.name, pointer, 0), DECLINED, `${prototype.name} ${pointer}`);
  }
  t.same(memory.read(READ_ONLY, 4096), new Uint8Array(4096));
  t.end();
});

tap.test('a cookie in another thread than the one that mapped the library may leave a call to it', async (t) => {
  const machine = new BridgeMachine('block', false);
  const nothing = selectBridges([], []);
  const mapper = new Bridges(machine, nothing);
  const mapped = machine.mappings.onCodeMapped!;
  const other = new Bridges(machine, nothing);
  // All that is read of the file is what it exports.
  const library = writeStubLibrary(
    libpthread(),
    {
      soname: 'libpthread.so.0',
      versions: [],
      segments: [],
      imports: [],
      symbols: [{ name: 'sem_post', value: 0x1000, size: 16, type: 2, binding: 1, version: undefined, hidden: false }],
    },
    undefined,
  );
  await inScratchDirectory((directory) => {
    const file = join(directory, 'libpthread.so.0');
    writeFileSync(file, library);
    const fd = openSync(file, 'r');
    mapped(DATA, library.length, fd, 0);
    closeSync(fd);
    return Promise.resolve();
  });
  const { symbols } = readSharedLibrary((offset, length) => library.slice(offset, offset + length), 'library')!;
  const original = DATA + symbols.find(({ name }) => name === 'sem_post')!.value;
  const find = (bridges: Bridges): number | undefined => {
    t.equal(bridges.at(COOKIE), undefined);
    return bridges.byCode(codeOf('libpthread'), codeOf('sem_post'), COOKIE)?.original;
  };
  t.equal(find(mapper), original, 'in the thread itself');
  t.equal(find(other), original, 'in another');
  machine.mappings.onCodeMapped!(DATA, 1, -1, 0);
  t.equal(find(other), original, 'and when that one has mapped something itself');
  t.same(machine.reports, []);
});
