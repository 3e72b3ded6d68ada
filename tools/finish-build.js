/**
 * What a build does after tsc: writes the interpreter's handlers (generated from the instruction declarations, so that
 * no start of the emulator has to), makes one file of what `bridge86 run` needs, and makes the command line executable.
 */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const dist = process.argv[2] ? new URL(`file://${process.argv[2]}/`) : new URL('../dist/', import.meta.url);
const path = (name) => fileURLToPath(new URL(name, dist));

const handlers = new URL('runtime/interpreter/build-handlers.js', dist);
if (existsSync(handlers)) await import(handlers.href);

/**
 * koffi imports node:util whole for one function that marks others as deprecated, which makes Node load thirty modules of its
 * own: a third of the time to a guest's first instruction. In the bundle those functions are simply not marked.
 */
const lightUtil = {
  name: 'light-util',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?util$/ }, ({ path: name, importer }) =>
      /\/node_modules\/koffi\//.test(importer) ? { path: name, namespace: 'light-util' } : { external: true },
    );
    onLoad({ filter: /.*/, namespace: 'light-util' }, () => ({ contents: 'exports.deprecate = (f) => f;' }));
  },
};

const result = await build({
  entryPoints: [path('lib/cli/run-main.js')],
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // koffi's binaries are packages of their own; they are looked up from where koffi lies (lib/cli/main.cts).
  external: ['@koromix/*'],
  alias: { koffi: createRequire(import.meta.url).resolve('koffi') },
  plugins: [lightUtil],
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
