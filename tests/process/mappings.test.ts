/** Address space calls: Linux's checks, the page table's bits, and the host's own view of the same pages. */
import tap from 'tap';
import { Page, PAGE_SIZE } from '../../translator/pages.js';
import { GUEST_LIMIT } from '../../translator/state.js';
import { HostBuffer } from '../../runtime/host/buffer.js';
import { addressOf, syscall } from '../../runtime/host/libc.js';
import { Errno } from '../../runtime/linux/constants/errno.js';
import { Host } from '../../runtime/linux/constants/host-syscalls.js';
import { MapFlag, RemapFlag } from '../../runtime/linux/constants/memory.js';
import { GuestMemory } from '../../runtime/memory/guest-memory.js';
import { Mappings, MMAP_BASE } from '../../runtime/memory/mappings.js';

const memory = new GuestMemory();
const hostBase = addressOf(memory.buffer);
const mappings = new Mappings(memory, hostBase);
const ANONYMOUS = MapFlag.MAP_PRIVATE | MapFlag.MAP_ANONYMOUS;

const buffer = new HostBuffer(128);
syscall(Host.pipe2, buffer.address, 0);
const [readEnd, writeEnd] = [buffer.view.getInt32(0, true), buffer.view.getInt32(4, true)];

/** Whether the host's kernel can read a byte of guest memory: what a system call would see. */
function hostReads(address: number): boolean {
  const written = syscall(Host.write, writeEnd, hostBase + address, 1);
  if (written === 1) syscall(Host.read, readEnd, buffer.address, 1);
  return written === 1;
}

const map = (length: number, protection = 3, flags: number = ANONYMOUS, address = 0): number =>
  mappings.mmap(address, length, protection, flags, -1, 0);

void tap.test('nothing is mapped at first', (t) => {
  t.equal(mappings.regions.all.length, 0);
  t.notOk(hostReads(0));
  t.notOk(hostReads(GUEST_LIMIT - 1));
  t.end();
});

void tap.test('mmap places downwards from its base and checks its arguments', (t) => {
  const first = map(PAGE_SIZE);
  t.equal(first, MMAP_BASE - PAGE_SIZE);
  t.equal(map(2 * PAGE_SIZE), first - 2 * PAGE_SIZE);
  t.equal(map(0), -Errno.EINVAL);
  t.equal(map(0xffffffff), -Errno.ENOMEM);
  t.equal(map(PAGE_SIZE, 3, MapFlag.MAP_ANONYMOUS), -Errno.EINVAL);
  t.equal(map(PAGE_SIZE, 3, ANONYMOUS | MapFlag.MAP_FIXED, 1), -Errno.EINVAL);
  t.equal(map(PAGE_SIZE, 3, ANONYMOUS | MapFlag.MAP_FIXED_NOREPLACE, first), -Errno.EEXIST);
  t.equal(map(PAGE_SIZE, 3, ANONYMOUS | MapFlag.MAP_FIXED, GUEST_LIMIT), -Errno.ENOMEM);
  t.equal(mappings.mmap(0, PAGE_SIZE, 3, MapFlag.MAP_PRIVATE, 9999, 0), -Errno.EBADF);
  t.equal(mappings.munmap(first - 2 * PAGE_SIZE, 3 * PAGE_SIZE), 0);
  t.end();
});

void tap.test('protections reach the page table and the host', (t) => {
  const at = map(4 * PAGE_SIZE);
  const bits = (page: number): number => memory.pages[at / PAGE_SIZE + page]!;
  t.equal(bits(0), Page.mapped | Page.read | Page.write);
  memory.u8[at] = 1;
  t.ok(hostReads(at));
  t.equal(mappings.mprotect(at + PAGE_SIZE, PAGE_SIZE, 0), 0);
  t.equal(bits(1), Page.mapped);
  t.notOk(hostReads(at + PAGE_SIZE));
  t.equal(mappings.mprotect(at, PAGE_SIZE, 4), 0);
  t.equal(bits(0), Page.mapped | Page.read | Page.execute, 'executable pages are readable');
  t.ok(hostReads(at));
  t.equal(mappings.mprotect(at, 8 * PAGE_SIZE, 1), -Errno.ENOMEM, 'what comes before the hole is changed');
  t.equal(bits(3), Page.mapped | Page.read);
  t.equal(mappings.mprotect(at, PAGE_SIZE, 0x100), -Errno.EINVAL);
  t.equal(mappings.munmap(at, 4 * PAGE_SIZE), 0);
  t.equal(bits(0), 0);
  t.notOk(hostReads(at));
  t.end();
});

void tap.test('mremap grows, moves and shrinks with the contents', (t) => {
  const above = map(PAGE_SIZE);
  const at = map(4 * PAGE_SIZE);
  memory.u8[at] = 7;
  memory.u8[at + 2 * PAGE_SIZE] = 9;
  const moved = mappings.mremap(at, 4 * PAGE_SIZE, 40 * PAGE_SIZE, RemapFlag.MREMAP_MAYMOVE, 0);
  t.ok(moved > 0 && moved !== at);
  t.same([memory.u8[moved], memory.u8[moved + 2 * PAGE_SIZE], memory.u8[moved + 39 * PAGE_SIZE]], [7, 9, 0]);
  t.notOk(hostReads(at));
  t.equal(mappings.mremap(moved, 40 * PAGE_SIZE, 2 * PAGE_SIZE, 0, 0), moved);
  t.notOk(hostReads(moved + 2 * PAGE_SIZE));
  t.equal(mappings.mremap(moved, 2 * PAGE_SIZE, 3 * PAGE_SIZE, 0, 0), moved);
  t.equal(memory.u8[moved + 2 * PAGE_SIZE], 0);
  t.equal(mappings.mremap(moved, 0, PAGE_SIZE, RemapFlag.MREMAP_MAYMOVE, 0), -Errno.EINVAL);
  t.equal(mappings.mremap(0x10000, PAGE_SIZE, PAGE_SIZE, 0, 0), -Errno.EFAULT);
  mappings.munmap(moved, 3 * PAGE_SIZE);
  mappings.munmap(above, PAGE_SIZE);
  t.end();
});

void tap.test('pages beyond the end of a file are revealed when it grows', (t) => {
  const name = buffer.putCString(new TextEncoder().encode('bridge86-test'));
  const fd = syscall(Host.memfd_create, name, 0);
  syscall(Host.ftruncate, fd, 100);
  const at = mappings.mmap(0, 2 * PAGE_SIZE, 3, MapFlag.MAP_SHARED, fd, 0);
  t.ok(memory.isReadable(at, PAGE_SIZE));
  t.notOk(memory.isReadable(at + PAGE_SIZE, 1));
  t.notOk(mappings.revealPage(at + PAGE_SIZE));
  syscall(Host.ftruncate, fd, 2 * PAGE_SIZE);
  t.ok(mappings.revealPage(at + PAGE_SIZE));
  t.ok(memory.isWritable(at + PAGE_SIZE, PAGE_SIZE));
  syscall(Host.close, fd);
  t.end();
});

void tap.test('translations are dropped before their pages change', (t) => {
  const dropped: number[] = [];
  mappings.onUnmapped = (first, count) => dropped.push(first * PAGE_SIZE, count);
  const at = map(2 * PAGE_SIZE, 5);
  mappings.mprotect(at, PAGE_SIZE, 1);
  t.same(dropped, [at, 1]);
  mappings.munmap(at, 2 * PAGE_SIZE);
  t.same(dropped.slice(2), [at, 2]);
  t.end();
});

void tap.test('brk', (t) => {
  mappings.reset();
  mappings.brkStart = mappings.brkEnd = 0x100000;
  t.equal(mappings.brk(0), 0x100000);
  t.equal(mappings.brk(0x101001), 0x101001);
  t.ok(memory.isWritable(0x101000, PAGE_SIZE));
  t.equal(mappings.brk(0x100800), 0x100800);
  t.notOk(hostReads(0x101000));
  t.equal(mappings.brk(0xfffff), 0x100800);
  map(PAGE_SIZE, 3, ANONYMOUS | MapFlag.MAP_FIXED, 0x110000);
  t.equal(mappings.brk(0x120000), 0x100800, 'not into another mapping');
  t.end();
});
