/**
 * Host memory for the time of one bridged call: cells of other widths than the guest's, structures, arrays. Calls nest where the
 * host's library calls the guest back, so it is a stack.
 */
import { HostBuffer } from '../runtime/host/buffer.js';

const BYTES = 1 << 18;

export class Scratch {
  private readonly buffer = new HostBuffer(BYTES);
  readonly view = this.buffer.view;
  readonly bytes = this.buffer.bytes;
  /** Host address of offset 0. */
  readonly address = this.buffer.address;
  /** What is below is in use; whoever took something puts it back to what it was. */
  top = 0;

  /** Offset of `bytes` zeroed bytes. @throws RangeError where so much is in use already */
  take(bytes: number): number {
    const at = this.top;
    this.top = at + ((bytes + 15) & -16);
    if (this.top > BYTES) {
      this.top = at;
      throw new RangeError(`a bridged call needs ${bytes} bytes of host memory`);
    }
    this.bytes.fill(0, at, this.top);
    return at;
  }
}
