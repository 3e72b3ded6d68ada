/**
 * Debian's apt-get made to work for an i386 sysroot of the user's own: package lists and downloads in a cache directory,
 * the sysroot's status file in place of the host's, the host's sources and keyrings (so signatures are checked as the
 * host checks them), no root. apt decides what is needed and fetches it; it never runs dpkg.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SysrootError } from './error.js';
import { runTool, type ToolResult } from './subprocess.js';

/** Lists older than this are refreshed before packages are looked up. */
const LISTS_MAXIMUM_AGE = 24 * 60 * 60 * 1000;

export interface PlannedPackage {
  readonly name: string;
  readonly version: string;
  /** `i386` or `all`. */
  readonly architecture: string;
  /** The version in the sysroot that this one replaces. */
  readonly replaces?: string;
}

export interface Plan {
  /** In an order in which dependencies come first where that is possible. */
  readonly install: readonly PlannedPackage[];
  /** Names of packages in the sysroot that must go. */
  readonly remove: readonly string[];
}

export class Apt {
  private readonly configuration: string;
  private readonly lists: string;
  private readonly archives: string;
  private readonly stamp: string;

  /** @param directory cache directory, made where it is missing; @param statusFile the sysroot's dpkg status file */
  constructor(directory: string, statusFile: string) {
    this.configuration = join(directory, 'apt.conf');
    this.lists = join(directory, 'lists');
    this.archives = join(directory, 'archives');
    this.stamp = join(directory, 'lists.updated');
    for (const path of [join(this.lists, 'partial'), join(this.archives, 'partial'), join(directory, 'log')]) {
      mkdirSync(path, { recursive: true });
    }
    const settings: readonly (readonly [string, string])[] = [
      ['APT::Architecture', 'i386'],
      ['APT::Install-Recommends', 'false'],
      // As root apt would fetch as the user _apt, who cannot write to this directory.
      ['APT::Sandbox::User', ''],
      ['APT::Keep-Downloaded-Packages', 'true'],
      ['Acquire::Languages', 'none'],
      ['Dir::State', directory],
      ['Dir::State::Lists', this.lists],
      ['Dir::State::status', statusFile],
      ['Dir::Cache', directory],
      ['Dir::Cache::Archives', this.archives],
      ['Dir::Log', join(directory, 'log')],
    ];
    writeFileSync(
      this.configuration,
      [
        // The host's hooks tend the host's caches: they are not ours to run.
        ...['Update::Pre-Invoke', 'Update::Post-Invoke', 'Update::Post-Invoke-Success'].map(
          (hook) => `#clear APT::${hook};`,
        ),
        '#clear DPkg::Pre-Install-Pkgs;',
        '#clear APT::Architectures;',
        'APT::Architectures { "i386"; };',
        // Only package lists: no icons, metadata or file lists that desktop software registers.
        '#clear Acquire::IndexTargets::deb::DEP-11;',
        ...settings.map(([name, value]) => `${name} ${JSON.stringify(value)};`),
        '',
      ].join('\n'),
    );
  }

  private run(args: readonly string[], onStatusLine?: (line: string) => void): Promise<ToolResult> {
    return runTool('apt-get', ['-c', this.configuration, ...args], onStatusLine ? { onStatusLine } : {});
  }

  /** Whether the package lists are missing or a day old. */
  get listsAreStale(): boolean {
    return !existsSync(this.stamp) || Date.now() - statSync(this.stamp).mtimeMs > LISTS_MAXIMUM_AGE;
  }

  /** Refreshes the package lists. A source that fails is no reason to stop as long as there are lists: its error is returned. */
  async update(progress: (fraction: number) => void): Promise<string | undefined> {
    const result = await this.run(['-o', 'APT::Status-Fd=3', 'update'], downloadProgress(progress));
    const haveLists = readdirSync(this.lists).some((name) => /_Packages(\.|$)/.test(name));
    if (!haveLists) throw new SysrootError(`the package lists could not be fetched: ${firstError(result)}`);
    if (result.status !== 0) return firstError(result);
    writeFileSync(this.stamp, '');
    utimesSync(this.stamp, new Date(), new Date());
    return undefined;
  }

  /** What has to be installed and removed for the sysroot to hold `packages`. */
  async plan(packages: readonly string[]): Promise<Plan> {
    const result = await this.run([
      '-s',
      '-o',
      'APT::Get::Show-User-Simulation-Note=false',
      '-f',
      'install',
      ...packages,
    ]);
    if (result.status !== 0) throw new SysrootError(firstError(result));
    return parsePlan(result.stdout);
  }

  /** All packages that go when `packages` are removed: these and those that depend on them. */
  async removals(packages: readonly string[]): Promise<string[]> {
    const result = await this.run(['-s', '-o', 'APT::Get::Show-User-Simulation-Note=false', 'remove', ...packages]);
    if (result.status !== 0) throw new SysrootError(firstError(result));
    return parsePlan(result.stdout).remove.slice();
  }

  /** Fetches the packages of a plan for `packages`. */
  async download(packages: readonly string[], progress: (fraction: number) => void): Promise<void> {
    const args = ['-y', '-o', 'APT::Status-Fd=3', '--download-only', '-f', 'install', ...packages];
    const result = await this.run(args, downloadProgress(progress));
    if (result.status !== 0) throw new SysrootError(firstError(result));
  }

  /** The file that `download` left for a package. */
  archive(planned: PlannedPackage): string {
    // apt quotes the epoch's colon in file names.
    const version = planned.version.replaceAll(':', '%3a');
    return join(this.archives, `${planned.name}_${version}_${planned.architecture}.deb`);
  }

  discardArchive(planned: PlannedPackage): void {
    rmSync(this.archive(planned), { force: true });
  }
}

/** The `Inst` and `Remv` lines of a simulation. */
function parsePlan(text: string): Plan {
  const install: PlannedPackage[] = [];
  const remove: string[] = [];
  for (const line of text.split('\n')) {
    const inst = /^Inst (\S+?)(?::i386)?(?: \[([^\]]*)\])? \((\S+) .*\[(\w+)\]\)/.exec(line);
    if (inst) {
      const [, name, replaces, version, architecture] = inst as unknown as [string, string, string?, string?, string?];
      install.push({ name, version: version!, architecture: architecture!, ...(replaces ? { replaces } : {}) });
    }
    const remv = /^Remv (\S+?)(?::i386)? /.exec(line);
    if (remv) remove.push(remv[1]!);
  }
  return { install, remove };
}

/** apt's status lines `dlstatus:COUNT:PERCENT:TEXT` as fractions. */
function downloadProgress(progress: (fraction: number) => void): (line: string) => void {
  return (line) => {
    const match = /^dlstatus:[^:]*:([\d.]+):/.exec(line);
    if (match) progress(Number(match[1]) / 100);
  };
}

/** The first line that apt marks as an error, without the mark. */
function firstError(result: ToolResult): string {
  const lines = `${result.stderr}\n${result.stdout}`.split('\n').map((line) => line.trim());
  const error = lines.find((line) => line.startsWith('E: ')) ?? lines.find((line) => line !== '');
  return error?.replace(/^E: /, '') ?? `apt-get ended with status ${result.status}`;
}
