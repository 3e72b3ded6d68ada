/**
 * gdb's breakpoints and watchpoints in the engine of one thread. Breakpoints are stops, so no byte of the guest's code ever changes;
 * watchpoints are watched memory. Which there are is the session's: each thread's engine follows it before it runs.
 */
import type { Dispatcher } from '../../engine/engine.js';
import type { WatchedRange } from '../../memory/watch.js';
import type { DebugSession, Point } from './session.js';

const BREAKPOINT = 0;
/** What is watched, and what stop replies call it. */
const WATCHED: ReadonlyMap<number, { name: string; kinds: readonly WatchedRange['kind'][] }> = new Map([
  [2, { name: 'watch', kinds: ['write'] }],
  [3, { name: 'rwatch', kinds: ['read'] }],
  [4, { name: 'awatch', kinds: ['read', 'write'] }],
]);

const keyOf = ({ type, address, length }: Point): string =>
  type === BREAKPOINT ? `${address}` : `${type},${address},${length}`;
const hitOf = ({ type, address }: Point): string => `${WATCHED.get(type)?.name}:${address.toString(16)};`;
const number = (text: string | undefined): number => Number.parseInt(text ?? '0', 16);

/** What `Z` and `z` packets say after that letter; undefined where there are no such points. */
export function parsePoint(text: string): Point | undefined {
  const [type, address, length] = text.split(/[,;]/).map(number);
  // Hardware breakpoints (1) are as good as the others.
  if (type === 0 || type === 1) return { type: BREAKPOINT, address: address!, length: 0 };
  return WATCHED.has(type!) ? { type: type!, address: address!, length: Math.max(1, length!) } : undefined;
}

export class Points {
  /** What takes each point away again. */
  private readonly set = new Map<string, () => void>();
  private generation = 0;
  /** The watchpoint that was hit in the instruction before the stop. */
  private hit: string | undefined;

  constructor(
    private readonly engine: Dispatcher,
    private readonly session: DebugSession,
  ) {}

  /** Sets a point or takes it away, for all threads. False where there are too many. */
  change(isSet: boolean, point: Point): boolean {
    const others = this.session.points.filter((other) => keyOf(other) !== keyOf(point));
    const done = this.session.setPoints(isSet ? [...others, point] : others);
    this.follow();
    return done;
  }

  /** Sets and takes away what has changed since this was called. */
  follow(): void {
    const { generation, points } = this.session;
    if (generation === this.generation) return;
    this.generation = generation;
    const wanted = new Map(points.map((point) => [keyOf(point), point]));
    for (const [key, remove] of this.set) {
      if (wanted.has(key)) continue;
      remove();
      this.set.delete(key);
    }
    for (const [key, point] of wanted) if (!this.set.has(key)) this.set.set(key, this.place(point));
  }

  /** Takes everything away here, whatever the session has. */
  clear(): void {
    for (const remove of this.set.values()) remove();
    this.set.clear();
    this.generation = 0;
  }

  isBreakpoint(address: number): boolean {
    return this.set.has(`${address >>> 0}`);
  }

  /** The part of a stop reply that tells of the watchpoint for which execution stopped; forgets it. */
  takeHit(): string | undefined {
    const { hit } = this;
    this.hit = undefined;
    return hit;
  }

  /** Whether a watchpoint that was hit is still there. */
  isWatched(hit: string): boolean {
    return this.session.points.some((point) => hitOf(point) === hit);
  }

  private place(point: Point): () => void {
    const { engine } = this;
    const { type, address, length } = point;
    if (type === BREAKPOINT) {
      engine.observe().addStop(address);
      return () => engine.observe().removeStop(address);
    }
    const watch = engine.watchMemory();
    const ranges = WATCHED.get(type)!.kinds.map((kind): WatchedRange => ({
      kind,
      start: address,
      end: address + length,
      listener: () => {
        this.hit ??= hitOf(point);
        engine.observe().requestStop();
      },
    }));
    for (const range of ranges) watch.add(range);
    return () => {
      for (const range of ranges) watch.remove(range);
    };
  }
}
