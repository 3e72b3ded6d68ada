/** Where things lie, seen from a compiled test in `dist/tests/`. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's directory. */
export const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
/** The command line's compiled main file. */
export const MAIN = join(PROJECT, 'dist/lib/cli/main.cjs');
/** The guest programs: the committed ones, or freshly built ones where BRIDGE86_TEST_GUESTS names their directory. */
export const GUESTS = process.env.BRIDGE86_TEST_GUESTS ?? join(PROJECT, 'tests/guests/bin');
/** Sources and recorded results of the guest programs. */
export const GUEST_SOURCES = join(PROJECT, 'tests/guests');
