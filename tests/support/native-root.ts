/**
 * Runs a sysroot's programs by the processor itself: in a mount namespace whose root is made of the sysroot's /usr, /etc and
 * /var and the host's /proc, /dev and /tmp, so that a shell finds the same programs as in the emulator.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { inScratchDirectory } from './guest-cases.js';
import { type Outcome, runProgram, type RunSettings } from './run.js';

const SCRIPT = `
set -e
sysroot=$1 root=$2 directory=$3
shift 3
mount -t tmpfs none "$root"
for name in usr etc var; do mkdir "$root/$name"; mount --bind "$sysroot/$name" "$root/$name"; done
for name in bin sbin lib; do ln -s "usr/$name" "$root/$name"; done
for name in proc dev tmp; do mkdir "$root/$name"; mount --rbind "/$name" "$root/$name"; done
exec chroot "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$directory" "$@"
`;

/** Runs `command` natively in `settings.directory`, which must lie under /tmp; `root` is a directory to make and mount on. */
export async function runInNativeRoot(
  sysroot: string,
  root: string,
  command: readonly string[],
  settings: RunSettings & { directory: string },
): Promise<Outcome> {
  mkdirSync(root, { recursive: true });
  const { directory, ...rest } = settings;
  const args = ['-rm', '--propagation', 'private', 'bash', '-c', SCRIPT, 'bash', sysroot, root, directory, ...command];
  return await runProgram('unshare', args, {
    ...rest,
    environment: { ...rest.environment, PATH: `${rest.environment?.PATH ?? '/usr/bin:/bin'}:/usr/sbin:/sbin` },
  });
}

/** Whether this machine allows that: namespaces for ordinary users or root's rights, and a kernel that runs i386 programs. */
export async function hasNativeRoot(sysroot: string): Promise<boolean> {
  return await inScratchDirectory(async (directory) => {
    try {
      return (await runInNativeRoot(sysroot, join(directory, 'root'), ['/usr/bin/true'], { directory })).status === 0;
    } catch {
      return false;
    }
  });
}
