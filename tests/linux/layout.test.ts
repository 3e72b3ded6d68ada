/** Structure layouts against what the C compiler says: sizes and offsets for i386 (gcc -m32) and x86_64, and conversions. */
import t from 'tap';
import { structures, type StructureName } from '../../runtime/linux/structures.js';

// sizeof under gcc -m32 and gcc -m64 with the kernel's headers.
const sizes: Partial<Record<StructureName, readonly [i386: number, host: number]>> = {
  timespec: [8, 16],
  timespec64: [16, 16],
  itimerspec: [16, 32],
  itimerspec64: [32, 32],
  tms: [16, 32],
  timex: [128, 208],
  oldStat: [32, 144],
  stat: [64, 144],
  stat64: [96, 144],
  statx: [256, 256],
  statfs: [64, 120],
  statfs64: [84, 120],
  flock: [16, 32],
  flock64: [24, 32],
  iovec: [8, 16],
  msghdr: [28, 56],
  cmsghdr: [12, 16],
  pollfd: [8, 8],
  epollEvent: [12, 12],
  rusage: [72, 144],
  sysinfo: [64, 112],
  utsname: [390, 390],
  termios: [36, 36],
  sigevent: [64, 64],
  mqAttr: [32, 64],
  shmidDs: [84, 112],
  semidDs: [64, 104],
  msqidDs: [88, 120],
};

void t.test('sizes', async (t) => {
  for (const [name, [i386, host]] of Object.entries(sizes)) {
    const structure = structures[name as StructureName];
    t.equal(structure.i386.size, i386, `${name} for i386`);
    t.equal(structure.host.size, host, `${name} for the host`);
  }
});

void t.test('offsets', async (t) => {
  t.equal(structures.stat64.offset('i386', 'st_size'), 44);
  t.equal(structures.stat64.offset('i386', 'st_ino'), 88);
  t.equal(structures.stat64.offset('host', 'st_size'), 48);
  t.equal(structures.flock64.offset('i386', 'l_start'), 4);
  t.equal(structures.flock64.offset('host', 'l_start'), 8);
});

void t.test('conversions', async (t) => {
  const from = new DataView(new ArrayBuffer(256));
  const to = new DataView(new ArrayBuffer(256));
  from.setInt32(0, -5, true);
  from.setInt32(4, 7, true);
  structures.timespec.toHost(from, 0, to, 0);
  t.equal(to.getBigInt64(0, true), -5n, 'a negative long is sign-extended');
  t.equal(to.getBigInt64(8, true), 7n);
  t.ok(structures.timespec.toGuest(to, 0, from, 16));
  t.equal(from.getInt32(16, true), -5, 'and narrowed again');
  to.setBigInt64(0, 1n << 40n, true);
  t.notOk(structures.timespec.toGuest(to, 0, from, 16), 'what does not fit is told');
  from.setBigInt64(0, 5n, true);
  from.setInt32(8, 1, true);
  from.setInt32(12, 0x55555555, true);
  structures.timespec64.toHost(from, 0, to, 0);
  t.equal(to.getBigInt64(8, true), 1n, 'the upper half of tv_nsec is not looked at');
});
