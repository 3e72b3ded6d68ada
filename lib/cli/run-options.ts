/**
 * The options of `bridge86 run`: declared once, in yargs' terms (for the help), and read here without yargs, for two
 * reasons. A run must start quickly, and everything after the program's name is the guest's: it must get through
 * byte by byte, whatever it looks like. Strings are therefore "binary": one char a byte.
 */
import type { Options } from 'yargs';
import type { CpuModelName } from '../../runtime/cpu/cpuid.js';
import type { BackendKind, EngineKind, MemoryMode, X87Kind } from '../../runtime/engine/engine.js';
import { ExitStatus, Failure } from './failure.js';

export const ENGINES = ['interpret', 'block', 'region', 'lockstep'] as const satisfies readonly EngineKind[];
export const BACKENDS = ['js', 'wasm', 'auto'] as const satisfies readonly BackendKind[];
export const MEMORY_MODES = ['lazy', 'precise'] as const satisfies readonly MemoryMode[];
export const X87_KINDS = ['exact', 'double'] as const satisfies readonly X87Kind[];
export const DUMPS = ['in_asm', 'ir', 'js', 'wasm'] as const;
export type DumpKind = (typeof DUMPS)[number];
export const CPU_MODELS = ['486', 'pentium3', 'core2', 'nehalem', 'max'] as const satisfies readonly CpuModelName[];

/** Options as yargs shows them. A key of one letter is written `-k`, a longer one `--key`. */
export const RUN_OPTIONS = {
  L: { describe: "look up the guest's absolute paths in DIR first (default: bridge86 sysroot path)", type: 'string' },
  E: { describe: 'set an environment variable: VAR=VALUE', type: 'string' },
  U: { describe: 'remove an environment variable: VAR', type: 'string' },
  argv0: { describe: "the program's argv[0]", type: 'string' },
  strace: { describe: 'print every system call with its arguments and result', type: 'boolean' },
  engine: { describe: 'how the guest is executed', choices: ENGINES, default: 'region' },
  backend: { describe: 'what generated code is written in (default: auto for regions, else js)', choices: BACKENDS },
  memory: {
    describe: 'how generated code finds faults (precise: with exact registers)',
    choices: MEMORY_MODES,
    default: 'lazy',
  },
  x87: {
    describe: 'x87 numbers: as the processor has them, or doubles, fast and inexact',
    choices: X87_KINDS,
    default: 'exact',
  },
  dump: { describe: `print what is translated: ${DUMPS.join(',')}`, type: 'string' },
  'dump-range': { describe: 'only translations in LO-HI (hexadecimal) or of a SYMBOL', type: 'string' },
  stats: { describe: 'print statistics at the end', type: 'boolean' },
  prof: { describe: "write a profile of the guest's functions to FILE (.cpuprofile)", type: 'string' },
  'perf-map': { describe: "name generated functions for the host's perf: /tmp/perf-PID.map", type: 'boolean' },
  cpu: { describe: 'the processor that cpuid shows', choices: CPU_MODELS },
  bridge: { describe: "call the host's libraries instead of the guest's: libz,libm or all", type: 'string' },
  'bridge-symbol': { describe: 'bridge single functions: LIBRARY:FUNCTION,...', type: 'string' },
  'bridge-module': { describe: 'bridges to functions of your own: a JavaScript module', type: 'string' },
  'bridge-stubs': { describe: 'take bridged libraries from DIR (bridge86 nativelib build)', type: 'string' },
  'no-bridge': { describe: 'bridge nothing, whatever BRIDGE86_BRIDGES says', type: 'boolean' },
  'bridge-report': { describe: 'print at the end what was bridged, what was not, and why', type: 'boolean' },
  cache: { describe: "put the program's end off until its translations are kept for later runs", type: 'boolean' },
  'no-keep': { describe: 'use translations of other runs, but keep none of this', type: 'boolean' },
  'no-cache': { describe: 'neither use nor keep translations of other runs', type: 'boolean' },
  g: { describe: 'wait for gdb on a TCP PORT of this machine, or on unix:PATH', type: 'string' },
  /** Says nothing to people: `Process` of the embedding interface gives it. */
  control: {
    describe: 'descriptor of a socket by which an embedder controls the program',
    type: 'number',
    hidden: true,
  },
  seed: { describe: "a number that fixes the guest's random bytes", type: 'number' },
} as const satisfies Record<string, Options>;

type OptionName = keyof typeof RUN_OPTIONS;

export interface RunOptions {
  /** -L; undefined: the default sysroot where there is one. */
  sysroot: string | undefined;
  /** -E and -U in their order: `VAR=VALUE` sets, `VAR` removes. */
  environmentChanges: string[];
  argv0: string | undefined;
  strace: boolean;
  engine: EngineKind;
  /** Undefined: what suits the engine. */
  backend: BackendKind | undefined;
  memory: MemoryMode;
  x87: X87Kind;
  dump: DumpKind[];
  dumpRange: string | undefined;
  stats: boolean;
  /** File for a profile. */
  prof: string | undefined;
  perfMap: boolean;
  cpu: CpuModelName | undefined;
  seed: number | undefined;
  /** -g: where to wait for gdb. */
  gdb: { port: number } | { path: string } | undefined;
  /** --control: a socket to the embedder. */
  control: number | undefined;
  /** --bridge, --bridge-symbol; `bridge` undefined: what BRIDGE86_BRIDGES says. */
  bridge: string[] | undefined;
  bridgeSymbols: string[];
  bridgeModules: string[];
  bridgeStubs: string | undefined;
  bridgeReport: boolean;
  /** Translations of other runs are used, and those of this run kept, too; its end waits for that; only used; neither. */
  cache: 'keep' | 'wait' | 'use' | 'off';
  program: string;
  /** Without argv[0]. */
  arguments: string[];
}

/** Thrown by `-h` and `--help` before the program's name. */
export class HelpRequest extends Error {}

function usage(message: string): Failure {
  return new Failure(`${message} (bridge86 run --help tells more)`, ExitStatus.usage);
}

function oneOf<T extends string>(option: string, value: string, choices: readonly T[]): T {
  if (!(choices as readonly string[]).includes(value)) {
    throw usage(`${option} ${value}: choose one of ${choices.join(', ')}`);
  }
  return value as T;
}

/** Splits `-Lvalue`, `--name=value`, `-name` (as qemu-user writes long options) into name and attached value. */
function splitOption(argument: string): { name: string; value: string | undefined } {
  const body = argument.replace(/^--?/, '');
  const equals = body.indexOf('=');
  const word = equals < 0 ? body : body.slice(0, equals);
  if (Object.hasOwn(RUN_OPTIONS, word) && (word.length > 1 || !argument.startsWith('--'))) {
    // -E=x would be taken for a value that begins with an equals sign by those who write -EVAR=x.
    if (word.length > 1 || equals < 0) return { name: word, value: equals < 0 ? undefined : body.slice(equals + 1) };
  }
  if (argument.startsWith('--')) return { name: word, value: equals < 0 ? undefined : body.slice(equals + 1) };
  return { name: body[0] ?? '', value: body.length > 1 ? body.slice(1) : undefined };
}

/** Reads the arguments after `run`. Throws `Failure` (status 2) for wrong usage and `HelpRequest`. */
export function parseRunArguments(args: readonly string[]): RunOptions {
  const options: RunOptions = {
    sysroot: undefined,
    environmentChanges: [],
    argv0: undefined,
    strace: false,
    engine: RUN_OPTIONS.engine.default,
    backend: undefined,
    memory: RUN_OPTIONS.memory.default,
    x87: RUN_OPTIONS.x87.default,
    dump: [],
    dumpRange: undefined,
    stats: false,
    prof: undefined,
    perfMap: false,
    cpu: undefined,
    seed: undefined,
    gdb: undefined,
    control: undefined,
    bridge: undefined,
    bridgeSymbols: [],
    bridgeModules: [],
    bridgeStubs: undefined,
    bridgeReport: false,
    cache: 'keep',
    program: '',
    arguments: [],
  };
  let at = 0;
  while (at < args.length) {
    const argument = args[at]!;
    if (!argument.startsWith('-') || argument === '-') break;
    at++;
    if (argument === '--') break;
    if (argument === '-h' || argument === '--help' || argument === '-help') throw new HelpRequest();
    const split = splitOption(argument);
    const name = split.name === '0' ? 'argv0' : split.name;
    const shown = `${name.length === 1 ? '-' : '--'}${name}`;
    if (!Object.hasOwn(RUN_OPTIONS, name)) throw usage(`unknown option ${shown}`);
    const takesValue = !isFlag(name as OptionName);
    if (!takesValue && split.value !== undefined) throw usage(`${shown} takes no value`);
    if (takesValue && split.value === undefined && at >= args.length) throw usage(`${shown} needs a value`);
    setOption(options, name as OptionName, shown, takesValue ? (split.value ?? args[at++]!) : '');
  }
  if (at >= args.length) throw usage('no program is given');
  options.program = args[at]!;
  options.arguments = args.slice(at + 1);
  return options;
}

function isFlag(name: OptionName): boolean {
  const declaration: Options = RUN_OPTIONS[name];
  return declaration.type === 'boolean';
}

function setOption(options: RunOptions, name: OptionName, shown: string, value: string): void {
  switch (name) {
    case 'L':
      options.sysroot = value;
      break;
    case 'E':
      if (!/^[^=]+=/.test(value)) throw usage(`${shown} ${value}: VAR=VALUE is expected`);
      options.environmentChanges.push(value);
      break;
    case 'U':
      if (value === '' || value.includes('=')) throw usage(`${shown} ${value}: the name of a variable is expected`);
      options.environmentChanges.push(value);
      break;
    case 'argv0':
      options.argv0 = value;
      break;
    case 'strace':
      options.strace = true;
      break;
    case 'stats':
      options.stats = true;
      break;
    case 'prof':
      options.prof = value;
      break;
    case 'perf-map':
      options.perfMap = true;
      break;
    case 'engine':
      options.engine = oneOf(shown, value, ENGINES);
      break;
    case 'backend':
      options.backend = oneOf(shown, value, BACKENDS);
      break;
    case 'memory':
      options.memory = oneOf(shown, value, MEMORY_MODES);
      break;
    case 'x87':
      options.x87 = oneOf(shown, value, X87_KINDS);
      break;
    case 'dump':
      options.dump = value.split(',').map((kind) => oneOf(shown, kind, DUMPS));
      break;
    case 'dump-range':
      options.dumpRange = value;
      break;
    case 'cpu':
      options.cpu = oneOf(shown, value, CPU_MODELS);
      break;
    case 'bridge':
      (options.bridge ??= []).push(value);
      break;
    case 'bridge-symbol':
      options.bridgeSymbols.push(value);
      break;
    case 'bridge-module':
      options.bridgeModules.push(value);
      break;
    case 'bridge-stubs':
      options.bridgeStubs = value;
      break;
    case 'no-bridge':
      options.bridgeStubs = undefined;
      options.bridge = [];
      options.bridgeSymbols = [];
      options.bridgeModules = [];
      break;
    case 'bridge-report':
      options.bridgeReport = true;
      break;
    case 'cache':
      options.cache = 'wait';
      break;
    case 'no-keep':
      options.cache = 'use';
      break;
    case 'no-cache':
      options.cache = 'off';
      break;
    case 'g':
      if (value.startsWith('unix:')) options.gdb = { path: Buffer.from(value.slice(5), 'latin1').toString() };
      else if (/^[0-9]{1,5}$/.test(value) && Number(value) < 65536) options.gdb = { port: Number(value) };
      else throw usage(`${shown} ${value}: a port's number or unix:PATH is expected`);
      break;
    case 'control':
      if (!/^\d{1,9}$/.test(value)) throw usage(`${shown} ${value}: a descriptor is expected`);
      options.control = Number(value);
      break;
    case 'seed':
      if (!/^\d{1,15}$/.test(value)) throw usage(`${shown} ${value}: a number is expected`);
      options.seed = Number(value);
      break;
  }
}
