/** The operations that `compare.ts` executes: an encoding for the processor, a call of the helper for us. */
import type { SimdHelpers } from '../../../runtime/helpers/simd/index.js';
import { State } from '../../../translator/state.js';

export interface SimdCase {
  readonly name: string;
  readonly code: readonly number[];
  /** What fills the registers: integers, shift counts, floats, or few distinct characters. */
  readonly operands: 'i' | 'count' | 'f32' | 'f64' | 'text';
  readonly mmx?: boolean;
  /** Any MXCSR though the operands are integers. */
  readonly mxcsr?: boolean;
  readonly run: (h: SimdHelpers, i32: Int32Array) => unknown;
}

const X0 = State.xmm;
const X1 = State.xmm + 16;
const X2 = State.xmm + 32;
const M1 = State.fpuRegisters + 16;
const M2 = State.fpuRegisters + 32;
/** ModRM: register 1, register 2; register 1 twice. */
const TWO = 0xca;
const SAME = 0xc9;

type Binary = (d: number, s: number) => unknown;
type WithImmediate = (d: number, s: number, immediate: number) => unknown;
type Sized = (d: number, s: number, width: number) => unknown;
/** Names of the helpers with a given signature. */
type Named<F> = { [K in keyof SimdHelpers]: SimdHelpers[K] extends F ? K : never }[keyof SimdHelpers];

export const cases: SimdCase[] = [];
const hex = (text: string): number[] => text.split(' ').map((x) => parseInt(x, 16));

function binary(operands: SimdCase['operands'], encodings: Partial<Record<Named<Binary>, string>>): void {
  for (const [name, encoding] of Object.entries(encodings) as [Named<Binary>, string][]) {
    const call = (h: SimdHelpers): Binary => h[name] as Binary;
    cases.push({ name, code: [...hex(encoding), TWO], operands, run: (h) => call(h)(X1, X2) });
    cases.push({ name: `${name} same`, code: [...hex(encoding), SAME], operands, run: (h) => call(h)(X1, X1) });
  }
}
function immediates(
  operands: SimdCase['operands'],
  encodings: Partial<Record<Named<WithImmediate>, string>>,
  values: readonly number[],
): void {
  for (const [name, encoding] of Object.entries(encodings) as [Named<WithImmediate>, string][])
    for (const value of values) {
      const call = (h: SimdHelpers): WithImmediate => h[name] as WithImmediate;
      const full = `${name} ${value.toString(16)}`;
      cases.push({ name: full, code: [...hex(encoding), TWO, value], operands, run: (h) => call(h)(X1, X2, value) });
      if (value % 5 === 0)
        cases.push({
          name: `${full} same`,
          code: [...hex(encoding), SAME, value],
          operands,
          run: (h) => call(h)(X1, X1, value),
        });
    }
}
/** Integer operations by opcode after 0F: XMM with prefix 66; MMX without, where it exists. */
function sized(operands: SimdCase['operands'], encodings: Partial<Record<Named<Sized>, string>>, mmx = true): void {
  for (const [name, encoding] of Object.entries(encodings) as [Named<Sized>, string][]) {
    const code = hex(encoding);
    const call = (h: SimdHelpers): Sized => h[name] as Sized;
    cases.push({ name, code: [0x66, ...code, TWO], operands, run: (h) => call(h)(X1, X2, 16) });
    cases.push({ name: `${name} same`, code: [0x66, ...code, SAME], operands, run: (h) => call(h)(X1, X1, 16) });
    if (!mmx) continue;
    const marked =
      (s: number) =>
      (h: SimdHelpers): void => {
        call(h)(M1, s, 8);
        h.markMmx(M1);
      };
    cases.push({ name: `${name} mmx`, code: [...code, TWO], operands, mmx: true, run: marked(M2) });
    cases.push({ name: `${name} mmx same`, code: [...code, SAME], operands, mmx: true, run: marked(M1) });
  }
}

binary('f32', {
  addps: '0f 58',
  mulps: '0f 59',
  subps: '0f 5c',
  minps: '0f 5d',
  divps: '0f 5e',
  maxps: '0f 5f',
  sqrtps: '0f 51',
  addss: 'f3 0f 58',
  mulss: 'f3 0f 59',
  subss: 'f3 0f 5c',
  minss: 'f3 0f 5d',
  divss: 'f3 0f 5e',
  maxss: 'f3 0f 5f',
  sqrtss: 'f3 0f 51',
  haddps: 'f2 0f 7c',
  hsubps: 'f2 0f 7d',
  addsubps: 'f2 0f d0',
  comiss: '0f 2f',
  ucomiss: '0f 2e',
  cvtps2pd: '0f 5a',
  cvtss2sd: 'f3 0f 5a',
  cvtps2dq: '66 0f 5b',
  cvttps2dq: 'f3 0f 5b',
  rcpps: '0f 53',
  rcpss: 'f3 0f 53',
  rsqrtps: '0f 52',
  rsqrtss: 'f3 0f 52',
});
binary('f64', {
  addpd: '66 0f 58',
  mulpd: '66 0f 59',
  subpd: '66 0f 5c',
  minpd: '66 0f 5d',
  divpd: '66 0f 5e',
  maxpd: '66 0f 5f',
  sqrtpd: '66 0f 51',
  addsd: 'f2 0f 58',
  mulsd: 'f2 0f 59',
  subsd: 'f2 0f 5c',
  minsd: 'f2 0f 5d',
  divsd: 'f2 0f 5e',
  maxsd: 'f2 0f 5f',
  sqrtsd: 'f2 0f 51',
  haddpd: '66 0f 7c',
  hsubpd: '66 0f 7d',
  addsubpd: '66 0f d0',
  comisd: '66 0f 2f',
  ucomisd: '66 0f 2e',
  cvtpd2ps: '66 0f 5a',
  cvtsd2ss: 'f2 0f 5a',
  cvtpd2dq: 'f2 0f e6',
  cvttpd2dq: '66 0f e6',
});
const EIGHT = [0, 1, 2, 3, 4, 5, 6, 7];
immediates('f32', { cmpps: '0f c2', cmpss: 'f3 0f c2' }, EIGHT);
immediates('f64', { cmppd: '66 0f c2', cmpsd: 'f2 0f c2' }, EIGHT);
immediates('f32', { roundps: '66 0f 3a 08', roundss: '66 0f 3a 0a' }, [0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 0xf3]);
immediates('f64', { roundpd: '66 0f 3a 09', roundsd: '66 0f 3a 0b' }, [0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 0xf3]);
immediates('f32', { dpps: '66 0f 3a 40' }, [0xff, 0xf1, 0x35, 0x7f, 0x8e, 0x00, 0x5a, 0x1f]);
immediates('f64', { dppd: '66 0f 3a 41' }, [0x33, 0x31, 0x13, 0x22, 0x00, 0xff]);

// Conversions whose operands are in different register files.
const mark = (h: SimdHelpers, raised: number): number => {
  if (!raised) h.markMmx(M1);
  return raised;
};
cases.push(
  { name: 'cvtss2si', code: hex('f3 0f 2d ca'), operands: 'f32', run: (h) => h.cvtss2si(State.ecx, X2) },
  { name: 'cvttss2si', code: hex('f3 0f 2c ca'), operands: 'f32', run: (h) => h.cvttss2si(State.ecx, X2) },
  { name: 'cvtsd2si', code: hex('f2 0f 2d ca'), operands: 'f64', run: (h) => h.cvtsd2si(State.ecx, X2) },
  { name: 'cvttsd2si', code: hex('f2 0f 2c ca'), operands: 'f64', run: (h) => h.cvttsd2si(State.ecx, X2) },
  { name: 'cvtsi2ss', code: hex('f3 0f 2a ca'), operands: 'f32', run: (h, i32) => h.cvtsi2ss(X1, i32[State.edx >> 2]) },
  { name: 'cvtsi2sd', code: hex('f2 0f 2a ca'), operands: 'f32', run: (h, i32) => h.cvtsi2sd(X1, i32[State.edx >> 2]) },
  { name: 'cvtps2pi', code: hex('0f 2d ca'), operands: 'f32', mmx: true, run: (h) => mark(h, h.cvtps2pi(M1, X2)) },
  { name: 'cvttps2pi', code: hex('0f 2c ca'), operands: 'f32', mmx: true, run: (h) => mark(h, h.cvttps2pi(M1, X2)) },
  { name: 'cvtpd2pi', code: hex('66 0f 2d ca'), operands: 'f64', mmx: true, run: (h) => mark(h, h.cvtpd2pi(M1, X2)) },
  { name: 'cvttpd2pi', code: hex('66 0f 2c ca'), operands: 'f64', mmx: true, run: (h) => mark(h, h.cvttpd2pi(M1, X2)) },
  { name: 'cvtpi2ps', code: hex('0f 2a ca'), operands: 'i', mxcsr: true, mmx: true, run: (h) => h.cvtpi2ps(X1, M2) },
  { name: 'cvtpi2pd', code: hex('66 0f 2a ca'), operands: 'i', mxcsr: true, mmx: true, run: (h) => h.cvtdq2pd(X1, M2) },
  { name: 'cvtdq2ps', code: hex('0f 5b ca'), operands: 'i', mxcsr: true, run: (h) => h.cvtdq2ps(X1, X2) },
  { name: 'cvtdq2pd', code: hex('f3 0f e6 ca'), operands: 'i', mxcsr: true, run: (h) => h.cvtdq2pd(X1, X2) },
  { name: 'cvtdq2pd same', code: hex('f3 0f e6 c9'), operands: 'i', mxcsr: true, run: (h) => h.cvtdq2pd(X1, X1) },
);

sized('i', {
  paddb: '0f fc',
  paddw: '0f fd',
  paddd: '0f fe',
  paddq: '0f d4',
  psubb: '0f f8',
  psubw: '0f f9',
  psubd: '0f fa',
  psubq: '0f fb',
  paddsb: '0f ec',
  paddsw: '0f ed',
  paddusb: '0f dc',
  paddusw: '0f dd',
  psubsb: '0f e8',
  psubsw: '0f e9',
  psubusb: '0f d8',
  psubusw: '0f d9',
  pavgb: '0f e0',
  pavgw: '0f e3',
  pminub: '0f da',
  pmaxub: '0f de',
  pminsw: '0f ea',
  pmaxsw: '0f ee',
  pcmpeqb: '0f 74',
  pcmpeqw: '0f 75',
  pcmpeqd: '0f 76',
  pcmpgtb: '0f 64',
  pcmpgtw: '0f 65',
  pcmpgtd: '0f 66',
  pmullw: '0f d5',
  pmulhw: '0f e5',
  pmulhuw: '0f e4',
  pmuludq: '0f f4',
  pmaddwd: '0f f5',
  psadbw: '0f f6',
  pand: '0f db',
  pandn: '0f df',
  por: '0f eb',
  pxor: '0f ef',
  packsswb: '0f 63',
  packuswb: '0f 67',
  packssdw: '0f 6b',
  punpcklbw: '0f 60',
  punpcklwd: '0f 61',
  punpckldq: '0f 62',
  punpckhbw: '0f 68',
  punpckhwd: '0f 69',
  punpckhdq: '0f 6a',
  pshufb: '0f 38 00',
  phaddw: '0f 38 01',
  phaddd: '0f 38 02',
  phaddsw: '0f 38 03',
  pmaddubsw: '0f 38 04',
  phsubw: '0f 38 05',
  phsubd: '0f 38 06',
  phsubsw: '0f 38 07',
  psignb: '0f 38 08',
  psignw: '0f 38 09',
  psignd: '0f 38 0a',
  pmulhrsw: '0f 38 0b',
  pabsb: '0f 38 1c',
  pabsw: '0f 38 1d',
  pabsd: '0f 38 1e',
});
sized('count', {
  psrlw: '0f d1',
  psrld: '0f d2',
  psrlq: '0f d3',
  psraw: '0f e1',
  psrad: '0f e2',
  psllw: '0f f1',
  pslld: '0f f2',
  psllq: '0f f3',
});
sized(
  'i',
  {
    pcmpeqq: '0f 38 29',
    pcmpgtq: '0f 38 37',
    pmuldq: '0f 38 28',
    packusdw: '0f 38 2b',
    pminsb: '0f 38 38',
    pminsd: '0f 38 39',
    pminuw: '0f 38 3a',
    pminud: '0f 38 3b',
    pmaxsb: '0f 38 3c',
    pmaxsd: '0f 38 3d',
    pmaxuw: '0f 38 3e',
    pmaxud: '0f 38 3f',
    pmulld: '0f 38 40',
  },
  false,
);
binary('i', {
  punpcklqdq: '66 0f 6c',
  punpckhqdq: '66 0f 6d',
  movddup: 'f2 0f 12',
  movsldup: 'f3 0f 12',
  movshdup: 'f3 0f 16',
  pmovsxbw: '66 0f 38 20',
  pmovsxbd: '66 0f 38 21',
  pmovsxbq: '66 0f 38 22',
  pmovsxwd: '66 0f 38 23',
  pmovsxwq: '66 0f 38 24',
  pmovsxdq: '66 0f 38 25',
  pmovzxbw: '66 0f 38 30',
  pmovzxbd: '66 0f 38 31',
  pmovzxbq: '66 0f 38 32',
  pmovzxwd: '66 0f 38 33',
  pmovzxwq: '66 0f 38 34',
  pmovzxdq: '66 0f 38 35',
  ptest: '66 0f 38 17',
  phminposuw: '66 0f 38 41',
  pblendvb: '66 0f 38 10',
  blendvps: '66 0f 38 14',
  blendvpd: '66 0f 38 15',
  aesimc: '66 0f 38 db',
  aesenc: '66 0f 38 dc',
  aesenclast: '66 0f 38 dd',
  aesdec: '66 0f 38 de',
  aesdeclast: '66 0f 38 df',
  sha1nexte: '0f 38 c8',
  sha1msg1: '0f 38 c9',
  sha1msg2: '0f 38 ca',
  sha256rnds2: '0f 38 cb',
  sha256msg1: '0f 38 cc',
  sha256msg2: '0f 38 cd',
});
const SOME = [0x00, 0x1b, 0xe4, 0xff, 0x4e, 0xb1, 0x39, 0x93, 0x87, 0x5a];
immediates(
  'i',
  {
    pshufd: '66 0f 70',
    pshuflw: 'f2 0f 70',
    pshufhw: 'f3 0f 70',
    shufps: '0f c6',
    shufpd: '66 0f c6',
    blendps: '66 0f 3a 0c',
    blendpd: '66 0f 3a 0d',
    pblendw: '66 0f 3a 0e',
    mpsadbw: '66 0f 3a 42',
    aeskeygenassist: '66 0f 3a df',
    sha1rnds4: '0f 3a cc',
  },
  SOME,
);
immediates('i', { mpsadbw: '66 0f 3a 42', sha1rnds4: '0f 3a cc' }, EIGHT);
immediates('i', { pclmulqdq: '66 0f 3a 44' }, [0x00, 0x01, 0x10, 0x11, 0xee]);
for (const value of SOME)
  cases.push({
    name: `pshufw ${value.toString(16)}`,
    code: [...hex('0f 70 ca'), value],
    operands: 'i',
    mmx: true,
    run: (h) => {
      h.pshufw(M1, M2, value);
      h.markMmx(M1);
    },
  });
for (const value of [0x00, 0x10, 0x4e, 0x9c, 0xd1, 0xff, 0x2f])
  cases.push({
    name: `insertps ${value.toString(16)}`,
    code: [...hex('66 0f 3a 21 ca'), value],
    operands: 'i',
    run: (h, i32) => h.insertps(X1, i32[(X2 >> 2) + (value >> 6)], value),
  });
for (const count of [0, 1, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 47, 63, 64, 65, 128, 255]) {
  cases.push({
    name: `palignr ${count}`,
    code: [...hex('66 0f 3a 0f ca'), count],
    operands: 'i',
    run: (h) => h.palignr(X1, X2, count, 16),
  });
  cases.push({
    name: `palignr mmx ${count}`,
    code: [...hex('0f 3a 0f ca'), count],
    operands: 'i',
    mmx: true,
    run: (h) => {
      h.palignr(M1, M2, count, 8);
      h.markMmx(M1);
    },
  });
  cases.push({
    name: `pslldq ${count}`,
    code: [...hex('66 0f 73 f9'), count],
    operands: 'i',
    run: (h) => h.pslldq(X1, count),
  });
  cases.push({
    name: `psrldq ${count}`,
    code: [...hex('66 0f 73 d9'), count],
    operands: 'i',
    run: (h) => h.psrldq(X1, count),
  });
  const shifts: readonly [string, string, Named<Sized>][] = [
    ['psllw', '71 f1', 'psllwImmediate'],
    ['pslld', '72 f1', 'pslldImmediate'],
    ['psllq', '73 f1', 'psllqImmediate'],
    ['psrlw', '71 d1', 'psrlwImmediate'],
    ['psrld', '72 d1', 'psrldImmediate'],
    ['psrlq', '73 d1', 'psrlqImmediate'],
    ['psraw', '71 e1', 'psrawImmediate'],
    ['psrad', '72 e1', 'psradImmediate'],
  ];
  for (const [name, code, helper] of shifts) {
    cases.push({
      name: `${name} ${count}`,
      code: [0x66, 0x0f, ...hex(code), count],
      operands: 'i',
      run: (h) => (h[helper] as Sized)(X1, count, 16),
    });
    cases.push({
      name: `${name} mmx ${count}`,
      code: [0x0f, ...hex(code), count],
      operands: 'i',
      mmx: true,
      run: (h) => {
        (h[helper] as Sized)(M1, count, 8);
        h.markMmx(M1);
      },
    });
  }
}
const toEcx =
  (f: (h: SimdHelpers, i32: Int32Array) => number) =>
  (h: SimdHelpers, i32: Int32Array): void => {
    i32[State.ecx >> 2] = f(h, i32);
  };
cases.push(
  { name: 'pmovmskb', code: hex('66 0f d7 ca'), operands: 'i', run: toEcx((h) => h.pmovmskb(X2, 16)) },
  { name: 'pmovmskb mmx', code: hex('0f d7 ca'), operands: 'i', mmx: true, run: toEcx((h) => h.pmovmskb(M2, 8)) },
  { name: 'movmskps', code: hex('0f 50 ca'), operands: 'i', run: toEcx((h) => h.movmskps(X2)) },
  { name: 'movmskpd', code: hex('66 0f 50 ca'), operands: 'i', run: toEcx((h) => h.movmskpd(X2)) },
  { name: 'crc32b', code: hex('f2 0f 38 f0 ca'), operands: 'i', run: toEcx((h, s) => h.crc32(s[1], s[2] & 0xff, 1)) },
  { name: 'crc32w', code: hex('66 f2 0f 38 f1 ca'), operands: 'i', run: toEcx((h, s) => h.crc32(s[1], s[2], 2)) },
  { name: 'crc32d', code: hex('f2 0f 38 f1 ca'), operands: 'i', run: toEcx((h, s) => h.crc32(s[1], s[2], 4)) },
  { name: 'emms', code: hex('0f 77'), operands: 'i', run: (h) => h.emms() },
  { name: 'pblendvb mask', code: hex('66 0f 38 10 c2'), operands: 'i', run: (h) => h.pblendvb(X0, X2) },
  { name: 'blendvps mask', code: hex('66 0f 38 14 c2'), operands: 'i', run: (h) => h.blendvps(X0, X2) },
  { name: 'sha256rnds2 xmm0', code: hex('0f 38 cb c2'), operands: 'i', run: (h) => h.sha256rnds2(X0, X2) },
);
for (let value = 0; value < 128; value++) {
  const tail = [0xca, value];
  const name = value.toString(16);
  cases.push(
    {
      name: `pcmpestrm ${name}`,
      code: [...hex('66 0f 3a 60'), ...tail],
      operands: 'text',
      run: (h, s) => h.pcmpestrm(X1, X2, value, s[0], s[2]),
    },
    {
      name: `pcmpestri ${name}`,
      code: [...hex('66 0f 3a 61'), ...tail],
      operands: 'text',
      run: toEcx((h, s) => h.pcmpestri(X1, X2, value, s[0], s[2])),
    },
    {
      name: `pcmpistrm ${name}`,
      code: [...hex('66 0f 3a 62'), ...tail],
      operands: 'text',
      run: (h) => h.pcmpistrm(X1, X2, value),
    },
    {
      name: `pcmpistri ${name}`,
      code: [...hex('66 0f 3a 63'), ...tail],
      operands: 'text',
      run: toEcx((h) => h.pcmpistri(X1, X2, value)),
    },
  );
}

/** Instructions that no helper serves: moves, logic of whole registers, single lanes. Only with --interpret. */
export const moves: SimdCase[] = [];
const nothing = (): void => undefined;
for (const encoding of [
  '0f 10',
  '0f 11',
  '66 0f 10',
  '66 0f 11',
  'f3 0f 10',
  'f3 0f 11',
  'f2 0f 10',
  'f2 0f 11',
  '0f 12',
  '0f 13',
  '66 0f 12',
  '66 0f 13',
  '0f 14',
  '0f 15',
  '66 0f 14',
  '66 0f 15',
  '0f 16',
  '0f 17',
  '66 0f 16',
  '66 0f 17',
  '0f 28',
  '0f 29',
  '66 0f 28',
  '66 0f 29',
  '0f 2b',
  '66 0f 2b',
  '66 0f 54',
  '66 0f 55',
  '66 0f 56',
  '66 0f 57',
  '0f 54',
  '0f 55',
  '0f 56',
  '0f 57',
  '0f 6e',
  '0f 7e',
  '66 0f 6e',
  '66 0f 7e',
  'f3 0f 7e',
  '66 0f d6',
  '0f 6f',
  '0f 7f',
  '66 0f 6f',
  '66 0f 7f',
  'f3 0f 6f',
  'f3 0f 7f',
  '66 0f 6c',
  '0f e7',
  '66 0f e7',
  '0f c3',
  'f3 0f d6',
  'f2 0f d6',
  '66 0f 38 2a',
  'f2 0f f0',
  '0f f7',
  '66 0f f7',
  '66 66 0f 6f',
  'f3 66 0f 6f',
  '66 f2 0f 58',
  'f3 0f 54',
  'f2 0f 6f',
  '66 0f 18',
  '26 0f 28',
]) {
  moves.push({ name: `move ${encoding}`, code: [...hex(encoding), TWO], operands: 'i', run: nothing });
  moves.push({ name: `move ${encoding} same`, code: [...hex(encoding), SAME], operands: 'i', run: nothing });
}
for (const encoding of [
  '0f c4',
  '66 0f c4',
  '0f c5',
  '66 0f c5',
  '66 0f 3a 14',
  '66 0f 3a 15',
  '66 0f 3a 16',
  '66 0f 3a 17',
  '66 0f 3a 20',
  '66 0f 3a 21',
  '66 0f 3a 22',
])
  for (const value of [0, 1, 2, 3, 5, 7, 8, 10, 15, 0x46, 0x9b, 0xff])
    moves.push({
      name: `lane ${encoding} ${value.toString(16)}`,
      code: [...hex(encoding), TWO, value],
      operands: 'i',
      run: nothing,
    });
// MXCSR and fences: memory forms at MEMORY.
for (const encoding of ['0f ae 15', '0f ae 1d', '0f ae 3d', '0f 18 05', '0f 18 0d'])
  moves.push({
    name: `memory ${encoding}`,
    code: [...hex(encoding), 0x00, 0x08, 0x00, 0x20],
    operands: 'i',
    mxcsr: true,
    run: nothing,
  });
for (const encoding of ['0f ae e8', '0f ae f0', '0f ae f8', '0f ae d0', '0f ae d8', '0f ae ea'])
  moves.push({ name: `fence ${encoding}`, code: hex(encoding), operands: 'i', run: nothing });
