import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { environment, folder, program, programNames, put } from './program.ts';

const workspace = resolve(import.meta.dirname, '../..');

interface Step {
  readonly command: string;
  readonly code: number;
  readonly shown: readonly string[];
}

interface Block {
  readonly line: number;
  readonly before: readonly string[];
  readonly steps: readonly Step[];
}

/**
 * Adds a test for every `console` block of a page, to be run in order, as by a reader who pastes them: each `$ command` in a
 * shell, in one sandbox whose paths stand for the ones written, and compares what is printed with what the page shows.
 * `<!-- before: command -->` in front of a block prepares what the reader has and the page does not make, such as a
 * cluster, and so does `prepare`, which gets the sandbox; `# exit 1` behind a command is the code it must end with.
 * Answers the commands.
 */
export function testExamples(test: Test, page: string, prepare?: (sandbox: string) => Promise<void>): string[] {
  const examples = blocksOf(readFileSync(join(workspace, page), 'utf8'));
  const sandbox = makeSandbox();
  if (prepare !== undefined) test.before(() => prepare(sandbox));
  for (const { line, before, steps } of examples) {
    test(`the example in line ${line} does what it shows`, () => {
      for (const command of before) {
        const { code, output } = run(command, sandbox);
        assert.is(code, 0, `${command}\n${output}`);
      }
      for (const { command, code, shown } of steps) {
        const ran = run(command, sandbox);
        assert.is(ran.code, code, `${command}\n${ran.output}`);
        const printed = plain(ran.output).split('\n');
        // In order; what the page leaves out with `...` may stand in between.
        let from = 0;
        let gap = false;
        for (const each of shown) {
          if (each.trim() === '...') {
            gap = true;
            continue;
          }
          const wanted = plain(each);
          const found = gap ? printed.indexOf(wanted, from) : printed[from] === wanted ? from : -1;
          assert.ok(found >= 0, `${command}\nshown:   ${wanted}\nprinted: ${gap ? printed.join('\n') : printed[from]}`);
          from = found + 1;
          gap = false;
        }
        const rest = printed.slice(from).filter((each) => each !== '');
        assert.ok(gap || rest.length === 0, `${command}\nprinted, but not shown: ${rest.join('\n')}`);
      }
    });
  }
  return examples.flatMap(({ steps }) => steps.map(({ command }) => command));
}

/** A folder that stands for the root of the examples' file system, with the program's names on its PATH. */
function makeSandbox(): string {
  const root = folder();
  const starts = (name: string, shift = '') => `#!/bin/sh\n${shift}exec '${process.execPath}' '${name}' "$@"\n`;
  put(join(root, 'bin'), {
    ...Object.fromEntries(programNames.map((name) => [name, starts(program({ name }))])),
    // `npm start -- ARGS` is the program after set-up, which has tests of its own.
    npm: starts(program(), 'shift 2\n'),
  });
  for (const name of [...programNames, 'npm']) chmodSync(join(root, 'bin', name), 0o755);
  mkdirSync(join(root, 'root/k3s-pki'), { recursive: true });
  return root;
}

/** Exit code, and stdout and stderr as a terminal mixes them, with the reader's paths back in place. */
function run(command: string, sandbox: string): { code: number | null; output: string } {
  const moved = command.replaceAll(/(?<![\w.])\/(var\/lib\/rancher|opt|etc)\//g, `${sandbox}/$1/`);
  const { status, stdout } = spawnSync('sh', ['-c', `exec 2>&1; ${moved}`], {
    cwd: join(sandbox, 'root/k3s-pki'),
    env: { ...environment(), PATH: `${join(sandbox, 'bin')}:${process.env.PATH}` },
    encoding: 'utf8',
  });
  return { code: status, output: stdout.replaceAll(sandbox, '') };
}

function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.split('\n');
  let before: string[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    const prepared = /^<!-- before: (.*) -->$/.exec(line)?.[1];
    if (prepared !== undefined) before.push(prepared);
    if (!line.startsWith('```')) continue;
    const end = lines.indexOf('```', index + 1);
    if (line === '```console') {
      blocks.push({ line: index + 1, before, steps: stepsOf(lines.slice(index + 1, end)) });
      before = [];
    }
    index = end;
  }
  return blocks;
}

function stepsOf(lines: readonly string[]): Step[] {
  const steps: { command: string; code: number; shown: string[] }[] = [];
  for (const line of lines) {
    if (line.startsWith('$ ')) {
      const [, command = '', code = '0'] = /^\$ (.*?)(?: +# exit (\d+))?$/.exec(line) ?? [];
      steps.push({ command, code: Number(code), shown: [] });
    } else steps.at(-1)?.shown.push(line);
  }
  return steps;
}

/** What differs from run to run, made equal: times, dates, digests, key ids, serials, durations. */
function plain(text: string): string {
  return (
    text
      .replaceAll(/\b\d{4}-\d\d-\d\d(T[\d:]+Z| [\d:]+ UTC)?\b/g, 'DATE')
      // A leaf that was made in this very second has a day more.
      .replaceAll('365 days left', '364 days left')
      // A second backup within a second gets a number.
      .replaceAll(/(?<=bootstrap-backups\/)\d{10}(-\d+)?/g, 'TIME')
      .replaceAll(/(@|tls-)\d{10}\b/g, '$1TIME')
      .replaceAll(/(?<=K10)[0-9a-f]{64}\b/g, 'HASH')
      .replaceAll(/(?<![\w-])(?=\S*[A-Z])[\w-]{43}(?![\w-])/g, 'KID')
      .replaceAll(/\b(?=[0-9a-f]*\d)[0-9a-f]{8,64}\b/g, 'HASH')
      .trimEnd()
  );
}
