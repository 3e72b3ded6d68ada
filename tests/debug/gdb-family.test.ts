/** gdb at children, threads and shared libraries of a guest: the answers that it gives at the native processes. */
import tap from 'tap';
import { native, remote, skip } from '../support/gdb.js';
import { existingSysroot } from '../support/sysroot.js';

const GUEST = 'debugged-family';
const root = existingSysroot();

const SCRIPTS: readonly { name: string; script: readonly string[]; args: readonly string[]; status: number }[] = [
  {
    name: 'fork: gdb stays with the parent',
    script: [
      'catch fork',
      'break in_child',
      'break in_parent',
      'continue',
      'continue',
      'print n',
      'bt',
      'finish',
      'continue',
    ],
    args: [],
    status: 30,
  },
  {
    name: 'fork: gdb goes with the child',
    script: [
      'set follow-fork-mode child',
      'break in_child',
      'break in_parent',
      'continue',
      'print n',
      'bt',
      'watch n',
      'finish',
      'continue',
    ],
    args: [],
    status: 30,
  },
  {
    name: 'fork and exec: gdb goes with the child into the new program',
    script: [
      'set follow-fork-mode child',
      'catch exec',
      'break in_child',
      'continue',
      'continue',
      'print n',
      'continue',
    ],
    args: ['exec'],
    status: 42,
  },
];

for (const { name, script, args, status } of SCRIPTS) {
  void tap.test(name, { skip }, async (t) => {
    const answers = await remote(GUEST, script, args);
    t.equal(answers.status, status);
    t.ok(answers.answers.some((line) => /^\$1 = \d+$/.test(line)));
    const wanted = native(GUEST, script, args);
    if (wanted.length > 5) t.same(answers.answers, wanted, 'as gdb answers at the native processes');
  });
}

void tap.test('threads stand still, and gdb sees where', { skip }, async (t) => {
  const script = ['break together', 'continue', 'info threads', 'thread apply all bt', 'finish', 'delete', 'continue'];
  const { answers, status } = await remote(GUEST, script, ['threads']);
  t.equal(status, 5);
  t.equal(answers.filter((line) => /^[* ] +[123] +process +/.test(line)).length, 3, 'three threads are listed');
  t.equal(answers.filter((line) => /^#[0-9].* work \(\) at /.test(line)).length, 2, 'two of them work');
  t.ok(answers.some((line) => /^#1 .* threads \(\) at /.test(line)));
});

/** Where the others are, when gdb tells of a new thread and whether of its end depends on the moment. */
const ofThreads = (answers: readonly string[]): string[] =>
  answers
    .filter((line) => !/exited\]$|^\[New |^ +\d+ +process /.test(line))
    .map((line) =>
      line
        .replace('LWP', 'Thread')
        .replace(/0x[0-9a-f]+ in take_turns/, 'take_turns')
        .replace(/ +/g, ' '),
    );

void tap.test('breakpoints, steps and watchpoints in threads that take turns', { skip }, async (t) => {
  const script = [
    ...['break visit', 'continue', 'print who', 'bt', 'finish', 'next', 'continue', 'print who', 'bt'],
    ...['thread 2', 'frame function take_turns', 'print own', 'print i', 'thread 3'],
    ...['set scheduler-locking on', 'stepi', 'next', 'next', 'print twice', 'print visits'],
    ...['set scheduler-locking off', 'continue', 'print who', 'delete'],
    ...['watch visits', 'continue', 'continue', 'bt', 'delete'],
    ...['break visit if who == 2', 'continue', 'info threads', 'print $_thread', 'delete', 'continue'],
  ];
  const { answers, status } = await remote(GUEST, script, ['turns']);
  t.equal(status, 18);
  t.equal(answers.filter((line) => /^New value = /.test(line)).length, 2, 'two threads write what is watched');
  const wanted = native(GUEST, script, ['turns']);
  if (wanted.length > 40) t.same(ofThreads(answers), ofThreads(wanted), 'as gdb answers at the native process');
});

void tap.test('another thread than the first detaches, or kills', { skip }, async (t) => {
  const reach = ['break visit', 'continue', 'continue', 'set scheduler-locking on', 'next'];
  t.equal((await remote(GUEST, [...reach, 'detach'], ['turns'])).status, 18);
  t.equal((await remote(GUEST, [...reach, 'kill'], ['turns'])).signal, 'SIGKILL');
});

void tap.test('libraries, mappings, auxiliary vector', { skip: skip || (root ? false : 'no sysroot') }, async (t) => {
  const script = [
    'break main',
    'continue',
    'info sharedlibrary',
    'info proc',
    'info proc mappings',
    'info auxv',
    'bt',
    'kill',
  ];
  const { answers } = await remote('dynamic', script, [], ['-L', root!], []);
  t.ok(
    answers.some((line) => /^0x[0-9a-f]+ +0x[0-9a-f]+ .*target:.*libc\.so\.6/.test(line)),
    'the C library',
  );
  t.ok(answers.some((line) => /^0x[0-9a-f]+ +0x[0-9a-f]+ .*target:.*ld-linux\.so\.2/.test(line)));
  t.ok(answers.some((line) => /^exe = '.*dynamic'/.test(line)));
  t.ok(answers.some((line) => /^\s+0x[0-9a-f]+ +0x[0-9a-f]+ +.* r-xp .*libc\.so\.6/.test(line)));
  t.ok(answers.some((line) => /AT_ENTRY/.test(line)));
  t.ok(answers.some((line) => /^#0 +0x[0-9a-f]+ in main/.test(line)));
});
