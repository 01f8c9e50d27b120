/** Real failures of real file systems: after each one the tree is what it was. Mounts and other users need root. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Changes, commit, digest, discard, lock, StageError, stage, unlock } from '../src/stage.ts';
import { type Entry, isRoot, lay, notRun, outcome, type Run, temporaryFolder, tree } from './sandbox.ts';

const clock = () => 1_700_000_000_000;
const nobody = { uid: 65534, gid: 65534 };

const directories: Run['directories'] = [
  ['tls', 0o750],
  ['tls/etcd', 0o750],
];
const old: readonly Entry[] = [
  { path: 'tls/a.key', text: 'old key', mode: 0o600 },
  { path: 'tls/a.crt', text: 'old certificate', mode: 0o644 },
];
const renewed: readonly Entry[] = [
  { path: 'tls/a.key', text: 'new key', mode: 0o600 },
  { path: 'tls/a.crt', text: 'new certificate', mode: 0o640 },
  { path: 'tls/etcd/b.key', text: 'other new key', mode: 0o600 },
];

function changesOf(root: string, more: Partial<Changes> = {}): Changes {
  return {
    root,
    directories: directories.map(([path, mode]) => ({ path, mode })),
    writes: renewed.map(({ path, text, mode }) => ({ path, content: Buffer.from(text), mode, secret: false })),
    ...more,
  };
}

function runOf(root: string, more: Partial<Run> = {}): Run {
  return { root, directories, writes: renewed, removes: [], clock: clock(), do: 'commit', ...more };
}

/** Stages and commits in this process; the StageError or undefined. */
async function failureOf(
  changes: Changes,
  more: Partial<Parameters<typeof stage>[1]> = {},
): Promise<StageError | undefined> {
  try {
    await commit(await stage(changes, { clock, verify: () => {}, ...more }));
    return undefined;
  } catch (error) {
    if (error instanceof StageError) return error;
    throw error;
  }
}

async function refused(folder: string, code: string, act: () => Promise<StageError | undefined>): Promise<StageError> {
  const before = tree(folder);
  const failure = await act();
  assert.ok(failure, `expected ${code}`);
  assert.is(failure?.code, code, failure?.message);
  assert.ok((failure?.mend ?? '') !== '');
  assert.not.match(failure?.message ?? '', /new key|old key/);
  assert.equal(tree(folder), before);
  return failure as StageError;
}

/** A file system of its own on `folder`, taken away afterwards. */
async function mounted(folder: string, options: string, act: () => Promise<void>): Promise<void> {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]);
  try {
    await act();
  } finally {
    execFileSync('umount', [folder]);
  }
}

function freshOld(): { folder: string; root: string } {
  const folder = temporaryFolder();
  const root = join(folder, 'data');
  lay(root, directories.slice(0, 1), old);
  return { folder, root };
}

const places = suite('stage: what is in the place');

for (const [what, code, put] of [
  ['a symbolic link to a file', 'symlink', (at: string) => fs.symlinkSync('/etc/hostname', at)],
  ['a dangling symbolic link', 'symlink', (at: string) => fs.symlinkSync('nothing', at)],
  ['a directory', 'not-a-file', (at: string) => fs.mkdirSync(at)],
  ['a fifo', 'not-a-file', (at: string) => execFileSync('mkfifo', [at])],
] as const) {
  places(`${what} in the place of a file`, async () => {
    const { folder, root } = freshOld();
    fs.rmSync(join(root, 'tls/a.crt'));
    put(join(root, 'tls/a.crt'));
    const failure = await refused(folder, code, () => failureOf(changesOf(root)));
    assert.is(failure.path, join(root, 'tls/a.crt'));
    await refused(folder, code, () => failureOf(changesOf(root, { writes: [], removes: [{ path: 'tls/a.crt' }] })));
    fs.rmSync(folder, { recursive: true });
  });
}

places('a symbolic link in the place of a directory below the root', async () => {
  for (const name of ['tls', 'tls/etcd']) {
    const { folder, root } = freshOld();
    fs.mkdirSync(join(folder, 'elsewhere'));
    fs.rmSync(join(root, name), { recursive: true, force: true });
    fs.symlinkSync(join(folder, 'elsewhere'), join(root, name));
    const failure = await refused(folder, 'symlink', () => failureOf(changesOf(root)));
    assert.is(failure.path, join(root, name));
    const unlisted = { directories: [{ path: 'tls', mode: 0o750 }].filter(({ path }) => path !== name) };
    await refused(folder, 'symlink', () => failureOf(changesOf(root, unlisted)));
    fs.rmSync(folder, { recursive: true });
  }
});

places('a file in the place of a directory or of the root', async () => {
  const { folder, root } = freshOld();
  fs.writeFileSync(join(root, 'tls/etcd'), 'x');
  await refused(folder, 'not-a-file', () => failureOf(changesOf(root)));
  await refused(folder, 'not-a-file', () => failureOf(changesOf(join(root, 'tls/a.crt'))));
  await refused(folder, 'not-a-file', () => failureOf(changesOf(join(root, 'tls/a.crt/below'))));
  fs.rmSync(folder, { recursive: true });
});

places('symbolic links on the way to the root are followed and stay', async () => {
  const { folder, root } = freshOld();
  fs.symlinkSync(folder, join(folder, 'rancher'));
  fs.symlinkSync('data', join(folder, 'k3s'));
  assert.is(await failureOf(changesOf(join(folder, 'rancher', 'k3s'))), undefined);
  assert.is(fs.readFileSync(join(root, 'tls/a.key'), 'utf8'), 'new key');
  assert.ok(fs.lstatSync(join(folder, 'rancher')).isSymbolicLink());
  assert.is(await failureOf(changesOf(join(folder, 'rancher', 'absent', 'k3s'))), undefined);
  assert.is(fs.readFileSync(join(folder, 'absent/k3s/tls/a.key'), 'utf8'), 'new key');
  fs.symlinkSync('nowhere', join(folder, 'dangling'));
  await refused(folder, 'symlink', () => failureOf(changesOf(join(folder, 'dangling'))));
  await refused(folder, 'symlink', () => failureOf(changesOf(join(folder, 'dangling', 'k3s'))));
  fs.symlinkSync('loop', join(folder, 'loop'));
  await refused(folder, 'symlink', () => failureOf(changesOf(join(folder, 'loop', 'k3s'))));
  fs.rmSync(folder, { recursive: true });
});

places('contradictions are refused before anything is made', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'data');
  const write = { path: 'a', content: Buffer.from('x'), mode: 0o600, secret: true };
  const wrong: Array<Partial<Changes>> = [
    { writes: [{ ...write, path: '../a' }] },
    { writes: [{ ...write, path: '/a' }] },
    { writes: [{ ...write, path: 'a//b' }] },
    { writes: [{ ...write, path: '' }] },
    { writes: [write, write] },
    { writes: [write], removes: [{ path: 'a' }] },
    { writes: [write, { ...write, path: 'a/b' }] },
    { writes: [{ ...write, mode: 0o640 }] },
    { writes: [{ ...write, mode: 0o4755, secret: false }] },
    { writes: [{ ...write, expect: 'yes' }] },
    { writes: [{ ...write, path: 'unlisted/a' }] },
    { directories: [{ path: 'tls/..', mode: 0o700 }] },
  ];
  for (const more of wrong) {
    try {
      await stage({ ...changesOf(root), directories: [], ...more }, { clock, verify: () => {} });
      assert.unreachable(JSON.stringify(more));
    } catch (error) {
      assert.instance(error, TypeError, JSON.stringify(more));
    }
    assert.equal(tree(folder), []);
  }
  fs.rmSync(folder, { recursive: true });
});

places.run();

const changes = suite('stage: changes by others');

changes('a file that is not what the plan was made from', async () => {
  const { folder, root } = freshOld();
  const write = { path: 'tls/a.key', content: Buffer.from('new key'), mode: 0o600, secret: true };
  const oldHash = digest(Buffer.from('old key'));
  await refused(folder, 'changed', () =>
    failureOf(changesOf(root, { writes: [{ ...write, expect: digest(Buffer.from('else')) }] })),
  );
  await refused(folder, 'changed', () => failureOf(changesOf(root, { writes: [{ ...write, expect: 'absent' }] })));
  await refused(folder, 'changed', () =>
    failureOf(changesOf(root, { writes: [{ ...write, path: 'tls/c.key', expect: oldHash }] })),
  );
  await refused(folder, 'changed', () =>
    failureOf(changesOf(root, { writes: [], removes: [{ path: 'tls/a.key', expect: 'absent' }] })),
  );
  assert.is(
    await failureOf(
      changesOf(root, {
        writes: [
          { ...write, expect: oldHash },
          { ...write, path: 'tls/c.key', expect: 'absent' },
        ],
      }),
    ),
    undefined,
  );
  fs.rmSync(folder, { recursive: true });
});

changes('between staging and commit', async () => {
  const { folder, root } = freshOld();
  const steps: string[] = [];
  const staged = await stage(changesOf(root), { clock, verify: () => {}, hold: (step) => steps.push(step) });
  fs.writeFileSync(join(root, 'tls/a.crt'), 'written by another program');
  try {
    await commit(staged);
    assert.unreachable();
  } catch (error) {
    assert.is((error as StageError).code, 'changed');
  }
  assert.not.match(steps.join(' '), 'commit:');
  assert.equal(fs.readdirSync(root, { recursive: true }).sort(), ['tls', 'tls/a.crt', 'tls/a.key']);
  assert.is(fs.readFileSync(join(root, 'tls/a.crt'), 'utf8'), 'written by another program');
  assert.is(fs.readFileSync(join(root, 'tls/a.key'), 'utf8'), 'old key');
  fs.rmSync(folder, { recursive: true });
});

changes('in the middle of a commit: undone, and the other program keeps what it wrote', async () => {
  const { folder, root } = freshOld();
  const failure = await failureOf(changesOf(root, { removes: [] }), {
    hold: (step) => {
      if (step === 'finish:rename:0') fs.writeFileSync(join(root, 'tls/a.crt'), 'written by another program');
    },
  });
  assert.is(failure?.code, 'changed');
  assert.equal(fs.readdirSync(root, { recursive: true }).sort(), ['tls', 'tls/a.crt', 'tls/a.key']);
  assert.is(fs.readFileSync(join(root, 'tls/a.crt'), 'utf8'), 'written by another program');
  assert.is(fs.readFileSync(join(root, 'tls/a.key'), 'utf8'), 'old key');
  fs.rmSync(folder, { recursive: true });
});

changes('of a written file in the middle of a commit: nothing is lost, a person decides, then it goes on', async () => {
  const { folder, root } = freshOld();
  const failure = await failureOf(changesOf(root), {
    hold: (step) => {
      if (step === 'finish:rename:1') fs.writeFileSync(join(root, 'tls/a.key'), 'written by another program');
    },
  });
  assert.is(failure?.code, 'changed');
  assert.match(failure?.message ?? '', 'cannot be undone');
  const kept = /is (\S+); then/.exec(failure?.mend ?? '')?.[1] ?? '';
  assert.is(fs.readFileSync(kept, 'utf8'), 'old key');
  const again = await failureOf(changesOf(root));
  assert.is(again?.code, 'changed');
  fs.renameSync(join(root, 'tls/a.key'), join(folder, 'moved-away'));
  const recovered = await lock(root, { clock });
  assert.is(recovered.recovery.kind, 'undone');
  await unlock(recovered);
  assert.is(fs.readFileSync(join(root, 'tls/a.key'), 'utf8'), 'old key');
  assert.is(fs.readFileSync(join(root, 'tls/a.crt'), 'utf8'), 'old certificate');
  assert.equal(fs.readdirSync(root, { recursive: true }).sort(), ['tls', 'tls/a.crt', 'tls/a.key']);
  fs.rmSync(folder, { recursive: true });
});

changes('a directory that becomes a link in the middle of a commit is not followed', async () => {
  const { folder, root } = freshOld();
  const elsewhere = join(folder, 'elsewhere');
  fs.mkdirSync(elsewhere);
  const write = { content: Buffer.from('new key'), mode: 0o600, secret: true };
  const failure = await failureOf(
    changesOf(root, {
      directories: [],
      writes: [
        { ...write, path: 'tls/a.key' },
        { ...write, path: 'tls/b.key' },
      ],
    }),
    {
      hold: (step) => {
        if (step !== 'finish:rename:0') return;
        fs.renameSync(join(root, 'tls'), join(root, 'moved'));
        fs.symlinkSync(elsewhere, join(root, 'tls'));
      },
    },
  );
  assert.is(failure?.code, 'symlink');
  assert.equal(fs.readdirSync(elsewhere), []);
  // What is kept waits for the directory to come back.
  assert.is(fs.readFileSync(join(root, '.k3s-pki-stage/old/0'), 'utf8'), 'old key');
  assert.is((await failureOf(changesOf(root)))?.code, 'symlink');
  fs.unlinkSync(join(root, 'tls'));
  fs.renameSync(join(root, 'moved'), join(root, 'tls'));
  const held = await lock(root, { clock });
  assert.is(held.recovery.kind, 'undone');
  await unlock(held);
  assert.is(fs.readFileSync(join(root, 'tls/a.key'), 'utf8'), 'old key');
  assert.equal(fs.readdirSync(root, { recursive: true }).sort(), ['tls', 'tls/a.crt', 'tls/a.key']);
  fs.rmSync(folder, { recursive: true });
});

changes('what verify throws comes through, and nothing is left', async () => {
  for (const root of ['data', 'absent/data']) {
    const { folder } = freshOld();
    const before = tree(folder);
    const objection = new RangeError('no');
    const seen: string[] = [];
    try {
      await stage(changesOf(join(folder, root)), {
        clock,
        verify: async (read) => {
          seen.push(Buffer.from(read('tls/a.key')).toString());
          throw objection;
        },
      });
      assert.unreachable();
    } catch (error) {
      assert.is(error, objection);
    }
    assert.equal(seen, ['new key']);
    assert.equal(tree(folder), before);
    const staged = await stage(changesOf(join(folder, root)), { clock, verify: () => {} });
    await discard(staged);
    assert.equal(tree(folder), before);
    fs.rmSync(folder, { recursive: true });
  }
});

changes('verify reads the set as it will be', async () => {
  const { folder, root } = freshOld();
  fs.writeFileSync(join(root, 'tls/kept.crt'), 'kept');
  const staged = await stage(
    changesOf(root, {
      writes: [{ path: 'tls/a.key', content: Buffer.from('new key'), mode: 0o600, secret: true }],
      removes: [{ path: 'tls/a.crt' }],
    }),
    {
      clock,
      verify: (read) => {
        assert.is(Buffer.from(read('tls/a.key')).toString(), 'new key');
        assert.is(Buffer.from(read('tls/kept.crt')).toString(), 'kept');
        for (const path of ['tls/a.crt', 'tls/none', '../outside'])
          assert.throws(() => read(path), /no such file in the set/);
      },
    },
  );
  assert.equal(await commit(staged), {
    root,
    written: [],
    replaced: ['tls/a.key'],
    removed: ['tls/a.crt'],
    directories: ['tls/etcd'],
  });
  assert.is(fs.existsSync(join(root, 'tls/a.crt')), false);
  await commit(staged).then(
    () => assert.unreachable(),
    (error) => assert.instance(error, TypeError),
  );
  fs.rmSync(folder, { recursive: true });
});

changes.run();

const full = suite('stage: disk full');

if (!isRoot) notRun('stage/tmpfs', 'not root');
else {
  full('no space for the content', async () => {
    const folder = temporaryFolder();
    await mounted(folder, 'size=64k', async () => {
      const root = join(folder, 'data');
      lay(root, directories.slice(0, 1), old);
      const writes = [{ path: 'tls/a.key', content: Buffer.alloc(200_000, 'x'), mode: 0o600, secret: true }];
      await refused(folder, 'disk-full', () => failureOf(changesOf(root, { writes })));
      await refused(folder, 'disk-full', () => failureOf(changesOf(join(folder, 'absent/data'), { writes })));
    });
    fs.rmdirSync(folder);
  });

  for (const first of [false, true]) {
    full(`no inode or no block left, at every step of ${first ? 'a first creation' : 'a rotation'}`, async () => {
      const folder = temporaryFolder();
      const failedAt = new Set<string>();
      let done = 0;
      // The limit grows until the run no longer meets it, so the failure visits each step that needs room, the
      // making of directories in the middle of a commit included.
      for (const [option, limits] of [
        ['nr_inodes', 40],
        ['nr_blocks', 24],
      ] as const) {
        let succeeded = false;
        for (let limit = first ? 2 : 6; limit < limits && !succeeded; limit++) {
          await mounted(folder, `${option}=${limit}`, async () => {
            const root = join(folder, first ? 'new/data' : 'data');
            if (!first) lay(root, directories.slice(0, 1), old);
            const before = tree(folder);
            let last = 'start';
            const failure = await failureOf(changesOf(root), {
              hold: (step) => {
                last = /^(undo|clear|unlock|journal:undo)/.test(step) ? last : step;
              },
            });
            if (failure === undefined) {
              succeeded = true;
              done += 1;
              assert.is(fs.readFileSync(join(root, 'tls/etcd/b.key'), 'utf8'), 'other new key');
              return;
            }
            failedAt.add(last);
            assert.is(failure.code, 'disk-full', failure.message);
            assert.equal(tree(folder), before, `${option}=${limit}`);
          });
        }
      }
      assert.is(done, 2, 'both limits were outgrown');
      assert.ok(failedAt.size >= 5, [...failedAt].join(' '));
      if (first)
        assert.ok(
          [...failedAt].some((step) => step.startsWith('finish:') || step === 'journal:folder'),
          `no failure inside a commit: ${[...failedAt].join(' ')}`,
        );
      console.log(`disk full, ${first ? 'first creation' : 'rotation'}: failed behind ${[...failedAt].join(' ')}`);
      fs.rmdirSync(folder);
    });
  }
}

full.run();

const mounts = suite('stage: mounts');

if (!isRoot) notRun('stage/mounts', 'not root');
else {
  mounts('a read-only file system', async () => {
    const folder = temporaryFolder();
    await mounted(folder, 'size=1m', async () => {
      const root = join(folder, 'data');
      lay(root, directories.slice(0, 1), old);
      execFileSync('mount', ['-o', 'remount,ro', folder]);
      const failure = await refused(folder, 'read-only', () => failureOf(changesOf(root)));
      assert.match(failure.mend, 'writable');
      await refused(folder, 'read-only', () => failureOf(changesOf(join(folder, 'absent/data'))));
    });
    fs.rmdirSync(folder);
  });

  mounts('a read-only bind mount of a directory below the root', async () => {
    const { folder, root } = freshOld();
    const tls = join(root, 'tls');
    execFileSync('mount', ['--bind', tls, tls]);
    try {
      execFileSync('mount', ['-o', 'remount,bind,ro', tls]);
      const failure = await refused(folder, 'read-only', () => failureOf(changesOf(root)));
      assert.is(failure.path, tls);
    } finally {
      execFileSync('umount', [tls]);
    }
    fs.rmSync(folder, { recursive: true });
  });

  mounts('another file system below the root', async () => {
    const { folder, root } = freshOld();
    fs.mkdirSync(join(root, 'tls/etcd'));
    await mounted(join(root, 'tls/etcd'), 'size=1m', async () => {
      const failure = await refused(folder, 'cross-device', () => failureOf(changesOf(root)));
      assert.is(failure.path, join(root, 'tls/etcd'));
    });
    fs.rmSync(folder, { recursive: true });
  });

  mounts('a bind mount below the root, which has the same device number', async () => {
    // With a file to be replaced the hard link fails before the journal, without one the rename fails behind it.
    for (const name of ['tls', 'tls/etcd']) {
      const { folder, root } = freshOld();
      fs.mkdirSync(join(root, 'tls/etcd'));
      execFileSync('mount', ['--bind', join(root, name), join(root, name)]);
      try {
        await refused(folder, 'cross-device', () => failureOf(changesOf(root)));
      } finally {
        execFileSync('umount', [join(root, name)]);
      }
      fs.rmSync(folder, { recursive: true });
    }
  });

  mounts('an immutable file', async () => {
    const { folder, root } = freshOld();
    try {
      execFileSync('chattr', ['+i', join(root, 'tls/a.crt')], { stdio: 'ignore' });
    } catch {
      notRun('stage/immutable', 'the file system or the machine has no chattr');
      fs.rmSync(folder, { recursive: true });
      return;
    }
    try {
      const failure = await refused(folder, 'permission', () => failureOf(changesOf(root)));
      assert.match(failure.mend, 'lsattr');
    } finally {
      execFileSync('chattr', ['-i', join(root, 'tls/a.crt')]);
    }
    fs.rmSync(folder, { recursive: true });
  });
}

mounts.run();

const users = suite('stage: owners and permission');

if (!isRoot) notRun('stage/users', 'not root');
else {
  const opened = (): { folder: string; root: string } => {
    const made = freshOld();
    fs.chmodSync(made.folder, 0o755);
    return made;
  };

  users('no permission to write, search or read', async () => {
    for (const [mode, owner, where] of [
      [0o755, 0, ''],
      [0o700, 0, ''],
      [0o755, 0, 'tls'],
      [0o311, 65534, 'tls'],
    ] as const) {
      const { folder, root } = opened();
      execFileSync('chown', ['-R', '65534:65534', root]);
      fs.chownSync(join(root, where), owner, owner);
      fs.chmodSync(join(root, where), mode);
      const before = tree(folder);
      const failed = await outcome(runOf(root), nobody);
      assert.is(
        failed.result.code,
        'permission',
        `${mode.toString(8)} ${JSON.stringify(failed.result)}${failed.stderr}`,
      );
      assert.equal(tree(folder), before);
      fs.rmSync(folder, { recursive: true });
    }
  });

  users('an owner that a user cannot give is ignored', async () => {
    const { folder, root } = opened();
    execFileSync('chown', ['-R', '65534:65534', root]);
    const given = await outcome(runOf(root, { owner: { uid: 0, gid: 0 } }), nobody);
    assert.is(given.code, 0, given.stderr);
    assert.is(fs.statSync(join(root, 'tls/a.key')).uid, 65534);
    fs.rmSync(folder, { recursive: true });
  });

  users('a root to be made where the user may not', async () => {
    const folder = temporaryFolder();
    fs.chmodSync(folder, 0o755);
    const failed = await outcome(runOf(join(folder, 'absent/data')), nobody);
    assert.is(failed.result.code, 'permission');
    assert.equal(tree(folder), []);
    fs.rmSync(folder, { recursive: true });
  });

  users('the owner of a replaced file stays when root replaces it', async () => {
    const { folder, root } = freshOld();
    fs.chownSync(join(root, 'tls/a.crt'), 1234, 4321);
    assert.is(await failureOf(changesOf(root)), undefined);
    const { uid, gid, mode } = fs.statSync(join(root, 'tls/a.crt'));
    assert.equal([uid, gid, mode & 0o7777], [1234, 4321, 0o640]);
    assert.is(fs.statSync(join(root, 'tls/a.key')).uid, 0);
    fs.rmSync(folder, { recursive: true });
  });

  users('what root makes for another user is given to that user', async () => {
    const { folder, root } = freshOld();
    const owner = { uid: 1234, gid: 4321 };
    const made: Partial<Changes> = {
      directories: [{ path: 'copy', mode: 0o700, owner }],
      writes: [{ path: 'copy/a.key', content: Buffer.from('key'), mode: 0o600, secret: true, owner }],
    };
    assert.is(await failureOf(changesOf(root, made)), undefined);
    for (const [path, mode] of [
      ['copy', 0o700],
      ['copy/a.key', 0o600],
    ] as const) {
      const stats = fs.statSync(join(root, path));
      assert.equal([stats.uid, stats.gid, stats.mode & 0o7777], [1234, 4321, mode], path);
    }
    fs.rmSync(folder, { recursive: true });
  });

  users('a file that may be replaced but not linked is kept as a copy', async () => {
    // proc(5), protected_hardlinks: no link to a file of another user that one may not write.
    const { folder, root } = opened();
    execFileSync('chown', ['65534:65534', root, join(root, 'tls'), join(root, 'tls/a.key')]);
    const protectedLinks = fs.readFileSync('/proc/sys/fs/protected_hardlinks', 'latin1').trim();
    if (protectedLinks !== '1') notRun('stage/protected-hardlinks', `it is ${protectedLinks} here`);
    const before = tree(folder);
    const obstructed = await outcome(runOf(root, { obstruct: ['finish:rename:1', 'tls/etcd/b.key'] }), nobody);
    assert.is(obstructed.result.code, 'not-a-file', JSON.stringify(obstructed));
    fs.rmSync(join(root, 'tls/etcd'), { recursive: true });
    assert.equal(tree(folder), before);
    const done = await outcome(runOf(root), nobody);
    assert.equal(done.result.replaced, ['tls/a.key', 'tls/a.crt'], JSON.stringify(done));
    assert.is(fs.readFileSync(join(root, 'tls/a.crt'), 'utf8'), 'new certificate');
    fs.rmSync(folder, { recursive: true });
  });

  users('the folder of an interrupted run of another user is not trusted', async () => {
    const { folder, root } = opened();
    execFileSync('chown', ['-R', '65534:65534', root]);
    const killed = await outcome(runOf(root, { killAt: 12 }), nobody);
    assert.is(killed.signal, 'SIGKILL');
    const failure = await refused(folder, 'permission', () => failureOf(changesOf(root)));
    assert.match(failure.message, '65534');
    assert.is((await outcome(runOf(root), nobody)).code, 0);
    fs.rmSync(folder, { recursive: true });
  });
}

users('no descriptor left', async () => {
  const { folder, root } = freshOld();
  const before = tree(folder);
  const failed = await outcome(runOf(root, { openFiles: true }));
  assert.is(failed.result.code, 'io', JSON.stringify(failed));
  assert.match(String(failed.result.mend), 'ulimit');
  assert.equal(tree(folder), before);
  fs.rmSync(folder, { recursive: true });
});

users.run();
