/**
 * The command line as data, for its documentation: the commands' own declarations, played to a recorder that stands in for yargs, so
 * that there is nothing to keep in step.
 */
import type { Argv, CommandModule, Options, PositionalOptions } from 'yargs';

export interface OptionReference {
  /** Names as they are written: `-L`, `--engine`. */
  readonly names: readonly string[];
  /** What stands for the value; undefined for switches. */
  readonly value: string | undefined;
  readonly describe: string;
  readonly default: string | undefined;
}

export interface CommandReference {
  /** `sysroot install <packages..>` */
  readonly usage: string;
  readonly describe: string;
  readonly positionals: readonly { readonly name: string; readonly describe: string }[];
  readonly options: readonly OptionReference[];
  readonly commands: readonly CommandReference[];
}

/** Module types differ in their arguments, which are of no interest here. */
export type AnyCommand = Pick<CommandModule, 'command' | 'describe'> & { readonly builder?: unknown };

const dashed = (name: string): string => (name.length === 1 ? `-${name}` : `--${name}`);

function optionReference(name: string, options: Options): OptionReference {
  const alias = options.alias === undefined ? [] : [options.alias].flat();
  const { choices, type } = options;
  const value =
    choices !== undefined ? choices.join('|') : type === 'boolean' ? undefined : type === 'number' ? 'NUMBER' : 'VALUE';
  // What depends on the user's own directories is told by the description.
  const shown = typeof options.default === 'string' && options.default.startsWith('/') ? undefined : options.default;
  const isTold = shown !== undefined && shown !== false && !(Array.isArray(shown) && shown.length === 0);
  return {
    names: [...alias, name].sort((a, b) => a.length - b.length).map(dashed),
    value,
    describe: options.describe ?? '',
    default: isTold ? String(shown) : undefined,
  };
}

/** What a command declares, with the commands below it. `prefix`: the words before its own. */
export function commandReference(module: AnyCommand, prefix = ''): CommandReference {
  const command = [module.command].flat()[0] ?? '';
  const positionals: { name: string; describe: string }[] = [];
  const options: OptionReference[] = [];
  const commands: CommandReference[] = [];
  const words = `${prefix}${command.split(' ')[0] ?? ''} `;
  const recorder: Record<string, (...args: never[]) => unknown> = {
    positional: (name: string, { describe }: PositionalOptions) => {
      positionals.push({ name, describe: describe ?? '' });
    },
    option: (name: string, declaration: Options) => {
      options.push(optionReference(name, declaration));
    },
    options: (all: Readonly<Record<string, Options>>) => {
      for (const [name, declaration] of Object.entries(all)) options.push(optionReference(name, declaration));
    },
    command: (below: AnyCommand | readonly AnyCommand[]) => {
      for (const one of [below].flat()) commands.push(commandReference(one as AnyCommand, words));
    },
  };
  const yargs: object = new Proxy(recorder, {
    get:
      (known, name) =>
      (...args: never[]) => {
        known[String(name)]?.(...args);
        return yargs;
      },
  });
  if (typeof module.builder === 'function') (module.builder as (yargs: Argv) => unknown)(yargs as Argv);
  return {
    usage: `${prefix}${command}`,
    describe: typeof module.describe === 'string' ? module.describe : '',
    positionals,
    options,
    commands,
  };
}

/** Commands that do something themselves: those without commands below them, in their order. */
export function leaves(reference: CommandReference): readonly CommandReference[] {
  if (reference.commands.length === 0) return [reference];
  return reference.commands.flatMap((below) =>
    leaves(below).map((leaf) => ({ ...leaf, options: [...leaf.options, ...reference.options] })),
  );
}
