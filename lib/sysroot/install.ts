/**
 * `sysroot install` and `sysroot remove`: apt plans and fetches, the packages are unpacked, the sysroot is put in order,
 * and only then does its status file say so. Whatever interrupts an installation, it can simply be repeated.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Apt, type Plan } from './apt.js';
import { configure, LIBRARY_DIRECTORIES, uncompiledPythonLibraries } from './configure.js';
import { PackageDatabase, statusParagraph, type InstalledPackage } from './database.js';
import { SysrootError } from './error.js';
import { hasTool, runTool } from './subprocess.js';
import { exists, makeRoot, removeFiles, unpack } from './unpack.js';

/** How an installation tells what it is doing. */
export interface Progress {
  /** Begins a step. */
  step(text: string): void;
  /** How much of the step is done, 0 to 1. */
  fraction(value: number): void;
  /** Something worth knowing that stops nothing. */
  warning(text: string): void;
}

export interface InstallOptions {
  readonly root: string;
  /** Cache directory for apt's lists and downloads. */
  readonly aptDirectory: string;
  /** Refresh the package lists although they are recent. */
  readonly update?: boolean;
  readonly progress: Progress;
}

const WITHOUT_APT =
  "installing packages needs Debian's tools, and {tools} cannot be found here. Any directory that holds an i386 root " +
  'file system does as well (made by debootstrap --arch=i386 on another machine, or unpacked from an i386 container ' +
  'image): bridge86 run -L DIRECTORY PROGRAM';

/** Installs packages with their dependencies. Returns what was installed or upgraded; empty when all was there. */
export async function installPackages(packages: readonly string[], options: InstallOptions): Promise<string[]> {
  const { root, progress } = options;
  const missing: string[] = [];
  for (const tool of ['apt-get', 'dpkg-deb', 'tar', 'bash']) if (!(await hasTool(tool))) missing.push(tool);
  if (missing.length > 0) throw new SysrootError(WITHOUT_APT.replace('{tools}', missing.join(', ')));
  const wrong = packages.find((name) => !/^[a-z0-9][a-z0-9+.-]*(=[\w.+~:-]+)?$/i.test(name));
  if (wrong !== undefined) throw new SysrootError(`${JSON.stringify(wrong)} is not a package's name`);

  mkdirSync(root, { recursive: true });
  return await locked(root, async () => {
    makeRoot(root);
    const database = new PackageDatabase(root);
    database.create();
    const apt = new Apt(options.aptDirectory, database.statusFile);
    let updated = false;
    const update = async (): Promise<void> => {
      updated = true;
      progress.step('Fetching package lists');
      const problem = await apt.update((value) => {
        progress.fraction(value);
      });
      if (problem) progress.warning(`not all package lists could be refreshed: ${problem}`);
    };
    if (options.update || apt.listsAreStale) await update();

    progress.step('Resolving dependencies');
    let plan = await apt.plan(packages);
    if (plan.install.length === 0 && plan.remove.length === 0) return [];
    progress.step(`Downloading ${count(plan.install.length)}`);
    const download = (): Promise<void> =>
      apt.download(packages, (value) => {
        progress.fraction(value);
      });
    try {
      await download();
    } catch (error) {
      if (updated) throw error;
      // The lists may name versions that the mirror has replaced since.
      await update();
      plan = await apt.plan(packages);
      progress.step(`Downloading ${count(plan.install.length)}`);
      await download();
    }
    await apply(root, database, apt, plan, progress);
    await compilePython(root, progress);
    return plan.install.map((planned) => planned.name);
  });
}

async function apply(root: string, database: PackageDatabase, apt: Apt, plan: Plan, progress: Progress): Promise<void> {
  const paragraphs = database.paragraphs();
  const obsolete: string[] = [];
  for (const name of plan.remove) {
    obsolete.push(...database.files(name));
    paragraphs.delete(name);
  }
  progress.step(`Unpacking ${count(plan.install.length)}`);
  let done = 0;
  for (const planned of plan.install) {
    const old = database.files(planned.name);
    const unpacked = await unpack(root, apt.archive(planned));
    // Until the new status file is there, the list must name the old version's files, too: they are to go in the end.
    database.setFiles(planned.name, [...new Set([...old, ...unpacked.files])]);
    database.setScript(planned.name, unpacked.script);
    paragraphs.set(planned.name, statusParagraph(unpacked.control));
    const current = new Set(unpacked.files);
    obsolete.push(...old.filter((file) => !current.has(file)));
    database.setFiles(planned.name, unpacked.files);
    progress.fraction(++done / plan.install.length);
  }
  progress.step('Configuring');
  const kept = new Set([...paragraphs.keys()].flatMap((name) => database.files(name)));
  removeFiles(
    root,
    obsolete.filter((file) => !kept.has(file)),
  );
  for (const name of plan.remove) database.forget(name);
  database.replace(paragraphs);
  await configure(root, database);
  for (const planned of plan.install) apt.discardArchive(planned);
}

/** Removes packages with their files; refuses while others in the sysroot need them. */
export async function removePackages(packages: readonly string[], root: string, aptDirectory: string): Promise<void> {
  await locked(root, async () => {
    const database = new PackageDatabase(root);
    const paragraphs = database.paragraphs();
    for (const name of packages) {
      if (!paragraphs.delete(name)) throw new SysrootError(`the package ${name} is not installed`);
    }
    if (await hasTool('apt-get')) {
      const all = await new Apt(aptDirectory, database.statusFile).removals(packages);
      const dependent = all.filter((name) => !packages.includes(name));
      if (dependent.length > 0) throw new SysrootError(`still needed by ${dependent.join(', ')}`);
    }
    const kept = new Set([...paragraphs.keys()].flatMap((name) => database.files(name)));
    database.replace(paragraphs);
    for (const name of packages) {
      removeFiles(
        root,
        database.files(name).filter((file) => !kept.has(file)),
      );
      database.forget(name);
    }
    await configure(root, database);
  });
}

/** Deletes the whole sysroot. Refuses a directory that this program did not make. */
export function removeSysroot(root: string): void {
  if (!exists(join(root, 'var/lib/dpkg/status'))) {
    throw new SysrootError(`${root} is not a sysroot that "bridge86 sysroot install" has made: it is left alone`);
  }
  rmSync(root, { recursive: true, force: true });
}

export function installedPackages(root: string): InstalledPackage[] {
  return new PackageDatabase(root).packages();
}

/**
 * Compiles Python's standard library to byte code: a guest's Python would otherwise do so at every start, as it finds no
 * place of its own to keep it. Run by the host where its kernel runs i386 programs; else it is left out.
 */
async function compilePython(root: string, progress: Progress): Promise<void> {
  for (const library of uncompiledPythonLibraries(root)) {
    const python = join(root, 'usr/bin', basename(library));
    if (!exists(python)) continue;
    const libraries = LIBRARY_DIRECTORIES.map((path) => join(root, path)).join(':');
    const command = ['--library-path', libraries, python, '-I', '-S'];
    const linker = join(root, 'lib/ld-linux.so.2');
    if ((await runTool(linker, [...command, '-c', '0'])).status !== 0) return;
    progress.step(`Compiling ${basename(library)}'s standard library`);
    const args = ['-m', 'compileall', '-q', '-s', root, '-p', '/', library];
    await runTool(linker, [...command, ...args]);
  }
}

/** Runs `action` while no other installation works on the same sysroot. */
async function locked<T>(root: string, action: () => Promise<T>): Promise<T> {
  const path = `${root.replace(/\/+$/, '')}.lock`;
  for (;;) {
    try {
      writeFileSync(path, `${process.pid}\n`, { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const owner = Number(readFileSync(path, 'utf8'));
      if (owner > 0 && isRunning(owner)) {
        throw new SysrootError(`process ${owner} is working on this sysroot; try again when it has ended`);
      }
      rmSync(path, { force: true });
    }
  }
  try {
    return await action();
  } finally {
    rmSync(path, { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function count(packages: number): string {
  return packages === 1 ? '1 package' : `${packages} packages`;
}
