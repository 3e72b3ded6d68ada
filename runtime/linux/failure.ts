/** Thrown inside a system call to end it with an error; the dispatcher turns it into the negative errno. */
export class SyscallFailure {
  constructor(readonly errno: number) {}
}
