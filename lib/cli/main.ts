#!/usr/bin/env -S node --single-threaded
/** The command `bridge86`. */
import { commandLine } from './yargs.js';
import { Failure } from './failure.js';
try {
  await commandLine(process.argv.slice(2)).parseAsync();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(`bridge86: ${error.message}\n`);
  process.exitCode = error.status;
}
