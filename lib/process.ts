/**
 * An i386 Linux program as a process of the host. It gets a process of its own, not a Worker: programs change their directory,
 * descriptors and signals, fork and die of signals, and all of that is a process's, not a thread's. So the embedder's event loop
 * stays free, and what the program does reaches nobody else.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { BackendKind, EngineKind } from '../runtime/engine/index.js';
import type { CpuModelName } from '../runtime/cpu/cpuid.js';
import { GuestControl } from './control/guest-control.js';
import type { GuestArgument } from './guest-arguments.js';

export interface ProcessOptions {
  /** Path, or a name that is looked up along PATH in the root. */
  readonly program: string;
  readonly arguments?: readonly string[];
  /** The whole environment; this process's own where it is missing. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Directory with an i386 system in which absolute paths are looked up first; default: `bridge86 sysroot path`. */
  readonly root?: string;
  readonly cwd?: string;
  /** argv[0]. */
  readonly argv0?: string;
  /** What the standard descriptors are: `pipe` (the default), `inherit`, `ignore`, or a descriptor's number. */
  readonly stdin?: 'pipe' | 'inherit' | 'ignore' | number;
  readonly stdout?: 'pipe' | 'inherit' | 'ignore' | number;
  readonly stderr?: 'pipe' | 'inherit' | 'ignore' | number;
  /** Kills the process. */
  readonly signal?: AbortSignal;
  readonly engine?: EngineKind;
  readonly backend?: BackendKind;
  readonly cpu?: CpuModelName;
  readonly seed?: number;
  /** Libraries whose functions are the host's instead of the guest's, as `--bridge` has them: `['libz', 'libm']`, `['all']`. */
  readonly bridges?: readonly string[];
  /**
   * Files of modules that the program's own process loads, with functions in the place of the guest's: each exports by default a
   * `LibraryDeclaration`, or several. Generated code calls such functions directly.
   */
  readonly bridgeModules?: readonly (string | URL)[];
  /**
   * The program waits before its `main` and does what `Process.control` and `Process.call` ask for, until `control.resume()`. Its
   * accesses to memory are tested, which costs some speed.
   */
  readonly control?: boolean;
}

/** How a process ended. */
export type ProcessEnd =
  { readonly kind: 'exit'; readonly status: number } | { readonly kind: 'signal'; readonly signal: NodeJS.Signals };

/** Where the program's process finds the socket to this one. */
const CONTROL_DESCRIPTOR = 3;

const MAIN = fileURLToPath(new URL('cli/main.cjs', import.meta.url));

/** Node's flags that the command line's first line asks for. */
let nodeFlags: string[] | undefined;
function flags(): string[] {
  return (nodeFlags ??= (/^#!.* node (.*)$/m.exec(readFileSync(MAIN, 'latin1').slice(0, 1000))?.[1] ?? '').split(' '));
}

export class Process {
  /** Streams of the descriptors that are pipes, otherwise null. */
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  /**
   * How the process ended. Statuses 126 and 127 without any output of the program's: it could not be started (stderr says why).
   * Rejected where the host cannot start a process at all.
   */
  readonly exit: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  readonly #control: GuestControl | undefined;
  /** What a listener has thrown. */
  #thrown: Error | undefined;

  constructor(options: ProcessOptions) {
    const environment = options.environment ?? definedOnly(process.env);
    // Node's own variables are for the program, not for the Node that runs it.
    const own = Object.entries(environment).filter(([name]) => name.startsWith('NODE_'));
    const args = [...flags(), MAIN, 'run'];
    const put = (option: string, value: string | number | undefined): void => {
      if (value !== undefined) args.push(option, String(value));
    };
    put('-L', options.root);
    put('--engine', options.engine);
    put('--backend', options.backend);
    put('--cpu', options.cpu);
    put('--seed', options.seed);
    put('--argv0', options.argv0);
    for (const names of options.bridges ?? []) put('--bridge', names);
    for (const file of options.bridgeModules ?? []) {
      put('--bridge-module', typeof file === 'string' ? resolve(file) : fileURLToPath(file));
    }
    if (options.control) put('--control', CONTROL_DESCRIPTOR);
    for (const [name, value] of own) put('-E', `${name}=${value}`);
    args.push('--', options.program, ...(options.arguments ?? []));
    const stdio: StdioOptions = [options.stdin ?? 'pipe', options.stdout ?? 'pipe', options.stderr ?? 'pipe'];
    if (options.control) stdio.push('pipe');
    this.#child = spawn(process.execPath, args, {
      env: Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('NODE_'))),
      stdio,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const { stdin, stdout, stderr } = this.#child;
    [this.stdin, this.stdout, this.stderr] = [stdin, stdout, stderr];
    // A program need not read all that it is given.
    stdin?.on('error', () => undefined);
    if (options.control) {
      const socket = this.#child.stdio[CONTROL_DESCRIPTOR];
      // Where the process could not be started there is none; `exit` tells.
      if (socket) {
        this.#control = new GuestControl(socket as Duplex, (error) => {
          this.#thrown ??= error;
          this.dispose();
        });
      }
    }
    this.exit = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', (status, signal) => {
        if (this.#thrown) reject(this.#thrown);
        else resolve(signal === null ? { kind: 'exit', status: status ?? 0 } : { kind: 'signal', signal });
      });
    });
    this.exit.catch(() => undefined);
    const { signal } = options;
    if (signal) {
      const abort = (): void => this.dispose();
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
      void this.exit.finally(() => signal.removeEventListener('abort', abort)).catch(() => undefined);
    }
  }

  /** The process's id, also the guest's; undefined where it was not started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** What one can do with a program that was started with `control`. */
  get control(): GuestControl {
    if (!this.#control) throw new Error('the process was made without control');
    return this.#control;
  }

  /** Calls a function of the program's or its libraries' by its prototype: `int add(int a, int b)`; see `GuestControl.call`. */
  call(prototype: string, ...args: GuestArgument[]): Promise<number | bigint> {
    return this.control.call(prototype, ...args);
  }

  /** Sends a signal, which the program's own handlers get. */
  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.#child.kill(signal);
  }

  /** All that the program writes to its standard output, as UTF-8, and how it ended. */
  async output(): Promise<{ text: string; end: ProcessEnd }> {
    const pieces: Buffer[] = [];
    if (this.stdout) for await (const piece of this.stdout) pieces.push(piece as Buffer);
    return { text: Buffer.concat(pieces).toString(), end: await this.exit };
  }

  /** Ends the process at once, if it still runs. */
  dispose(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function definedOnly(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
