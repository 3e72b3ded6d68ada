/**
 * CPUID as the guest sees it. Which feature bits are told follows from the declarations (a feature is there when
 * instructions of it are declared) and from the model that the user chose, as with qemu's -cpu.
 */
import { declarations, type Feature } from '../../translator/isa/declare.js';

export type CpuModelName = '486' | 'pentium3' | 'core2' | 'nehalem' | 'max';

export interface CpuModel {
  readonly name: CpuModelName;
  /** Family, model and stepping as leaf 1 gives them in eax. */
  readonly signature: number;
  readonly brand: string;
  readonly features: ReadonlySet<Feature>;
}

/** Where each feature is told: leaf (and subleaf 0), register, bit. */
const FEATURE_BITS: Record<Feature, readonly [leaf: number, register: 'ebx' | 'ecx' | 'edx', bit: number]> = {
  fpu: [1, 'edx', 0],
  tsc: [1, 'edx', 4],
  cx8: [1, 'edx', 8],
  sep: [1, 'edx', 11],
  cmov: [1, 'edx', 15],
  clfsh: [1, 'edx', 19],
  mmx: [1, 'edx', 23],
  fxsr: [1, 'edx', 24],
  sse: [1, 'edx', 25],
  sse2: [1, 'edx', 26],
  sse3: [1, 'ecx', 0],
  pclmulqdq: [1, 'ecx', 1],
  ssse3: [1, 'ecx', 9],
  sse4_1: [1, 'ecx', 19],
  sse4_2: [1, 'ecx', 20],
  movbe: [1, 'ecx', 22],
  popcnt: [1, 'ecx', 23],
  aes: [1, 'ecx', 25],
  rdrand: [1, 'ecx', 30],
  bmi1: [7, 'ebx', 3],
  rdseed: [7, 'ebx', 18],
  clflushopt: [7, 'ebx', 23],
  sha: [7, 'ebx', 29],
  rdpid: [7, 'ecx', 22],
  lzcnt: [0x80000001, 'ecx', 5],
  prefetchw: [0x80000001, 'ecx', 8],
  rdtscp: [0x80000001, 'edx', 27],
};

const I486: Feature[] = ['fpu'];
const PENTIUM3: Feature[] = [...I486, 'tsc', 'cx8', 'sep', 'cmov', 'mmx', 'fxsr', 'sse'];
const CORE2: Feature[] = [...PENTIUM3, 'clfsh', 'sse2', 'sse3', 'ssse3'];
const NEHALEM: Feature[] = [...CORE2, 'sse4_1', 'sse4_2', 'popcnt'];
const MAX = (Object.keys(FEATURE_BITS) as Feature[]).filter((feature) => feature !== 'bmi1');

const MODELS: Record<CpuModelName, { signature: number; brand: string; features: readonly Feature[] }> = {
  '486': { signature: 0x480, brand: '486 DX/4', features: I486 },
  pentium3: { signature: 0x673, brand: 'Pentium III', features: PENTIUM3 },
  core2: { signature: 0x6fb, brand: 'Core 2 Duo', features: CORE2 },
  nehalem: { signature: 0x106a3, brand: 'Nehalem', features: NEHALEM },
  max: { signature: 0x106a3, brand: 'bridge86 virtual processor', features: MAX },
};

/** The model by name, with the features that are both of the model and declared. */
export function cpuModel(name: CpuModelName): CpuModel {
  const declared = new Set(declarations.map((declaration) => declaration.options.feature));
  const model = MODELS[name];
  const features = new Set(model.features.filter((feature) => declared.has(feature)));
  return { name, signature: model.signature, brand: model.brand, features };
}

const VENDOR = 'GenuineIntel';
const text = (string: string, offset: number): number =>
  [0, 1, 2, 3].reduce((word, i) => word | ((string.charCodeAt(offset + i) || 0) << (8 * i)), 0);

function featureWord(model: CpuModel, leaf: number, register: 'ebx' | 'ecx' | 'edx'): number {
  let word = 0;
  for (const feature of model.features) {
    const [itsLeaf, itsRegister, bit] = FEATURE_BITS[feature];
    if (itsLeaf === leaf && itsRegister === register) word |= 1 << bit;
  }
  return word;
}

/** What Linux gives as AT_HWCAP: leaf 1's edx. */
export function hardwareCapabilities(model: CpuModel): number {
  return featureWord(model, 1, 'edx') >>> 0;
}

/** eax, ebx, ecx, edx of a leaf; leaves beyond the last give the last basic one's zeros. */
export function cpuidLeaf(model: CpuModel, leaf: number, subleaf: number): [number, number, number, number] {
  switch (leaf) {
    case 0:
      return [model.name === '486' ? 1 : 7, text(VENDOR, 0), text(VENDOR, 8), text(VENDOR, 4)];
    case 1: {
      // CLFLUSH line size 8 quadwords, one logical processor, APIC id 0.
      const ebx = 0x00010800;
      return [model.signature, ebx, featureWord(model, 1, 'ecx'), featureWord(model, 1, 'edx')];
    }
    case 7:
      return subleaf === 0 ? [0, featureWord(model, 7, 'ebx'), featureWord(model, 7, 'ecx'), 0] : [0, 0, 0, 0];
    case 0x80000000:
      return [0x80000004 | 0, 0, 0, 0];
    case 0x80000001:
      return [0, 0, featureWord(model, 0x80000001, 'ecx'), featureWord(model, 0x80000001, 'edx')];
    case 0x80000002:
    case 0x80000003:
    case 0x80000004: {
      const brand = model.brand.padEnd(48, '\0');
      const at = (leaf - 0x80000002) * 16;
      return [text(brand, at), text(brand, at + 4), text(brand, at + 8), text(brand, at + 12)];
    }
    default:
      return [0, 0, 0, 0];
  }
}
