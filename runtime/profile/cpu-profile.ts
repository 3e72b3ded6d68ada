/**
 * Profiles in the format of Chrome DevTools (the DevTools protocol's `Profiler.Profile`), which VS Code opens, too: a tree of calls,
 * and which of its nodes each sample was in.
 */

export interface CallFrame {
  readonly functionName: string;
  readonly scriptId: string;
  readonly url: string;
  /** From 0; -1: unknown. */
  readonly lineNumber: number;
  readonly columnNumber: number;
}

export interface ProfileNode {
  readonly id: number;
  readonly callFrame: CallFrame;
  hitCount: number;
  children?: number[];
}

/** Times are microseconds of the host's monotonic clock. */
export interface CpuProfile {
  readonly nodes: ProfileNode[];
  readonly startTime: number;
  readonly endTime: number;
  /** A node's id for each sample, and the time from the sample before (for the first: from `startTime`) to it. */
  readonly samples: number[];
  readonly timeDeltas: number[];
}

/** A function in the tree; frames are compared by `key`. */
export interface Frame {
  readonly key: string;
  readonly name: string;
  readonly file?: string;
  readonly line?: number;
}

export class CpuProfileBuilder {
  private readonly nodes: ProfileNode[] = [];
  private readonly children = new Map<string, number>();
  private readonly scripts = new Map<string, string>();
  private readonly samples: number[] = [];
  private readonly timeDeltas: number[] = [];
  private readonly root = this.node({ key: '(root)', name: '(root)' });

  /** @param stack the outermost function first */
  add(stack: readonly Frame[], timeDelta: number): void {
    let node = this.root;
    for (const frame of stack) node = this.childOf(node, frame);
    node.hitCount++;
    this.samples.push(node.id);
    this.timeDeltas.push(timeDelta);
  }

  finish(startTime: number, endTime: number): CpuProfile {
    const { nodes, samples, timeDeltas } = this;
    return { nodes, startTime, endTime, samples, timeDeltas };
  }

  private childOf(parent: ProfileNode, frame: Frame): ProfileNode {
    const key = `${parent.id} ${frame.key}`;
    const known = this.children.get(key);
    if (known !== undefined) return this.nodes[known - 1]!;
    const child = this.node(frame);
    this.children.set(key, child.id);
    (parent.children ??= []).push(child.id);
    return child;
  }

  private node({ name, file, line }: Frame): ProfileNode {
    const url = file ?? '';
    let scriptId = this.scripts.get(url);
    if (scriptId === undefined) this.scripts.set(url, (scriptId = String(this.scripts.size)));
    const callFrame = { functionName: name, scriptId, url, lineNumber: line ?? -1, columnNumber: -1 };
    const node: ProfileNode = { id: this.nodes.length + 1, callFrame, hitCount: 0 };
    this.nodes.push(node);
    return node;
  }
}
