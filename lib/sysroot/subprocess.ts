/** Running the host's tools (apt-get, dpkg-deb, tar, ldconfig) and collecting what they say. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

export interface ToolResult {
  /** Exit status; 127 when the tool could not be started, 128 + signal number when a signal ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToolOptions {
  /** Called with each line that the tool writes to its descriptor 3. */
  readonly onStatusLine?: (line: string) => void;
}

/** Runs a tool in the C locale with no standard input, and waits for its end. */
export function runTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe', options.onStatusLine ? 'pipe' : 'ignore'],
      env: { ...process.env, LC_ALL: 'C', LANGUAGE: '', PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` },
    });
    let stdout = '';
    let stderr = '';
    const [, out, error, status] = child.stdio as unknown as [null, Readable, Readable, Readable | null];
    out.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    error.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    if (status && options.onStatusLine) createInterface({ input: status }).on('line', options.onStatusLine);
    child.on('error', (problem) => {
      resolve({ status: 127, stdout, stderr: problem.message });
    });
    child.on('close', (code, signal) => {
      resolve({ status: code ?? (signal ? 128 : 1), stdout, stderr });
    });
  });
}

/** Whether a tool can be found on the path. */
export async function hasTool(command: string): Promise<boolean> {
  return (await runTool('sh', ['-c', 'command -v "$1"', 'sh', command])).status === 0;
}
