/**
 * What becomes of a child of fork while gdb is there: it waits until gdb has told its parent which of the two it wants. The
 * child has a copy of everything, the connection to gdb too, so that it can go on with it where the parent left off.
 */
import { HostBuffer, hostClose } from '../host/buffer.js';
import { syscall } from '../host/libc.js';
import { SocketStream } from '../host/socket.js';
import { Host } from '../linux/constants/host-syscalls.js';
import type { ForkedChild } from './gdb/server.js';

const O_CLOEXEC = 0o2000000;

export class ForkDecision {
  private readonly readEnd: number;
  private readonly writeEnd: number;

  /** Before the fork. */
  constructor() {
    const buffer = new HostBuffer(128);
    const made = syscall(Host.pipe2, buffer.address, O_CLOEXEC) === 0;
    this.readEnd = made ? buffer.view.getInt32(0, true) : -1;
    this.writeEnd = made ? buffer.view.getInt32(4, true) : -1;
  }

  /** In the child: waits. Breakpoints to be set and taken away where gdb is the child's from now on, else undefined. */
  wait(): ForkedChild['points'] | undefined {
    hostClose(this.writeEnd);
    const stream = new SocketStream(this.readEnd);
    const pieces: Uint8Array[] = [];
    for (;;) {
      const bytes = stream.read();
      if (bytes.length === 0) break;
      pieces.push(bytes);
    }
    stream.close();
    const text = Buffer.concat(pieces).toString();
    return text === '' ? undefined : (JSON.parse(text) as ForkedChild['points']);
  }

  /** In the parent: the child goes on with gdb where its breakpoints are given, without it otherwise. */
  decide(points?: ForkedChild['points']): void {
    hostClose(this.readEnd);
    const stream = new SocketStream(this.writeEnd);
    if (points) stream.write(Buffer.from(JSON.stringify(points)));
    stream.close();
  }
}
