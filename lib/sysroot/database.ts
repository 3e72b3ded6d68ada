/**
 * The sysroot's list of packages: dpkg's own files under `var/lib/dpkg` (status, and for each package its file list and
 * post-installation script), so that apt on the host and dpkg inside the sysroot read the same thing. The status file
 * is replaced in one step after everything is unpacked: an installation that was interrupted counts as not begun.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly description: string;
}

export class PackageDatabase {
  readonly statusFile: string;
  private readonly directory: string;

  constructor(root: string) {
    this.directory = join(root, 'var/lib/dpkg');
    this.statusFile = join(this.directory, 'status');
  }

  /** Makes the directories and an empty status file where they are missing. */
  create(): void {
    mkdirSync(join(this.directory, 'info'), { recursive: true });
    if (!existsSync(this.statusFile)) writeFileSync(this.statusFile, '');
  }

  /** Control paragraphs by package name. */
  paragraphs(): Map<string, string> {
    const text = existsSync(this.statusFile) ? readFileSync(this.statusFile, 'utf8') : '';
    const result = new Map<string, string>();
    for (const paragraph of text.split(/\n\n+/)) {
      const name = field(paragraph, 'Package');
      if (name !== '') result.set(name, paragraph.trimEnd());
    }
    return result;
  }

  packages(): InstalledPackage[] {
    return [...this.paragraphs().values()]
      .map((paragraph) => ({
        name: field(paragraph, 'Package'),
        version: field(paragraph, 'Version'),
        architecture: field(paragraph, 'Architecture'),
        description: field(paragraph, 'Description'),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Paths of a package's files and directories, relative to the root, directories before what is in them. */
  files(name: string): string[] {
    const path = this.infoPath(name, 'list');
    return existsSync(path)
      ? readFileSync(path, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
      : [];
  }

  setFiles(name: string, files: readonly string[]): void {
    writeFileSync(this.infoPath(name, 'list'), files.map((file) => `${file}\n`).join(''));
  }

  /** The package's post-installation script: it is read, never run. */
  script(name: string): string {
    const path = this.infoPath(name, 'postinst');
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  setScript(name: string, text: string): void {
    const path = this.infoPath(name, 'postinst');
    if (text === '') rmSync(path, { force: true });
    else writeFileSync(path, text);
  }

  forget(name: string): void {
    for (const kind of ['list', 'postinst'] as const) rmSync(this.infoPath(name, kind), { force: true });
  }

  /** Replaces the status file by the given paragraphs in one step. */
  replace(paragraphs: ReadonlyMap<string, string>): void {
    const temporary = `${this.statusFile}.${process.pid}`;
    writeFileSync(temporary, [...paragraphs.values()].map((paragraph) => `${paragraph}\n\n`).join(''));
    renameSync(temporary, this.statusFile);
  }

  private infoPath(name: string, kind: 'list' | 'postinst'): string {
    return join(this.directory, 'info', `${name}.${kind}`);
  }
}

/** A package's control data as its paragraph in the status file. */
export function statusParagraph(control: string): string {
  return control.trimEnd().replace(/^(Package: .*)$/m, '$1\nStatus: install ok installed');
}

function field(paragraph: string, name: string): string {
  return new RegExp(`^${name}: *(.*)$`, 'm').exec(paragraph)?.[1] ?? '';
}
