/**
 * What a build does after tsc: writes the interpreter's handlers (generated from the instruction declarations, so that
 * no start of the emulator has to), makes one file of what `bridge86 run` needs, and makes the command line executable.
 */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const dist = process.argv[2] ? new URL(`file://${process.argv[2]}/`) : new URL('../dist/', import.meta.url);
const path = (name) => fileURLToPath(new URL(name, dist));

const handlers = new URL('runtime/interpreter/build-handlers.js', dist);
if (existsSync(handlers)) await import(handlers.href);

const result = await build({
  entryPoints: [path('lib/cli/run-main.js')],
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // It holds a binary, and finds it beside itself.
  external: ['koffi'],
  minifyWhitespace: true,
  charset: 'ascii',
  outfile: path('lib/cli/run-bundle.cjs'),
  write: false,
  logLevel: 'warning',
});
// ASCII: the loader reads it as latin1, which is quicker.
const bytes = Buffer.from(result.outputFiles[0].contents);
const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 32);
writeFileSync(path('lib/cli/run-bundle.cjs'), Buffer.concat([Buffer.from(`// ${digest}\n`), bytes]));

chmodSync(path('lib/cli/main.cjs'), 0o755);
