/** Something that stops a sysroot's installation and that the user can act on: the message is meant to be shown as it is. */
export class SysrootError extends Error {
  override readonly name = 'SysrootError';
}
