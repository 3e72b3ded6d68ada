/**
 * The codes in cookies: FNV-1a hashes of the names, so that they stay the same whatever is declared around them. That no two
 * collide is tested.
 */
export function codeOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
