import { Errno } from '../linux/constants/errno.js';

/** Why a program cannot be started: one line for the user, the exit status that a shell gives, the error that `execve` gives. */
export class LoadError extends Error {
  override readonly name = 'LoadError';

  constructor(
    message: string,
    /** 126: found but not executable; 127: not found. */
    readonly exitStatus: 126 | 127,
    /** The positive error number for a guest's `execve`. */
    readonly errno: number = Errno.ENOEXEC,
  ) {
    super(message);
  }
}

const MESSAGES = new Map<number, string>([
  [Errno.ENOENT, 'no such file'],
  [Errno.EACCES, 'permission denied'],
  [Errno.ENOTDIR, 'a part of the path is not a directory'],
  [Errno.EISDIR, 'is a directory'],
  [Errno.ELOOP, 'too many symbolic links'],
  [Errno.ENAMETOOLONG, 'path too long'],
  [Errno.ENOMEM, 'not enough memory'],
  [Errno.E2BIG, 'argument list too long'],
  [Errno.EMFILE, 'too many open files'],
  [Errno.ENFILE, 'too many open files'],
  [Errno.EIO, 'input/output error'],
]);

/** The `LoadError` for a file that the host would not open or read. */
export function fileError(path: string, errno: number, what = ''): LoadError {
  const status = errno === Errno.ENOENT || errno === Errno.ENOTDIR ? 127 : 126;
  return new LoadError(`${path}: ${what}${MESSAGES.get(errno) ?? `cannot be read (error ${errno})`}`, status, errno);
}
