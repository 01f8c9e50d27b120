import { formatPasswd, nodeFollows, PasswdError, parsePasswd, passwordOf, withServerPassword } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('passwd');

// What Go's encoding/csv answers, from its own documentation and tests.
for (const [text, rows] of [
  [
    'a,node,node,k3s:agent\nb,server,server,k3s:server\n',
    [
      ['a', 'node', 'node', 'k3s:agent'],
      ['b', 'server', 'server', 'k3s:server'],
    ],
  ],
  [
    'a,node\r\nb,server',
    [
      ['a', 'node'],
      ['b', 'server'],
    ],
  ],
  ['\n\na,node\n\n', [['a', 'node']]],
  ['"a,b",node\n', [['a,b', 'node']]],
  ['"a""b",node\n', [['a"b', 'node']]],
  ['"a\nb",node\n', [['a\nb', 'node']]],
  [' a,node,\n', [[' a', 'node', '']]],
  ['', []],
] as const) {
  test(`reads ${JSON.stringify(text)}`, () => {
    assert.equal(parsePasswd(text), rows as unknown);
    assert.equal(parsePasswd(formatPasswd(rows)), rows as unknown);
  });
}

for (const [text, message] of [
  ['secret\n', 'line 1: must have at least 2 columns (password, name), found 1'],
  ['a,node\nse"cret,server\n', 'line 2: a quotation mark in a wrong place'],
  ['"secret,server\n', 'line 1: a quotation mark in a wrong place'],
  ['"secret"x,server\n', 'line 1: a quotation mark in a wrong place'],
] as const) {
  test(`refuses ${JSON.stringify(text)} without a word of it`, () => {
    assert.throws(
      () => parsePasswd(text),
      (error: unknown) => error instanceof PasswdError && error.message === message && !error.message.includes('cret'),
    );
  });
}

test('writes what Go writes', () => {
  assert.is(formatPasswd([['a,b', 'x"y', ' z', '', 'p q']]), '"a,b","x""y"," z",,p q\n');
});

test('the node password follows the shared one, unless an agent token was set', () => {
  const shared = parsePasswd('a,node,node,k3s:agent\na,server,server,k3s:server\nb,other,other,x\n');
  assert.is(nodeFollows(shared, false), true);
  assert.is(nodeFollows(shared, true), false);
  assert.is(
    formatPasswd(withServerPassword(shared, 'c', { agentToken: false })),
    'c,node,node,k3s:agent\nc,server,server,k3s:server\nb,other,other,x\n',
  );
  assert.is(passwordOf(withServerPassword(shared, 'c', { agentToken: true }), 'node'), 'a');
  const apart = parsePasswd('a,node\nb,server\n');
  assert.is(passwordOf(withServerPassword(apart, 'c', { agentToken: false }), 'node'), 'a');
});

test('lines are counted as Go does it, in quoted fields too, and a long file takes no time that grows with its square', () => {
  assert.throws(() => parsePasswd('a,b\n"c\nd",e\n\nlonely\n'), /line 5/);
  const rows = 40_000;
  const started = performance.now();
  assert.is(parsePasswd('password,name,name,role\n'.repeat(rows)).length, rows);
  assert.ok(performance.now() - started < 5000);
});

test.run();
