/**
 * Files as the guest sees them, for gdb: its Host I/O packets (gdb manual, appendix E.7). By them gdb finds the program and its
 * libraries without being told where they are, and shows `info proc`. Nothing can be written.
 */
import { hostClose, hostMemoryFile, hostOpen, hostRead, hostStat } from '../../host/buffer.js';
import type { DebugSession } from './session.js';

/** What a debugged process's file names mean. */
export interface DebugFiles {
  /** Contents of files that are made up for the guest (of /proc), undefined for all others. */
  virtualFile(path: Uint8Array): Uint8Array | undefined;
  hostPath(path: Uint8Array): Uint8Array;
  /** Where a symbolic link leads, in the guest's names, or a negated error number. */
  readLink(path: Uint8Array): Uint8Array | number;
}

/** Error numbers of the protocol (appendix E.13.8), which are Linux's as far as they go. */
const FileError = { noEntry: 2, badDescriptor: 9, access: 13, tooMany: 24, unknown: 9999 } as const;
const WRITE_FLAGS = 3;

interface Status {
  readonly mode: number;
  readonly size: number;
  readonly modified: number;
}

export class HostFiles {
  /**
   * @param session has the open files' descriptors, which are the host's
   * @param pieceLimit the longest contents of an answer
   */
  constructor(
    private readonly files: DebugFiles,
    private readonly session: DebugSession,
    private readonly pieceLimit: number,
  ) {}

  /** The answer to a packet without its `vFile:`; '' where there is no such operation. */
  answer(text: string): Uint8Array {
    const colon = text.indexOf(':');
    const operation = text.slice(0, colon);
    const given = text.slice(colon + 1).split(',');
    const number = (index: number): number => Number.parseInt(given[index] ?? '0', 16);
    const path = (): Uint8Array => Buffer.from(given[0] ?? '', 'hex');
    switch (operation) {
      case 'setfs':
        return result(0);
      case 'open':
        return result(number(1) & WRITE_FLAGS ? -FileError.access : this.openFile(path()));
      case 'readlink':
        return withBytes(this.files.readLink(path()));
      case 'pread':
        return this.onFile(number(0), (fd) => withBytes(hostRead(fd, number(2), Math.min(number(1), this.pieceLimit))));
      case 'fstat':
        return this.onFile(number(0), (fd) => {
          const status = hostStat(fd);
          return typeof status === 'number' ? result(status) : withBytes(statusBytes(status));
        });
      case 'close':
        return this.onFile(number(0), (fd) => {
          this.session.removeFile(fd);
          hostClose(fd);
          return result(0);
        });
      case 'pwrite':
      case 'unlink':
        return result(-FileError.access);
      default:
        return new Uint8Array();
    }
  }

  closeAll(): void {
    for (const fd of this.session.files) {
      this.session.removeFile(fd);
      hostClose(fd);
    }
  }

  private onFile(fd: number, act: (fd: number) => Uint8Array): Uint8Array {
    return this.session.files.includes(fd) ? act(fd) : result(-FileError.badDescriptor);
  }

  private openFile(path: Uint8Array): number {
    const { files, session } = this;
    const made = files.virtualFile(path);
    const fd = made ? hostMemoryFile(made, 'gdb') : hostOpen(files.hostPath(path));
    if (fd < 0 || session.addFile(fd)) return fd;
    hostClose(fd);
    return -FileError.tooMany;
  }
}

/** `F` and a result, or -1 and the error's number. */
function result(value: number): Uint8Array {
  const error = -value > 91 ? FileError.unknown : -value;
  return Buffer.from(value >= 0 ? `F${value.toString(16)}` : `F-1,${error.toString(16)}`);
}

function withBytes(bytes: Uint8Array | number): Uint8Array {
  if (typeof bytes === 'number') return result(bytes);
  return Buffer.concat([Buffer.from(`F${bytes.length.toString(16)};`), bytes]);
}

/** `struct stat` of the protocol: big-endian, its fields of 4 and 8 bytes without gaps (appendix E.13.9). */
function statusBytes({ mode, size, modified }: Status): Uint8Array {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt32BE(mode >>> 0, 8);
  bytes.writeUInt32BE(1, 12);
  bytes.writeBigUInt64BE(BigInt(size), 28);
  bytes.writeBigUInt64BE(4096n, 36);
  bytes.writeBigUInt64BE(BigInt(Math.ceil(size / 512)), 44);
  bytes.writeUInt32BE(modified >>> 0, 56);
  return bytes;
}
