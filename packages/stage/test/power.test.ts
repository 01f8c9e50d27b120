/** A power cut at every moment, on a file system that keeps no more than POSIX promises. strace(1) records what a real
 *  run asks of the kernel; a model replays it: content is kept when the file was synced, a directory's entry when
 *  the directory was synced since; of the rest any part may be kept, in any order, and an unsynced file comes back
 *  empty. Each state that can be left is laid down in a folder, the package recovers it, and node:fs looks at the end.
 *  The one thing asked of the file system beyond POSIX: a rename inside a directory is kept whole or not at all, and one
 *  between directories never loses the file (it may keep both names). ext4, xfs, btrfs and zfs promise more. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { recover } from '../src/stage.ts';
import { type Entry, lay, memory, notRun, type Run, temporaryFolder, tree } from './sandbox.ts';

process.umask(0o027);

interface File {
  readonly kind: 'file';
  content: Buffer;
  mode: number;
}
interface Directory {
  readonly kind: 'directory';
  mode: number;
}
type Node = File | Directory;

/** `entry`: names of a directory set or, with null, removed; never kept `without` the other half of a rename that keeps
 *  the file. `sync`: what is durable from then on. */
type Event =
  | {
      readonly kind: 'entry';
      readonly names: ReadonlyArray<readonly [path: string, node: Node | null]>;
      readonly directory: string;
      readonly without?: Event;
      readonly text: string;
    }
  | {
      readonly kind: 'content';
      readonly node: Node;
      readonly mode?: number;
      readonly append?: Buffer;
      readonly text: string;
    }
  | { readonly kind: 'sync'; readonly node: Node; readonly path: string; readonly text: string };

/** Lines of `strace -y -xx`: every string is hex, every descriptor is followed by its path. */
function parse(log: string, folder: string): { events: Event[]; names: Map<string, Node> } {
  const names = new Map<string, Node>();
  const initial = new Map<string, Node>();
  const walk = (at: string) => {
    for (const entry of fs.readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      const mode = fs.lstatSync(path).mode & 0o7777;
      const node: Node = entry.isDirectory()
        ? { kind: 'directory', mode }
        : { kind: 'file', content: fs.readFileSync(path), mode };
      initial.set(path, node);
      names.set(path, node);
      if (entry.isDirectory()) walk(path);
    }
  };
  names.set(folder, { kind: 'directory', mode: 0o700 });
  walk(folder);
  const events: Event[] = [];
  const set = (text: string, directory: string, ...changes: Array<readonly [string, Node | null]>) => {
    for (const [path, node] of changes) {
      if (node === null) names.delete(path);
      else names.set(path, node);
    }
    events.push({ kind: 'entry', names: changes, directory, text });
  };
  const rename = (text: string, from: string, to: string) => {
    const node = names.get(from) as Node;
    if (dirname(from) === dirname(to)) return set(text, dirname(to), [from, null], [to, node]);
    set(text, dirname(to), [to, node]);
    names.delete(from);
    events.push({
      kind: 'entry',
      names: [[from, null]],
      directory: dirname(from),
      without: events.at(-1) as Event,
      text: `${text}, other half`,
    });
  };
  const unfinished = new Map<string, string>();
  for (const raw of log.split('\n')) {
    // `-f`: a call that another thread's interrupts comes in two lines, and counts from the second.
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/.exec(raw) ?? [];
    if (text.endsWith(' <unfinished ...>')) {
      unfinished.set(thread, text.slice(0, -' <unfinished ...>'.length));
      continue;
    }
    const line = text.replace(/^<\.\.\. \w+ resumed>/, () => unfinished.get(thread) ?? '');
    const call = /^(\w+)\((.*)\) += (-?\d+)/.exec(line);
    if (call === null || call[3]?.startsWith('-') === true) continue;
    const [, name = '', args = ''] = call;
    const strings = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) =>
      Buffer.from(hex.replaceAll('\\x', ''), 'hex'),
    );
    const paths = strings.map((each) => each.toString());
    const descriptor =
      /^\d+<([^>]*)>/
        .exec(args)?.[1]
        ?.replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))) ?? '';
    const [first = '', second = ''] = paths;
    const inside = (path: string) => path.startsWith(`${folder}/`);
    const octal = Number.parseInt(/, (0[0-7]*)$/.exec(args)?.[1] ?? '', 8);
    if (/^mkdir(at)?$/.test(name) && inside(first)) {
      set(`mkdir ${first}`, dirname(first), [first, { kind: 'directory', mode: octal & ~0o027 }]);
    } else if (name === 'openat' && args.includes('O_CREAT') && inside(first)) {
      set(`create ${first}`, dirname(first), [first, { kind: 'file', content: Buffer.alloc(0), mode: octal & ~0o027 }]);
    } else if (/^link(at)?$/.test(name) && inside(second)) {
      set(`link ${first} ${second}`, dirname(second), [second, names.get(first) as Node]);
    } else if (/^rename(at2?)?$/.test(name) && inside(second)) {
      rename(`rename ${first} ${second}`, first, second);
    } else if (/^(unlink(at)?|rmdir)$/.test(name) && inside(first)) {
      set(`${name} ${first}`, dirname(first), [first, null]);
    } else if (/^(write|pwrite64)$/.test(name) && inside(descriptor)) {
      events.push({
        kind: 'content',
        node: names.get(descriptor) as Node,
        append: strings[0] as Buffer,
        text: `write ${descriptor}`,
      });
    } else if (name === 'fchmod' && inside(descriptor)) {
      events.push({ kind: 'content', node: names.get(descriptor) as Node, mode: octal, text: `chmod ${descriptor}` });
    } else if (/^f(data)?sync$/.test(name) && (inside(descriptor) || descriptor === folder)) {
      events.push({ kind: 'sync', node: names.get(descriptor) as Node, path: descriptor, text: `sync ${descriptor}` });
    }
  }
  return { events, names: initial };
}

/** What a cut after `count` events can leave: for each choice of unsynced entries a map from path to node. */
function* remains(
  events: readonly Event[],
  count: number,
  initial: ReadonlyMap<string, Node>,
): Generator<Map<string, Node>> {
  const past = events.slice(0, count);
  // Content and modes as of each node's last sync. Unsynced: an empty file; a directory with the mode of its mkdir.
  const durable = new Map<Node, Node>();
  const current = new Map<Node, Node>();
  for (const event of past) {
    if (event.kind === 'content') {
      const was = current.get(event.node) ?? event.node;
      const now: Node =
        was.kind === 'file'
          ? {
              kind: 'file',
              content: Buffer.concat([was.content, event.append ?? Buffer.alloc(0)]),
              mode: event.mode ?? was.mode,
            }
          : { kind: 'directory', mode: event.mode ?? was.mode };
      current.set(event.node, now);
    } else if (event.kind === 'sync') {
      durable.set(event.node, current.get(event.node) ?? event.node);
    }
  }
  const kept: Event[] = [];
  const open: Event[] = [];
  for (const [index, event] of past.entries()) {
    if (event.kind !== 'entry') continue;
    const synced = past.slice(index + 1).some((later) => later.kind === 'sync' && later.path === event.directory);
    if (synced) kept.push(event, ...(event.without === undefined ? [] : [event.without]));
  }
  for (const event of past) if (event.kind === 'entry' && !kept.includes(event)) open.push(event);
  const choices: Array<ReadonlySet<Event>> = [new Set(), new Set(open)];
  for (const [index, event] of open.entries()) {
    choices.push(
      new Set(open.slice(0, index)),
      new Set([event]),
      new Set(open.filter((each) => each !== event)),
      new Set(open.slice(index)),
    );
  }
  for (const chosen of choices) {
    const names = new Map(initial);
    for (const event of past) {
      const stays = (each: Event) => kept.includes(each) || chosen.has(each);
      if (event.kind !== 'entry' || !stays(event) || (event.without !== undefined && !stays(event.without))) continue;
      for (const [path, node] of event.names) {
        if (node === null) names.delete(path);
        else names.set(path, node);
      }
    }
    yield new Map(
      [...names].map(([path, node]) => [
        path,
        initial.has(path) && initial.get(path) === node ? node : (durable.get(node) ?? node),
      ]),
    );
  }
}

function layDown(names: ReadonlyMap<string, Node>, from: string, to: string): string {
  const lines: string[] = [];
  const twins = new Map<Node, string>();
  for (const [path, node] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const at = to + path.slice(from.length);
    // An entry whose directory was lost is lost with it.
    if (path === from || !fs.existsSync(dirname(at))) continue;
    const twin = twins.get(node);
    if (node.kind === 'directory') fs.mkdirSync(at);
    else if (twin === undefined) fs.writeFileSync(at, node.content);
    else fs.linkSync(twin, at);
    if (node.kind === 'file') twins.set(node, at);
    fs.chmodSync(at, node.mode);
    if (!/^(lock|held)\./.test(basename(at)))
      lines.push(`${path} ${node.mode} ${node.kind === 'file' ? node.content.toString('hex') : ''} ${twin ?? ''}`);
  }
  return lines.join('\n').replaceAll(to, '');
}

const before: readonly Entry[] = [
  { path: 'tls/a.key', text: 'old key', mode: 0o600 },
  { path: 'tls/a.crt', text: 'old certificate', mode: 0o640 },
  { path: 'root.key', text: 'moved key', mode: 0o600 },
];
const writes: readonly Entry[] = [
  { path: 'tls/a.key', text: 'new key', mode: 0o600 },
  { path: 'tls/a.crt', text: 'new certificate', mode: 0o640 },
  { path: 'tls/etcd/b.key', text: 'other new key', mode: 0o600 },
  { path: 'tls/root.key', text: 'moved key', mode: 0o600 },
];

const power = suite('stage: power cut');

const strace = spawnSync('strace', ['-o', '/dev/null', 'true']);
if (strace.error !== undefined || strace.status !== 0) notRun('stage/power', 'no strace that may trace');
else {
  const newTrees = new Map<string, readonly string[]>();
  for (const first of [false, true]) {
    for (const obstructed of [false, true]) {
      power(
        `at every moment of ${first ? 'a first creation' : 'a rotation'}${obstructed ? ' that is undone' : ''}`,
        async () => {
          const folder = temporaryFolder(memory);
          const path = first ? 'new/data' : 'data';
          const root = join(folder, path);
          if (!first) lay(root, [['tls', 0o755]], before);
          const run: Run = {
            root,
            directories: [
              ['.', 0o750],
              ['tls', 0o700],
              ['tls/etcd', 0o750],
            ],
            writes: first ? writes.slice(0, 3) : writes,
            removes: first ? [] : ['root.key'],
            clock: 1_700_000_000_000,
            do: 'commit',
            // The failure is one of the second kind of file, so that the undo has something to undo.
            ...(obstructed ? { obstruct: ['finish:rename:1', 'tls/etcd/b.key'] as const } : {}),
          };
          const log = join(folder, '..', `${basename(folder)}.strace`);
          const oldTree = tree(folder);
          const initial = parse('', folder).names;
          const child = fileURLToPath(new URL('./child.ts', import.meta.url));
          const calls =
            'openat,mkdir,mkdirat,link,linkat,rename,renameat,renameat2,unlink,unlinkat,rmdir,write,pwrite64,fchmod,fsync,fdatasync';
          const traced = spawnSync(
            'strace',
            ['-o', log, '-f', '-y', '-xx', '-s', '65536', '-e', `trace=${calls}`, process.execPath, child],
            { input: JSON.stringify(run) },
          );
          assert.is(traced.status, obstructed ? 1 : 0, `${traced.stdout}${traced.stderr}`);
          const finalTree = tree(folder);
          const text = fs.readFileSync(log, 'utf8');
          fs.rmSync(log);
          fs.rmSync(folder, { recursive: true });
          fs.mkdirSync(folder);
          if (!first) lay(root, [['tls', 0o755]], before);
          assert.equal(tree(folder), oldTree);
          const { events } = parse(text, folder);
          fs.rmSync(folder, { recursive: true });
          assert.ok(
            events.filter(({ kind }) => kind === 'sync').length > 10,
            `only ${events.length} events were understood`,
          );
          // The model is sound: with everything kept it ends at the tree that the run left.
          const all = temporaryFolder(memory);
          const [, everything] = remains(events, events.length, initial);
          layDown(everything ?? new Map(), folder, all);
          assert.equal(tree(all), finalTree);
          fs.rmSync(all, { recursive: true });
          const doneAt = events.findIndex(
            (event) => event.kind === 'entry' && event.names.some(([name]) => name.endsWith('journal.done')),
          );
          const durableAt =
            doneAt < 0
              ? events.length
              : events.findIndex((event, index) => index > doneAt && event.kind === 'sync') + 1;

          if (!obstructed) newTrees.set(path, finalTree);
          const newTree = newTrees.get(path) ?? [];
          // The obstacle and the directories that it lies in stay, beside the old files.
          const fileLines = (lines: readonly string[]) =>
            lines.filter((line) => !obstructed || !line.includes('/ ')).join('\n');
          const undoAt = events.findIndex(
            (event) => event.kind === 'entry' && event.names.some(([name]) => name.endsWith('journal.undo')),
          );
          const undoneAt =
            undoAt < 0
              ? Number.POSITIVE_INFINITY
              : events.findIndex((event, index) => index > undoAt && event.kind === 'sync') + 1;
          const seen = new Set<string>();
          let olds = 0;
          let news = 0;
          for (let count = 0; count <= events.length; count++) {
            for (const names of remains(events, count, initial)) {
              const scratch = temporaryFolder(memory);
              const state = layDown(names, folder, scratch);
              const key = `${count >= durableAt} ${count >= undoneAt} ${state}`;
              if (seen.has(key)) {
                fs.rmSync(scratch, { recursive: true });
                continue;
              }
              seen.add(key);
              const at = `cut behind ${events[count - 1]?.text ?? 'nothing'}:\n${state}`;
              const { kind } = await recover(join(scratch, path), { clock: () => 1_700_000_500_000 });
              const end = tree(scratch);
              const isOld = fileLines(end) === fileLines(oldTree);
              const isNew = end.join('\n') === newTree.join('\n');
              assert.ok(isOld || isNew, `${at}\n=> ${kind}\n${end.join('\n')}`);
              if (kind === 'finished') assert.ok(isNew, `finished, and not the new set: ${at}`);
              if (kind === 'undone') assert.ok(isOld, `undone, and not the old set: ${at}`);
              if (!obstructed && count >= durableAt) assert.ok(isNew, `the commit was lost: ${at}`);
              if (count >= undoneAt) assert.ok(isOld, `the undo was lost: ${at}`);
              if (isNew) news += 1;
              else olds += 1;
              fs.rmSync(scratch, { recursive: true });
            }
          }
          console.log(
            `${first ? 'first creation' : 'rotation'}${obstructed ? ', undone' : ''}: ${events.length} calls, ${seen.size} states left by power cuts, ${olds} became the old set, ${news} the new`,
          );
          assert.ok(olds > 10 && news > 5);
        },
      );
    }
  }
}

power.run();
