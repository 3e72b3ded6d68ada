/** Demangled names, compared with what binutils' c++filt and rustfilt say of the same symbols. */
import tap from 'tap';
import { demangle } from '../../runtime/profile/demangle.js';

const NAMES: readonly (readonly [string, string])[] = [
  ['main', 'main'],
  ['_Z3addii', 'add(int, int)'],
  ['_ZN3foo3barEv', 'foo::bar()'],
  ['_ZNK3foo3barEv', 'foo::bar() const'],
  ['_ZN3fooC1Ev', 'foo::foo()'],
  ['_ZN3fooD0Ev', 'foo::~foo()'],
  ['_ZN3foopLERKS_', 'foo::operator+=(foo const&)'],
  ['_Z3maxIiET_S0_S0_', 'int max<int>(int, int)'],
  ['_ZNSt6vectorIiSaIiEE9push_backEOi', 'std::vector<int, std::allocator<int> >::push_back(int&&)'],
  ['_ZNSolsEb', 'std::ostream::operator<<(bool)'],
  ['_Z4callPFiPKcE', 'call(int (*)(char const*))'],
  ['_Z5arrayRA4_i', 'array(int (&) [4])'],
  ['_ZN12_GLOBAL__N_16hiddenEv', '(anonymous namespace)::hidden()'],
  ['_ZZ4mainENKUliE_clEi', 'main::{lambda(int)#1}::operator()(int) const'],
  ['_ZTV3foo', 'vtable for foo'],
  ['_ZGVZ4mainE1x', 'guard variable for main::x'],
  ['_ZThn8_N3foo3barEv', 'non-virtual thunk to foo::bar()'],
  ['_Z1fILi3ELb1EEvv', 'void f<3, true>()'],
  ['_Z3sumi.constprop.0', 'sum(int) [clone .constprop.0]'],
  ['_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE', 'core::fmt::Write::write_fmt'],
  ['_ZN38_$LT$T$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE', '<T as core::fmt::Debug>::fmt'],
  ['_RNvC5hello4main', 'hello::main'],
  ['_RNvMs_NtC5hello3fooNtB4_3Bar3new', '<hello::foo::Bar>::new'],
  ['_RINvC5hello3maxlE', 'hello::max::<i32>'],
  ['_RNCNvC5hello4main0B3_', 'hello::main::{closure#0}'],
];

void tap.test('demangle', (t) => {
  for (const [symbol, name] of NAMES) t.equal(demangle(symbol), name);
  t.end();
});

void tap.test('what is damaged stays as it is', (t) => {
  for (const symbol of [
    '_Z',
    '_ZN',
    '_ZN3fo',
    '_Z3addS5_',
    '_Z3addT_',
    '_ZN3fooIXadL_Z1gvEEE1fEv',
    '_R',
    '_RNvB9_3foo',
  ]) {
    t.equal(demangle(symbol), symbol);
  }
  // Every beginning of a long one ends, too.
  const long =
    '_ZNSt6vectorISt4pairIKSsPFivEESaIS3_EE17_M_realloc_insertIJRS3_EEEvN9__gnu_cxx17__normal_iteratorIPS3_S5_EEDpOT_';
  for (let length = 0; length <= long.length; length++) t.type(demangle(long.slice(0, length)), 'string');
  t.end();
});
