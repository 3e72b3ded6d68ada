/** Makes a case that differs as simple as it can be: fewer instructions, less memory, zeros in the state. */
import { Field, STACK_POINTER, type MachineState } from '../machine.js';
import { assemble } from './sequences.js';
import type { Subject } from './subject.js';

const MAXIMUM_ROUNDS = 60;

/**
 * @param differs which of some subjects still differ
 * @returns the simplest subject found that does
 */
export function minimise(subject: Subject, differs: (subjects: readonly Subject[]) => boolean[]): Subject {
  for (let round = 0; round < MAXIMUM_ROUNDS; round++) {
    const shorter = shortened(subject);
    const better = firstThat(shorter, differs) ?? firstThat(simplified(subject), differs);
    if (!better) break;
    subject = better;
  }
  return subject;
}

function firstThat(
  subjects: readonly Subject[],
  differs: (subjects: readonly Subject[]) => boolean[],
): Subject | undefined {
  if (subjects.length === 0) return undefined;
  const index = differs(subjects).indexOf(true);
  return subjects[index];
}

/** Sequences with one instruction less each; of one instruction only, a case of its declaration. */
function shortened(subject: Subject): Subject[] {
  const { parts, test } = subject;
  if (!parts) return [];
  const [only] = parts;
  if (parts.length === 1) {
    return only!.jump ? [] : [{ test: { ...test }, declaration: only!.declaration, variant: undefined }];
  }
  return parts.flatMap((_, i) => {
    const made = assemble(
      parts.filter((_, j) => j !== i),
      test.state,
    );
    if (!made) return [];
    return [{ ...subject, test: made.test, parts: made.parts, undefinedFlags: made.undefinedFlags }];
  });
}

/** Cases with one thing less each. */
function simplified(subject: Subject): Subject[] {
  const { test } = subject;
  const result: Subject[] = [];
  const withState = (change: (state: MachineState) => void): void => {
    const state = test.state.clone();
    change(state);
    if (Buffer.compare(state.bytes, test.state.bytes) !== 0) result.push({ ...subject, test: { ...test, state } });
  };
  for (let i = 0; i < test.memory.length; i++) {
    result.push({ ...subject, test: { ...test, memory: test.memory.filter((_, j) => j !== i) } });
  }
  for (let i = 0; i < 8; i++) {
    if (i === 4) continue;
    withState((state) => state.setRegister(i, 0));
    withState((state) => state.setRegister(i, state.register(i) & 0xffff));
    withState((state) => state.setRegister(i, state.register(i) & 0xff));
  }
  withState((state) => state.setRegister(4, STACK_POINTER));
  for (const bit of [0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800]) {
    withState((state) => state.setU32(Field.eflags, state.u32(Field.eflags) & ~bit));
  }
  withState((state) => state.setU16(Field.fxControl, 0x37f));
  withState((state) => state.setU16(Field.fxStatus, state.u16(Field.fxStatus) & 0x3800));
  withState((state) => state.setU16(Field.fxStatus, 0));
  withState((state) => (state.bytes[Field.fxTags] = 0xff));
  withState((state) => state.setU32(Field.mxcsr, 0x1f80));
  for (let i = 0; i < 8; i++) {
    withState((state) => state.bytes.fill(0, Field.st + 16 * i, Field.st + 16 * i + 16));
    withState((state) => state.bytes.fill(0, Field.xmm + 16 * i, Field.xmm + 16 * i + 16));
    for (let j = 0; j < 16; j += 4) {
      withState((state) => state.bytes.fill(0, Field.xmm + 16 * i + j, Field.xmm + 16 * i + j + 4));
    }
  }
  return result;
}
