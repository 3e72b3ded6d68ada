/** Calls of host functions in generated JavaScript, found by parsing it: where they stand, and what their arguments are. */
import { type CallExpression, type Node, parse } from 'acorn';
import type { Test } from 'tap';

function walk(
  node: unknown,
  visit: (node: Node, parents: readonly Node[]) => void,
  parents: readonly Node[] = [],
): void {
  if (Array.isArray(node)) {
    for (const one of node) walk(one, visit, parents);
    return;
  }
  if (typeof node !== 'object' || node === null || typeof (node as Node).type !== 'string') return;
  const own = node as Node;
  visit(own, parents);
  for (const value of Object.values(own)) walk(value, visit, [...parents, own]);
}

function calleeName(call: CallExpression): string {
  const { callee } = call;
  if (callee.type === 'Identifier') return callee.name;
  if (
    callee.type === 'MemberExpression' &&
    callee.object.type === 'Identifier' &&
    callee.property.type === 'Identifier'
  ) {
    return `${callee.object.name}.${callee.property.name}`;
  }
  return callee.type;
}

/**
 * Generated functions call a host function directly: it is no argument of another call, stands in the generated function itself, and
 * its arguments are read from guest memory inline.
 * @param reader of its arguments, all of one type: `M.getInt32`
 * @returns the names of the generated functions
 */
export function testDirectCalls(
  t: Test,
  sources: readonly string[],
  name: string,
  count: number,
  reader: string,
): string[] {
  const found: string[] = [];
  for (const source of sources) {
    walk(parse(source, { ecmaVersion: 2022 }), (node, parents) => {
      if (node.type !== 'CallExpression' || calleeName(node as CallExpression) !== name) return;
      t.notOk(
        parents.some((parent) => parent.type === 'CallExpression'),
        'it is no argument of another call',
      );
      const functions = parents.filter((parent) => /Function/.test(parent.type)) as (Node & {
        id?: { name: string };
      })[];
      t.equal(functions.length, 1, 'it stands in the generated function itself');
      found.push(functions[0]!.id?.name ?? '');
      const { arguments: args } = node as CallExpression;
      t.equal(args.length, count);
      for (const argument of args) {
        t.equal(argument.type, 'CallExpression');
        t.equal(calleeName(argument as CallExpression), reader, 'its argument is read from guest memory inline');
        walk((argument as CallExpression).arguments, (inner) => t.not(inner.type, 'CallExpression'));
      }
    });
  }
  return found;
}
