/**
 * `bridge86 run`: makes a process of the program and its surroundings, runs it in this very process and ends as it ends.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { Bridges } from '../../../bridges/bridges.js';
import type { BridgedLibrary } from '../../../bridges/library.js';
import { selectBridges, SelectionError } from '../../../bridges/selection.js';
import { useStubDirectory } from '../../../bridges/stub-directory.js';
import { cpuModel, hardwareCapabilities } from '../../../runtime/cpu/cpuid.js';
import type { BackendKind } from '../../../runtime/engine/engine.js';
import { createEngine, type EngineOptions } from '../../../runtime/engine/index.js';
import type { KeptOptions } from '../../../runtime/engine/persistent/translations.js';
import type { CodeRange } from '../../../runtime/engine/persistent/unit.js';
import { LockstepDifference } from '../../../runtime/engine/lockstep.js';
import { syscall } from '../../../runtime/host/libc.js';
import { Host } from '../../../runtime/linux/constants/host-syscalls.js';
import { endHostProcess, LinuxProcess, type Keeping, type ProcessOptions } from '../../../runtime/linux/process.js';
import { StraceWriter } from '../../../runtime/linux/strace.js';
import { runHostThread } from '../../../runtime/linux/threads/host-thread.js';
import { LoadError } from '../../../runtime/loader/load-error.js';
import { defaultSysroot } from '../../sysroot/location.js';
import { translationDirectory } from '../cache-directory.js';
import { dumpHooks } from '../dump.js';
import { ExitStatus, Failure, report, ReportedFailure } from '../failure.js';
import { changedEnvironment, rawEnvironment } from '../raw-arguments.js';
import type { RunOptions } from '../run-options.js';
import { finishPerfMap, requirePerfMap } from '../perf-map.js';
import { lastingReport, reportStatistics } from '../stats.js';
import { startWorker, type ThreadData } from '../worker.js';

const PROT_WRITE = 2;
const PROT_EXEC = 4;

const fromBinary = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** What whoever started the emulator knows of it. */
export interface RunContext {
  /** Called after the guest's end, though not in the children that it forked. */
  readonly atEnd?: () => void;
  /** What V8 has compiled of the emulator so far, for Workers; undefined where they find it in a file. */
  readonly compiledCode?: () => Uint8Array;
  /** Tells this build of the emulator from others; without it no translations are kept. */
  readonly version?: string;
  /** `import` of a file's address: the bundle has none of its own. */
  readonly importModule?: (url: string) => Promise<unknown>;
  /** Connects what watches the guest: gdb, an embedder, a profiler. */
  readonly attach?: (guest: LinuxProcess, options: RunOptions) => void;
  /** What --bridge-module named. */
  readonly bridgeLibraries?: readonly BridgedLibrary[];
}

/** Never returns: the process ends with the guest, without Node's own teardown (a fork's child must not run that). */
export function run(options: RunOptions, context: RunContext): never {
  const { atEnd } = context;
  const environment = changedEnvironment(rawEnvironment(), options.environmentChanges);
  const sysroot = sysrootOf(options);
  let bridges: Bridges | undefined;
  try {
    const guest = new LinuxProcess({
      ...processOptions(options, context, (made) => (bridges = made)),
      keeping: keepingOf(options),
      ...(options.stats || options.bridgeReport ? { report: lastingReport() } : {}),
    });
    if (options.perfMap) {
      // What was inherited is to stay open.
      guest.files.takeOver();
      requirePerfMap();
    }
    load(guest, options, environment, sysroot);
    context.attach?.(guest, options);
    const { pid } = guest;
    const end = guest.run();
    guest.profiler?.finish();
    guest.keepTranslations(false);
    if (options.perfMap) finishPerfMap();
    if (options.stats) reportStatistics(guest);
    if (options.bridgeReport) for (const line of bridges?.reportLines() ?? []) guest.report(line);
    if (guest.pid === pid) atEnd?.();
    endHostProcess(guest, end);
  } catch (error) {
    endByFailure(error);
  }
}

/** A Worker of a run: its life long it runs threads of the guest. */
export function runThread({ start, options }: ThreadData, context: RunContext = {}): never {
  try {
    const { bridgeLibraries = [], compiledCode, attach } = context;
    const process = processOptions(options, { bridgeLibraries, ...(compiledCode && { compiledCode }) });
    const guest = new LinuxProcess({ ...process, thread: start });
    attach?.(guest, options);
    endHostProcess(guest, runHostThread(guest));
  } catch (error) {
    endByFailure(error);
  }
}

function processOptions(
  options: RunOptions,
  { version, compiledCode, bridgeLibraries = [] }: RunContext,
  onBridges?: (bridges: Bridges | undefined) => void,
): ProcessOptions {
  const sysroot = sysrootOf(options);
  const random = options.seed === undefined ? undefined : seededBytes(options.seed);
  let compiled: Uint8Array | undefined;
  return {
    createEngine: (guest) => {
      const bridges = createBridges(options, guest, bridgeLibraries);
      onBridges?.(bridges);
      return createEngine(guest.memory, guest.cpu, {
        ...engineOptions(options, guest),
        ...(bridges ? { bridges } : keptOptions(options, guest, version)),
      });
    },
    // What a debugger shows must be so, and what a snapshot misses must be noticed.
    memory: options.gdb || options.control !== undefined ? 'precise' : options.memory,
    hardwareCapabilities: hardwareCapabilities(cpuModel(options.cpu ?? 'max')),
    startHostThread: (start) => {
      if (compiledCode) compiled ??= compiledCode();
      startWorker({ start, options, ...(compiled && { compiled }) });
    },
    ...(sysroot === undefined ? {} : { sysroot }),
    ...(random ? { random } : {}),
    ...(options.strace ? { strace: new StraceWriter() } : {}),
  };
}

function endByFailure(error: unknown): never {
  const failure =
    error instanceof LoadError
      ? new Failure(error.message, error.exitStatus)
      : error instanceof LockstepDifference
        ? new ReportedFailure(error.message, ExitStatus.internal)
        : error instanceof RangeError && error.message.includes('WebAssembly.Memory')
          ? new Failure('the guest needs 4 GiB of address space, more than the limit (ulimit -v) leaves')
          : error;
  const status = report(failure);
  for (;;) syscall(Host.exit_group, status);
}

function load(
  guest: LinuxProcess,
  options: RunOptions,
  environment: readonly string[],
  sysroot: string | undefined,
): void {
  const path = findProgram(options.program, environment, sysroot);
  const args = [options.argv0 ?? options.program, ...options.arguments];
  guest.load(fromBinary(path), args.map(fromBinary), environment.map(fromBinary));
}

function engineOptions(options: RunOptions, guest: LinuxProcess): EngineOptions {
  return {
    kind: options.engine,
    backend: options.backend ?? defaultBackend(options),
    x87: options.x87,
    cpuModel: options.cpu ?? 'max',
    symbolAt: (address) => guest.profiler?.functionName(address) ?? guest.symbols.symbolAt(address)?.name,
    namesFunctions: namesFunctions(options),
    counts: options.stats,
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.dump.length > 0 ? dumpHooks(options, guest) : {}),
  };
}

/** Whether profilers want to know generated functions by their names. */
function namesFunctions({ prof, perfMap }: RunOptions): boolean {
  return prof !== undefined || perfMap;
}

/** JavaScript where somebody wants to see it, and for translations of few blocks, which are not worth a module. */
function defaultBackend({ engine, dump }: RunOptions): BackendKind {
  return engine !== 'region' || (dump.includes('js') && !dump.includes('wasm')) ? 'js' : 'auto';
}

/** What becomes of this run's translations. */
function keepingOf({ cache }: RunOptions): Keeping {
  if (cache === 'wait') return 'wait';
  return cache === 'keep' && (process.env.BRIDGE86_NO_KEEP ?? '') === '' ? 'background' : 'none';
}

/** Where translations are kept, unless the options or the environment have it otherwise. */
function keptOptions(
  options: RunOptions,
  { mappings: { regions } }: LinuxProcess,
  version: string | undefined,
): { kept?: KeptOptions } {
  const { cache, cpu } = options;
  // Kept functions have no names.
  if (
    namesFunctions(options) ||
    cache === 'off' ||
    version === undefined ||
    (process.env.BRIDGE86_NO_CACHE ?? '') !== ''
  )
    return {};
  const codeRangeAt = (address: number): CodeRange | undefined => {
    const region = regions.at(address);
    if (!region || region.shared || (region.protection & (PROT_EXEC | PROT_WRITE)) !== PROT_EXEC) return undefined;
    return { start: region.start, end: region.end };
  };
  const key = [version, process.versions.v8, cpu ?? 'max'].join(' ');
  return { kept: { directory: translationDirectory(), key, codeRangeAt } };
}

/** The bridges that the options or the environment ask for; undefined for none, so that nothing of them costs anything. */
function createBridges(
  options: RunOptions,
  guest: LinuxProcess,
  modules: readonly BridgedLibrary[],
): Bridges | undefined {
  const wanted = options.bridge ?? [process.env.BRIDGE86_BRIDGES ?? ''];
  const { bridgeStubs } = options;
  if (bridgeStubs !== undefined) useStubDirectory(guest.paths, bridgeStubs);
  else if (modules.length + options.bridgeSymbols.length === 0 && wanted.every((text) => text === '')) return undefined;
  if (options.engine === 'lockstep') throw new Failure('--engine lockstep runs everything twice: no bridges');
  try {
    return new Bridges(guest, selectBridges(wanted, options.bridgeSymbols, modules));
  } catch (error) {
    if (error instanceof SelectionError) throw new Failure(error.message, ExitStatus.usage);
    throw error;
  }
}

/** The sysroot as a path for the host; undefined where there is none. */
function sysrootOf({ sysroot }: RunOptions): string | undefined {
  // A directory that is named but missing is no error for qemu-user, either: paths are the host's then.
  if (sysroot !== undefined) return Buffer.from(sysroot, 'latin1').toString('utf8');
  const path = defaultSysroot();
  return existsSync(path) ? path : undefined;
}

/**
 * The guest's path of the program: as given when it has a slash or is a file here (as for qemu-user), else found along PATH in
 * the sysroot (the host's own directories hold the host's programs).
 */
function findProgram(program: string, environment: readonly string[], sysroot: string | undefined): string {
  if (program === '') throw new Failure('the name of the program is empty', ExitStatus.notFound);
  if (program.includes('/') || sysroot === undefined || existsSync(fromBinary(program) as Buffer)) return program;
  const path = environment.find((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? '/usr/bin:/bin';
  const prefix = Buffer.from(sysroot, 'utf8').toString('latin1');
  for (const directory of path.split(':')) {
    if (directory.startsWith('/') && isExecutable(`${prefix}${directory}/${program}`)) return `${directory}/${program}`;
  }
  return program;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(fromBinary(path) as Buffer, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Bytes that follow from a seed (the high bytes of a linear congruence: they need not be secret). */
function seededBytes(seed: number): (length: number) => Uint8Array {
  let state = seed >>> 0;
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    });
}
