import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { logMessages } from '@k3s-pki/k3s/explain';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { commands } from '../../packages/cli/src/commands/commands.ts';
import { explanations } from '../../packages/cli/src/messages/english/explain.ts';
import { messagesPage } from '../../packages/cli/src/render/explain.ts';
import { environment, folder, k3sPki, program } from './program.ts';

const test = suite('explain');
const page = resolve(import.meta.dirname, '../../docs/messages.md');
const failure =
  'certificate error ID 04711: failed to validate new CA certificates and keys: ServerCA: new CA cert cannot be verified using old CA chain: x509: certificate signed by unknown authority';

test('a line as an argument: the message, what it is said of, cause and mend', () => {
  const run = k3sPki(['explain', failure]);
  assert.is(run.code, 0);
  assert.is(run.stderr, '');
  assert.match(run.stdout, /^new CA cert cannot be verified using old CA chain/);
  assert.match(run.stdout, '  about  ServerCA (server/tls/server-ca.crt)\n');
  assert.match(run.stdout, '\n  cause  ');
  assert.match(run.stdout, '\n  mend   ');
  for (const line of run.stdout.split('\n')) assert.ok(line.length <= 80, line);
});

test('a log on standard input: each message once, with its lines, in order', () => {
  const log = [
    'time="2026-11-24T10:00:00Z" level=info msg="Starting k3s"',
    `time="2026-11-24T10:00:01Z" level=error msg="${failure}"`,
    '{"level":"error","msg":"found multiple bootstrap keys in storage"}',
    '',
    `time="2026-11-24T10:00:02Z" level=error msg="${failure.replace('ServerCA', 'ClientCA')}"\r`,
  ].join('\n');
  for (const args of [['explain'], ['explain', '-']]) {
    const run = k3sPki([...args, '--output', 'json'], { input: log });
    assert.is(run.code, 0, run.stderr);
    const { ok, lines, entries } = JSON.parse(run.stdout);
    assert.equal({ ok, lines }, { ok: true, lines: 4 });
    assert.equal(
      entries.map(({ id, first, count }: Record<string, unknown>) => [id, first, count]),
      [
        ['not-by-old-chain', 2, 2],
        ['several-keys', 3, 1],
      ],
    );
    assert.equal(entries[0].fields, [
      { field: 'ServerCA', file: 'server/tls/server-ca.crt' },
      { field: 'ClientCA', file: 'server/tls/client-ca.crt' },
    ]);
  }
  assert.match(k3sPki(['explain'], { input: log }).stdout, '  seen   in 2 lines, first in line 2\n');
});

test('what is not known: exit 1, the nearest entries, and not a word of the line', () => {
  const run = k3sPki(['explain', 'token CA hash geheim doesnt fit cluster hash', '--output', 'json']);
  assert.is(run.code, 1);
  assert.match(run.stderr, 'k3s-pki: error: not a message that is known here\n');
  assert.match(run.stderr, '\n  token CA hash does not match the Cluster CA certificate hash: {hash} != {hash}\n');
  const { ok, nearest } = JSON.parse(run.stdout);
  assert.is(ok, false);
  assert.is(nearest[0].id, 'hash-mismatch');
  assert.not.match(run.stdout + run.stderr, 'geheim');
  const log = k3sPki(['explain'], { input: 'one\ntwo\nlevel=error msg="three"\n' });
  assert.is(log.code, 1);
  assert.match(log.stderr, 'no message that is known here in 3 lines');
});

test('nothing to explain is wrong usage', () => {
  for (const run of [k3sPki(['explain', '']), k3sPki(['explain'], { input: '\n \n' })]) {
    assert.is(run.code, 2);
    assert.match(run.stderr, 'there is no line to explain');
  }
});

test('bytes that are no text, and a line without end', () => {
  const noise = Buffer.concat([
    Buffer.from([0xff, 0xfe, 0x00, 0x1b]),
    Buffer.alloc(3 << 20, 'x'),
    Buffer.from(`\n${failure}\n`),
  ]);
  const { status, stdout } = spawnSync(process.execPath, [program(), 'explain'], {
    input: noise,
    env: environment(),
    encoding: 'utf8',
  });
  assert.is(status, 0);
  assert.match(stdout, '  seen   in line 2\n');
});

test('--list: every message; a pipe that closes early is no error', () => {
  const { entries } = JSON.parse(k3sPki(['explain', '--list', '--output', 'json']).stdout);
  assert.equal(
    entries.map(({ id }: { id: string }) => id),
    logMessages.map(({ id }) => id),
  );
  const text = k3sPki(['explain', '--list']).stdout.replaceAll(/\s+/g, ' ');
  for (const { texts } of logMessages) assert.ok(text.includes(texts[0].replaceAll(/\s+/g, ' ')), texts[0]);
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', '"$0" "$1" explain --list | head -n 1; exit 0', process.execPath, program()],
    {
      env: environment(),
      encoding: 'utf8',
    },
  );
  assert.equal({ status, stderr }, { status: 0, stderr: '' });
});

test('every entry has a cause and a mend of whole sentences, and names commands that exist', () => {
  const known = commands.map(({ path }) => path.join(' '));
  for (const [id, { cause, mend }] of Object.entries(explanations)) {
    for (const text of [cause, mend]) {
      assert.match(text, /^\S[\s\S]*[.?]$/, id);
      for (const [, words = ''] of text.matchAll(/k3s-pki ([a-z -]+)/g)) {
        assert.ok(
          known.some((each) => words.startsWith(each)),
          `${id}: k3s-pki ${words}`,
        );
      }
    }
  }
});

// UPDATE_DOCS=1 writes the page anew; the formatter then aligns its tables.
test('docs/messages.md says the same', () => {
  if (process.env.UPDATE_DOCS === '1') writeFileSync(page, messagesPage());
  const even = (text: string) => text.replaceAll(/-{3,}/g, '---').replaceAll(/ +/g, ' ');
  assert.fixture(even(readFileSync(page, 'utf8')), even(messagesPage()));
});

test('the examples of the help and of the page run', () => {
  const { stdout } = k3sPki(['explain', '--help']);
  const text = `${stdout}\n${readFileSync(page, 'utf8')}`;
  const lines = [...text.matchAll(/^ {2,4}(?:journalctl [^|]+\| )?k3s-pki (explain.*)$/gm)].map(
    ([, line = '']) => line,
  );
  assert.ok(lines.length >= 5, lines.join('\n'));
  for (const line of lines.filter((each) => !each.includes('[OPTIONS]'))) {
    const words = line.match(/"[^"]*"|\S+/g)?.map((word) => word.replaceAll('"', '')) ?? [];
    const run = k3sPki(words, { input: `${failure}\n`, cwd: join(folder()) });
    assert.is(run.code, 0, `${line}: ${run.stderr}`);
  }
});

test.run();
