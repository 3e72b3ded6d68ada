/** `--prof FILE`: starts the profile of a guest process, and writes it at the end. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Inspector from 'node:inspector';
import type { LinuxProcess } from '../../runtime/linux/process.js';
import type { CpuProfile } from '../../runtime/profile/cpu-profile.js';
import { demangle } from '../../runtime/profile/demangle.js';
import { type HostProfiler, ProcessProfiler } from '../../runtime/profile/process-profiler.js';
import { Failure, messageOf } from './failure.js';
import { lastingDescriptor } from './stats.js';

/** Milliseconds between samples. */
const INTERVAL = 1;

export function startProfile(guest: LinuxProcess, file: string): void {
  const path = Buffer.from(file, 'latin1');
  let descriptor: number;
  try {
    const opened = openSync(path, 'w', 0o666);
    // Above those that guests count on to be free.
    descriptor = lastingDescriptor(opened);
    closeSync(opened);
  } catch (error) {
    throw new Failure(`--prof ${file}: ${messageOf(error)}`);
  }
  guest.profiler = new ProcessProfiler(guest, inspectorProfiler(), {
    interval: INTERVAL,
    demangle,
    onEnd: (profile) => {
      const bytes = Buffer.from(JSON.stringify(profile));
      for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done);
    },
  });
  guest.profiler.start();
}

function inspectorProfiler(): HostProfiler {
  const { Session } = createRequire('/')('node:inspector') as typeof Inspector;
  const session = new Session();
  session.connect();
  // The answers come before `post` returns.
  return {
    start: (interval) => {
      session.post('Profiler.enable');
      session.post('Profiler.setSamplingInterval', { interval });
      session.post('Profiler.start');
    },
    stop: () => {
      let profile: CpuProfile | undefined;
      session.post('Profiler.stop', (error: Error | null, result: { profile: CpuProfile }) => {
        if (error) throw error;
        ({ profile } = result);
      });
      return profile!;
    },
  };
}
