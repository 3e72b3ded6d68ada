/** Thrown inside a system call to end it with an error; the dispatcher turns it into the negative errno. */
export class SyscallFailure extends Error {
  constructor(readonly errno: number) {
    super(`errno ${errno}`);
  }
}
