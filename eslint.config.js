/**
 * Style and, more important, the arrows between the rooms (docs/architecture.md): which folder may import which.
 */
import tseslint from 'typescript-eslint';

/** Folders of the project, each with those it may import from besides itself. */
const ROOMS = {
  translator: [],
  'runtime/host': [],
  runtime: ['translator'],
  bridges: ['runtime', 'translator'],
  lib: ['bridges', 'runtime', 'translator'],
};
const FOLDERS = ['translator', 'runtime', 'bridges', 'lib', 'tests', 'examples'];

/** An `import` of a file in another room than the allowed ones is refused. */
function arrows(room, allowed) {
  const forbidden = FOLDERS.filter((folder) => folder !== room && !allowed.includes(folder));
  const patterns = [
    {
      regex: `^(\\.\\./)+(${forbidden.join('|')})/`,
      message: `${room}/ may import ${allowed.length > 0 ? allowed.join(', ') : 'nothing of the project but itself'}.`,
    },
  ];
  if (room === 'translator') {
    patterns.push({ regex: '^[^.]', message: 'translator/ would run in a browser: no Node modules, no packages.' });
  }
  if (room === 'runtime/host') {
    patterns.push({ regex: '^\\.\\./', message: 'runtime/host/ imports nothing of the project.' });
  } else if (room !== 'translator') {
    patterns.push({ regex: '^koffi$', message: 'The host is reached through runtime/host/ alone.' });
  }
  return {
    files: [`${room}/**/*.ts`],
    ignores: room === 'runtime' ? ['runtime/host/**'] : [],
    rules: { 'no-restricted-imports': ['error', { patterns }] },
  };
}

export default tseslint.config(
  { ignores: ['doc/', 'dist/', 'node_modules/', '.tap/', 'tests/guests/bin/'] },
  ...tseslint.configs.strict,
  {
    rules: {
      // Emulators index typed arrays whose bounds are known, and tables that are complete: `!` says so.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      eqeqeq: 'error',
      'no-constant-condition': ['error', { checkLoops: false }],
    },
  },
  {
    files: ['**/*.cts'],
    rules: { '@typescript-eslint/no-require-imports': ['error', { allowAsImport: true }] },
  },
  {
    // Rules that ask the type checker: not for tests, whose assertions need no such care, nor for generated tables.
    files: ['lib/**/*.ts', 'runtime/**/*.ts', 'translator/**/*.ts', 'bridges/**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
  // `runtime/host` after `runtime`: for its files the stricter rule holds.
  ...Object.entries(ROOMS)
    .sort(([a], [b]) => a.length - b.length)
    .map(([room, allowed]) => arrows(room, allowed)),
);
