/**
 * Two hundred damaged ELF files: each must end in a clear error, in a guest's signal, or run as if nothing were wrong; never in
 * a JavaScript error and never in a hang. The damage is pseudo-random from a fixed seed, so a failure can be repeated.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tap from 'tap';
import { inScratchDirectory } from './support/guest-cases.js';
import { GUESTS } from './support/paths.js';
import { runAll, runBridge } from './support/run.js';

const COUNT = 200;
const SEED = 20240229;
const ELF_HEADER_SIZE = 52;
const PROGRAM_HEADERS_SIZE = 4 * 32;
/** What programmers get wrong: zero, one, sign bits, limits. */
const NASTY = [0, 1, 3, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xfffff000, 0xfffffffe, 0xffffffff];

let state = SEED;
function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

/** Damages a copy of a program; says how. */
function damage(original: Buffer): { bytes: Buffer; how: string } {
  const bytes = Buffer.from(original);
  const headers = ELF_HEADER_SIZE + PROGRAM_HEADERS_SIZE;
  switch (random(5)) {
    case 0: {
      const size = random(2) ? random(headers + 32) : random(bytes.length);
      return { bytes: bytes.subarray(0, size), how: `cut to ${size} bytes` };
    }
    case 1: {
      const at = random(ELF_HEADER_SIZE / 4) * 4;
      const value = NASTY[random(NASTY.length)]!;
      bytes.writeUInt32LE(value, at);
      return { bytes, how: `ELF header word at ${at} = 0x${value.toString(16)}` };
    }
    case 2: {
      const at = ELF_HEADER_SIZE + random(PROGRAM_HEADERS_SIZE / 4) * 4;
      const value = NASTY[random(NASTY.length)]!;
      bytes.writeUInt32LE(value, at);
      return { bytes, how: `program header word at ${at} = 0x${value.toString(16)}` };
    }
    case 3: {
      const flips: string[] = [];
      for (let i = 0; i <= random(8); i++) {
        const at = random(headers);
        bytes[at]! ^= 1 << random(8);
        flips.push(String(at));
      }
      return { bytes, how: `bits flipped at ${flips.join(', ')}` };
    }
    default: {
      const at = ELF_HEADER_SIZE + random(3) * 32 + random(8) * 4;
      bytes.writeUInt32LE(random(2 ** 32), at);
      return { bytes, how: `program header word at ${at} is random` };
    }
  }
}

void tap.test(`${COUNT} damaged ELF files`, { timeout: 600_000 }, async (t) => {
  const originals = ['hello', 'status', 'pie', 'dynamic'].map((name) => readFileSync(join(GUESTS, name)));
  await inScratchDirectory(async (directory) => {
    const jobs = Array.from({ length: COUNT }, (_, index) => {
      const { bytes, how } = damage(originals[index % originals.length]!);
      const file = join(directory, `damaged-${index}`);
      writeFileSync(file, bytes);
      chmodSync(file, 0o755);
      return async () => ({
        how,
        index,
        outcome: await runBridge(['run', '-L', '/nonexistent', file], { timeout: 20_000, directory }),
      });
    });
    for (const { how, index, outcome } of await runAll(jobs, 2)) {
      const { status, signal, stderr, timedOut } = outcome;
      const name = `${index}: ${how}`;
      const lines = stderr.split('\n').filter((line) => line !== '');
      t.notOk(timedOut, `${name}: ends`);
      const clear = lines.length === 1 && lines[0]!.startsWith('bridge86: ') && !lines[0]!.includes('internal error');
      // The dynamic linker is a guest program: what it says of a damaged file is as clear as it is natively.
      const linker = lines.length === 1 && /ld\.so: |error while loading shared libraries: /.test(lines[0]!);
      if (signal !== null || status === 126 || status === 127)
        t.ok(clear || linker, `${name}: one clear line, not ${stderr}`);
      // Damage that does no harm, or that a guest turns into a status of its own.
      else t.ok(status !== 125 && !/internal error|\n\s+at /.test(stderr), `${name}: status ${status}, ${stderr}`);
    }
  });
});
