/** System calls made one by one on a process without an engine, looked at in guest memory. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { StraceWriter } from '../../runtime/linux/strace.js';
import { SyscallGuest } from './syscall-guest.js';

const AT_FDCWD = -100;
const EBADF = -9;
const EFAULT = -14;
const EINVAL = -22;
const ENOTTY = -25;
const ENOENT = -2;
const O_RDWR_CREAT = 0o102;

const directory = mkdtempSync(join(tmpdir(), 'bridge86-syscalls-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const lines: string[] = [];
const guest = new SyscallGuest({ strace: new StraceWriter({ write: (line) => lines.push(line) }) });
const { memory, files } = guest.process;
const lastLine = (): string => lines.at(-1)!;
t.beforeEach(() => guest.reset());

void t.test('descriptors are the guest’s own', async (t) => {
  const path = guest.string(join(directory, 'file'));
  const first = guest.call('open', path, O_RDWR_CREAT, 0o644);
  const second = guest.call('openat', AT_FDCWD, path, 0);
  t.equal(second, first + 1, 'the lowest free number');
  t.equal(guest.call('close', first), 0);
  t.equal(guest.call('close', first), EBADF);
  t.equal(guest.call('dup', second), first);
  t.equal(guest.call('dup2', second, 77), 77);
  t.equal(guest.call('dup2', 77, 77), 77);
  t.equal(guest.call('dup2', 78, 78), EBADF);
  t.equal(guest.call('fcntl64', second, 0, 50), 50, 'F_DUPFD');
  t.equal(guest.call('fcntl64', 50, 1), 0, 'no close-on-exec');
  t.equal(guest.call('fcntl64', second, 1030, 50), 51, 'F_DUPFD_CLOEXEC');
  t.equal(guest.call('fcntl64', 51, 1), 1);
  t.equal(guest.call('close_range', 50, 77, 0), 0);
  for (const fd of [50, 51, 77]) t.equal(files.host(fd), -1);
  t.equal(guest.call('close_range', first, second, 0), 0);
});

void t.test('keys, placement of memory, barriers: what the host answers', async (t) => {
  // A container may refuse any of them; then the guest is told so, too.
  const refused = new Set([-1, -38]);
  const room = guest.room(64);
  const query = guest.call('membarrier', 0, 0, 0);
  if (!refused.has(query)) {
    t.equal(query & 0x180, 0, 'none on restartable sequences');
    t.equal(guest.call('membarrier', 0x100, 0, 0), EINVAL);
  }
  const key = guest.call('add_key', guest.string('user'), guest.string('bridge86:key'), guest.string('value'), 5, -2);
  if (key > 0) {
    t.equal(guest.call('keyctl', 11, key, room, 64), 5, 'KEYCTL_READ');
    t.equal(guest.text(room, 5), 'value');
    t.equal(guest.call('keyctl', 10, -2, guest.string('user'), guest.string('bridge86:key'), 0), key, 'KEYCTL_SEARCH');
    t.equal(guest.call('keyctl', 9, key, -2), 0, 'KEYCTL_UNLINK');
  } else t.ok(key < 0, 'no keys here');
  t.equal(guest.call('keyctl', 18, 0), -95, 'an operation that is not passed on');
  t.equal(guest.call('add_key', 8, guest.string('x'), 0, 0, -2), EFAULT);
  memory.writeU32(room, 0xffffffff);
  memory.writeU32(room + 8, 0xffffffff);
  memory.writeU32(room + 12, 0x12345678);
  if (!refused.has(guest.call('get_mempolicy', room, room + 4, 65, 0, 4))) {
    t.notOk(memory.readU32(room + 8) === 0xffffffff, 'two words of nodes are written');
    t.equal(memory.readU32(room + 12), 0x12345678, 'and not a third');
  }
  t.equal(guest.call('mbind', 0x10000, 4096, 0, 0, 0, 0), EFAULT, 'nothing is mapped');
  t.equal(guest.call('move_pages', 1, 0, 0, 0, 0, 0), -1, 'pages of another process');
  t.equal(guest.call('process_vm_readv', 1, 0, 0, 0, 0, 0), -1, 'memory of another process');
  t.equal(guest.call('ptrace', 0, 0, 0, 0), -1, 'nobody is traced');
});

void t.test('reading and writing', async (t) => {
  const path = guest.string(join(directory, 'data'));
  const fd = guest.call('open', path, O_RDWR_CREAT | 0o1000, 0o644);
  const hello = guest.string('hello, world');
  t.equal(guest.call('write', fd, hello, 12), 12);
  t.match(lastLine(), /^write\(\d+, "hello, world", 12\) += 12\n$/);
  t.equal(guest.call('pwrite64', fd, hello, 5, 0x10, 1), 5, 'an offset in two registers');
  const result = guest.room(8);
  t.equal(guest.call('_llseek', fd, 0, 0, result, 2), 0);
  t.equal(memory.readU64(result), 0x100000015n);
  t.equal(guest.call('lseek', fd, 0, 2), -75, 'EOVERFLOW');
  t.equal(guest.call('lseek', fd, 7, 0), 7);
  const buffer = guest.room(64);
  t.equal(guest.call('read', fd, buffer, 5), 5);
  t.equal(guest.text(buffer, 5), 'world');
  t.equal(guest.call('pread64', fd, buffer, 5, 0x10, 1), 5);
  t.equal(guest.text(buffer, 5), 'hello');
  const vector = guest.words(hello, 5, 0, 0, hello + 7, 5);
  t.equal(guest.call('pwritev', fd, vector, 3, 0, 0), 10);
  t.equal(guest.call('preadv', fd, guest.words(buffer, 3, buffer + 16, 7), 2, 0, 0), 10);
  t.equal(guest.text(buffer, 3) + guest.text(buffer + 16, 7), 'helloworld');
  t.equal(guest.call('read', fd, 0x2000, 5), EFAULT, 'an unmapped address');
  t.equal(guest.call('read', fd, 0xffffff00 | 0, 5), EFAULT, 'the emulator’s own pages');
  t.equal(guest.call('fstat64', fd, 0x2000), EFAULT);
  t.equal(guest.call('open', 0x2000, 0), EFAULT);
  const stat = guest.room(96);
  t.equal(guest.call('fstat64', fd, stat), 0);
  t.equal(memory.readU64(stat + 44), 0x100000015n, 'st_size');
  t.match(lastLine(), 'st_mode=S_IFREG|0644, st_size=4294967317, ...}');
  t.equal(guest.call('fstat', fd, stat), -75, 'too large for the old structure');
  t.equal(guest.call('ftruncate64', fd, 20, 0), 0);
  t.equal(guest.call('fstat', fd, stat), 0);
  t.equal(memory.readU32(stat + 20), 20);
  t.equal(guest.call('close', fd), 0);
});

void t.test('names', async (t) => {
  const base = guest.string(directory);
  const fd = guest.call('open', base, 0o200000);
  const name = guest.string('sub');
  t.equal(guest.call('mkdirat', fd, name, 0o755), 0);
  t.equal(guest.call('mkdirat', fd, name, 0o755), -17);
  t.equal(guest.call('symlinkat', guest.string('target'), fd, guest.string('link')), 0);
  const buffer = guest.room(64);
  t.equal(guest.call('readlinkat', fd, guest.string('link'), buffer, 64), 6);
  t.equal(guest.text(buffer, 6), 'target');
  t.match(lastLine(), /^readlinkat\(\d+, "link", "target", 64\) += 6\n$/);
  t.equal(guest.call('faccessat', fd, guest.string('missing'), 0), ENOENT);
  t.match(lastLine(), /, "missing", F_OK\) += -1 ENOENT \(No such file or directory\)\n$/);
  t.equal(guest.call('renameat2', fd, name, fd, guest.string('other'), 1), 0);
  t.equal(guest.call('unlinkat', fd, guest.string('other'), 0x200), 0);
  t.equal(guest.call('unlinkat', fd, guest.string('link'), 0), 0);
  const before = process.cwd();
  t.equal(guest.call('fchdir', fd), 0);
  const length = guest.call('getcwd', buffer, 64);
  t.equal(guest.text(buffer, length - 1), directory);
  t.equal(guest.call('getcwd', buffer, 3), -34);
  process.chdir(before);
  guest.call('close', fd);
});

void t.test('directories', async (t) => {
  const many = join(directory, 'many');
  mkdirSync(many);
  const wanted = Array.from({ length: 300 }, (_, index) => `entry-${index}`);
  for (const name of wanted) writeFileSync(join(many, name), '');
  for (const call of ['getdents64', 'getdents'] as const) {
    const fd = guest.call('open', guest.string(many), 0o200000);
    const buffer = guest.room(1024);
    const found: string[] = [];
    let position = 0;
    const read = (): number => {
      const length = guest.call(call, fd, buffer, 1000);
      for (let at = buffer; at < buffer + length;) {
        const is64 = call === 'getdents64';
        const size = memory.readU16(at + (is64 ? 16 : 8));
        const start = at + (is64 ? 19 : 10);
        found.push(memory.readCStringText(start));
        const offset = is64 ? memory.readU64(at + 8) : BigInt(memory.readI32(at + 4));
        if (found.length === 150) position = Number(offset);
        t.ok(
          (offset >= 0n && offset < 0x80000000n) || found.length === 302,
          'a position that 32-bit programs can hold',
        );
        at += size;
      }
      return length;
    };
    while (read() > 0);
    t.same(found.filter((name) => !name.startsWith('.')).sort(), wanted.slice().sort(), call);
    const rest = found.slice(150);
    found.length = 1000;
    t.equal(guest.call('_llseek', fd, 0, position, guest.room(8), 0), 0, 'back to where entry 150 ended');
    while (read() > 0);
    t.same(found.slice(1000), rest);
    guest.call('close', fd);
    guest.reset();
  }
  const own = guest.call('open', guest.string('/proc/self/fd'), 0o200000);
  const buffer = guest.room(4096);
  const length = guest.call('getdents64', own, buffer, 4096);
  const names: string[] = [];
  for (let at = buffer; at < buffer + length; at += memory.readU16(at + 16))
    names.push(memory.readCStringText(at + 19));
  t.same(names, ['.', '..', ...[...files.open()].map(String)], 'only the guest’s descriptors are listed');
  guest.call('close', own);
});

void t.test('descriptors in paths', async (t) => {
  const file = join(directory, 'opened');
  writeFileSync(file, 'contents');
  const fd = guest.call('open', guest.string(file), 0);
  guest.call('dup2', fd, 40);
  const buffer = guest.room(4096);
  const length = guest.call('readlink', guest.string('/proc/self/fd/40'), buffer, 4096);
  t.equal(guest.text(buffer, length), file);
  const again = guest.call('open', guest.string('/dev/fd/40'), 0);
  t.equal(guest.call('read', again, buffer, 100), 8);
  t.equal(guest.call('open', guest.string('/dev/fd/41'), 0), ENOENT);
  guest.call('close_range', 3, -1, 0);
});

void t.test('a sysroot comes first and does not show', async (t) => {
  const sysroot = join(directory, 'root');
  mkdirSync(join(sysroot, 'etc'), { recursive: true });
  writeFileSync(join(sysroot, 'etc', 'only-here'), 'sysroot');
  symlinkSync('/etc/only-here', join(sysroot, 'etc', 'link'));
  const rooted = new SyscallGuest({ sysroot });
  const buffer = rooted.room(4096);
  for (const name of ['/etc/only-here', '/etc/link']) {
    const fd = rooted.call('open', rooted.string(name), 0);
    t.equal(rooted.call('read', fd, buffer, 100), 7, name);
    t.equal(
      rooted.text(buffer, rooted.call('readlink', rooted.string(`/proc/self/fd/${fd}`), buffer, 100)),
      '/etc/only-here',
    );
  }
  const before = process.cwd();
  t.equal(rooted.call('chdir', rooted.string('/etc')), 0);
  t.equal(rooted.text(buffer, rooted.call('getcwd', buffer, 4096)), '/etc\0');
  process.chdir(before);
  t.ok(rooted.call('open', rooted.string('/proc/version'), 0) > 0, 'what it lacks comes from the host');
});

void t.test('pipes, poll and select', async (t) => {
  const pair = guest.room(8);
  t.equal(guest.call('pipe2', pair, 0), 0);
  const [read, write] = [memory.readI32(pair), memory.readI32(pair + 4)];
  const pollfds = guest.words(read, 1, write, 4, 500, 1);
  t.equal(guest.call('poll', pollfds, 3, 1000), 2, 'a closed descriptor counts');
  t.equal(memory.readU16(pollfds + 6), 0);
  t.equal(memory.readU16(pollfds + 14), 4, 'POLLOUT');
  t.equal(memory.readU16(pollfds + 22), 0x20, 'POLLNVAL');
  t.match(lastLine(), /= 2 \(\[\{fd=\d+, revents=POLLOUT\}, \{fd=500, revents=POLLNVAL\}\]\)\n$/);
  t.equal(guest.call('poll', pollfds, 1, 0), 0);
  guest.call('write', write, pair, 4);
  const available = guest.room(4);
  t.equal(guest.call('ioctl', read, 0x541b, available), 0, 'FIONREAD');
  t.equal(memory.readI32(available), 4);
  const readSet = guest.words(1 << read, 0);
  const writeSet = guest.words(1 << write, 0);
  t.equal(guest.call('_newselect', write + 1, readSet, writeSet, 0, guest.words(1, 0)), 2);
  t.equal(memory.readU32(readSet), 1 << read);
  t.match(lastLine(), `= 2 (in [${read}], out [${write}])`);
  t.equal(guest.call('_newselect', 21, guest.words(1 << 20, 0), 0, 0, 0), EBADF);
  const time = guest.words(0, 20_000_000);
  t.equal(guest.call('pselect6', 0, 0, 0, 0, time, 0), 0);
  t.equal(memory.readU32(time + 4), 0, 'nothing remains');
  const epoll = guest.call('epoll_create1', 0);
  t.equal(guest.call('epoll_ctl', epoll, 1, read, guest.words(1, 0x1234, 0x5678)), 0);
  const events = guest.room(24);
  t.equal(guest.call('epoll_wait', epoll, events, 2, 1000), 1);
  t.same([memory.readU32(events), memory.readU32(events + 4), memory.readU32(events + 8)], [1, 0x1234, 0x5678]);
  guest.call('close_range', 3, -1, 0);
});

void t.test('record locks', async (t) => {
  const fd = guest.call('open', guest.string(join(directory, 'locked')), O_RDWR_CREAT, 0o644);
  const lock = guest.words(1, 10, 1, 5, 0, 0);
  memory.writeU32(lock + 4, 10);
  memory.writeU32(lock + 8, 1);
  t.equal(guest.call('fcntl64', fd, 13, lock), 0, 'F_SETLK64');
  t.match(lastLine(), 'F_SETLK64, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=4294967306, l_len=5}');
  const inode = readFileSync('/proc/locks', 'latin1');
  t.match(inode, /POSIX +ADVISORY +WRITE \d+ \S+ 4294967306 4294967310/);
  t.equal(guest.call('fcntl', fd, 13, lock), EINVAL, 'not by the old call');
  guest.call('close', fd);
});

void t.test('time', async (t) => {
  const now = Date.now() / 1000;
  const old = guest.room(8);
  const new64 = guest.room(16);
  t.equal(guest.call('clock_gettime', 0, old), 0);
  t.equal(guest.call('clock_gettime64', 0, new64), 0);
  t.ok(Math.abs(memory.readU32(old) - now) < 5);
  t.ok(Math.abs(Number(memory.readU64(new64)) - now) < 5);
  t.ok(Math.abs(guest.call('time', 0) - now) < 5);
  const start = performance.now();
  t.equal(guest.call('nanosleep', guest.words(0, 30_000_000), 0), 0);
  t.ok(performance.now() - start >= 29);
  t.match(lastLine(), 'nanosleep({tv_sec=0, tv_nsec=30000000}, NULL)');
  t.equal(guest.call('nanosleep', guest.words(0, 2_000_000_000), 0), EINVAL);
  const file = guest.string(join(directory, 'timed'));
  guest.call('close', guest.call('creat', file, 0o600));
  t.equal(guest.call('utimensat', AT_FDCWD, file, guest.words(1000, 5, 2000, 7), 0), 0);
  const stat = guest.room(96);
  guest.call('stat64', file, stat);
  t.same([memory.readU32(stat + 64), memory.readU32(stat + 68)], [1000, 5]);
  t.same([memory.readU32(stat + 72), memory.readU32(stat + 76)], [2000, 7]);
});

void t.test('sockets', async (t) => {
  const pair = guest.room(8);
  // By socketcall: SYS_SOCKETPAIR.
  t.equal(guest.call('socketcall', 8, guest.words(1, 1, 0, pair)), 0);
  const [left, right] = [memory.readI32(pair), memory.readI32(pair + 4)];
  const file = guest.call('open', guest.string(join(directory, 'sent')), O_RDWR_CREAT, 0o644);
  guest.call('write', file, guest.string('passed'), 6);
  const control = guest.words(16, 1, 1, file);
  const message = guest.words(0, 0, guest.words(guest.string('data'), 4), 1, control, 16, 0);
  t.equal(guest.call('sendmsg', left, message, 0), 4);
  t.equal(guest.call('sendmsg', left, guest.words(0, 0, 0, 0, guest.words(16, 1, 1, 99), 16, 0), 0), EBADF);
  const data = guest.room(16);
  const received = guest.room(64);
  const incoming = guest.words(0, 0, guest.words(data, 16), 1, received, 64, 0);
  t.equal(guest.call('recvmsg', right, incoming, 0), 4);
  t.equal(guest.text(data, 4), 'data');
  t.same(
    [0, 4, 8].map((at) => memory.readU32(received + at)),
    [16, 1, 1],
  );
  t.equal(memory.readU32(incoming + 20), 16, 'msg_controllen');
  const passed = memory.readI32(received + 12);
  t.equal(passed, file + 1, 'a descriptor of the guest');
  t.equal(guest.call('pread64', passed, data, 16, 0, 0), 6);
  t.equal(guest.text(data, 6), 'passed');
  // A control buffer that is too small: MSG_CTRUNC, and nothing leaks.
  guest.call('sendmsg', left, message, 0);
  const small = guest.words(0, 0, guest.words(data, 16), 1, received, 8, 0);
  t.equal(guest.call('recvmsg', right, small, 0), 4);
  t.equal(memory.readU32(small + 24) & 8, 8);
  t.equal(files.host(passed + 1), -1);
  t.equal(guest.call('setsockopt', left, 1, 20, guest.words(1, 500000), 8), 0, 'SO_RCVTIMEO');
  const value = guest.room(8);
  const length = guest.words(8);
  t.equal(guest.call('getsockopt', left, 1, 20, value, length), 0);
  t.same([memory.readU32(value), memory.readU32(value + 4), memory.readU32(length)], [1, 500000, 8]);
  guest.call('close_range', 3, -1, 0);
});

void t.test('System V memory', async (t) => {
  const id = guest.call('ipc', 23, 0, 8192, 0o600);
  t.ok(id >= 0);
  const place = guest.room(4);
  t.equal(guest.call('ipc', 21, id, 0, place, 0), 0);
  const first = memory.readU32(place);
  const second = guest.call('shmat', id, 0, 0) >>> 0;
  memory.writeU32(first + 4096, 0x12345678);
  t.equal(memory.readU32(second + 4096), 0x12345678, 'two attachments show the same memory');
  const info = guest.room(84);
  t.equal(guest.call('shmctl', id, 2 | 0x100, info), 0);
  t.equal(memory.readU32(info + 36), 8192, 'shm_segsz');
  t.equal(guest.call('shmdt', second), 0);
  t.equal(guest.call('shmdt', second), EINVAL);
  t.equal(guest.call('uname', second), EFAULT, 'unmapped');
  t.equal(guest.call('shmctl', id, 0x100, 0), 0, 'IPC_RMID');
});

void t.test('the machine', async (t) => {
  const names = guest.room(390);
  t.equal(guest.call('uname', names), 0);
  t.equal(memory.readCStringText(names), 'Linux');
  t.equal(memory.readCStringText(names + 260), 'i686');
  const limit = guest.room(16);
  t.equal(guest.call('ugetrlimit', 9, limit), 0);
  t.equal(guest.call('setrlimit', 9, guest.words(0x10000000, 0xffffffff)), 0, 'RLIMIT_AS is only remembered');
  t.equal(guest.call('prlimit64', 0, 9, 0, limit), 0);
  t.equal(memory.readU64(limit), 0x10000000n);
  t.equal(memory.readU64(limit + 8), 0xffffffffffffffffn);
  t.equal(guest.call('ioctl', 1, 0x12345678, 0), ENOTTY);
  t.equal(guest.call('sysinfo', guest.room(64)), 0);
  const seeded = new SyscallGuest({ random: (length) => new Uint8Array(length).fill(7) });
  const bytes = seeded.room(16);
  t.equal(seeded.call('getrandom', bytes, 16, 0), 16);
  t.equal(seeded.process.memory.readU32(bytes), 0x07070707);
});
