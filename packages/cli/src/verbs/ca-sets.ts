import { basename, dirname, join } from 'node:path';
import type { Core, PrivateKey } from '@k3s-pki/core';
import { type FirstStart, judgeFirstStart, judgeRotation, type PemFile, type Rotation } from '@k3s-pki/k3s';
import type { CaPlan } from '@k3s-pki/plan';
import { commit, discard, lock, type Staged, stage, unlock } from '@k3s-pki/stage';
import { type Artifacts, makeArtifacts, type SigningKeys } from '../artifacts.ts';
import type { Context } from '../context.ts';
import { Failure, internalError } from '../failure.ts';
import { besideFailed, rotationRefused, rotationUnfit } from '../messages/english/ca-sets.ts';
import { describeFinding } from '../messages/english.ts';
import { planJson, planText, warningsOf } from '../render/ca-sets.ts';
import { writeMessages } from '../render/messages.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';
import { showIn } from '../render/text.ts';
import { type Reading, readSnapshot } from '../snapshot.ts';
import { progress } from '../terminal.ts';

/** A plan with what it was made from. */
export interface Making<Plan extends CaPlan> {
  readonly plan: Plan;
  readonly reading: Reading;
  readonly signingKeys: SigningKeys;
}

/** A file of a set as it is or will be; undefined where there is none. */
export type ReadFile = (path: string) => Uint8Array | undefined;

/** What is particular to a verb that writes a set of CAs. */
export interface SetVerb<Plan extends CaPlan, Verdict> {
  /** Reads, opens the keys that are needed, plans. Throws Failure with every problem of the run. */
  readonly makePlan: (core: Core) => Promise<Making<Plan>>;
  /** What K3s will do with the set; asked of the staged files and again of the files in place. A path that the plan
   *  does not write is read as it was before. */
  readonly judge: (read: ReadFile, core: Core) => Verdict;
  /** Throws Failure for a set that must not be put in place. */
  readonly refuse: (verdict: Verdict) => void;
}

export interface WrittenSet<Plan extends CaPlan, Verdict> {
  readonly plan: Plan;
  readonly artifacts: Artifacts;
  readonly verdict: Verdict;
}

/** Plan -> artifacts -> staged -> committed, under the lock of `root`. Answers with the verdict on the files in place. */
export async function writeSet<Plan extends CaPlan, Verdict>(
  root: string,
  { makePlan, judge, refuse }: SetVerb<Plan, Verdict>,
  context: Context,
): Promise<WrittenSet<Plan, Verdict>> {
  const { clock, signal } = context;
  const core = await context.core();
  const held = await lock(root, { clock });
  try {
    if (held.recovery.kind !== 'clean') {
      writeMessages('warning', [{ error: `${root}: ${held.recovery.detail}` }], context);
    }
    const making = await makePlan(core);
    const { plan } = making;
    writeMessages('warning', warningsOf(plan, root), context);
    const artifacts = await make(making, core, context);
    const written = new Set(plan.files.map(({ path }) => path));
    // What the plan only looked at is judged as it was read.
    const judgeWith = (read: ReadFile) =>
      judge((path) => (written.has(path) ? read(path) : making.reading.contents.get(path)), core);
    try {
      const staged = await stage(changesOf(plan, artifacts, root), {
        clock,
        signal,
        lock: held,
        verify: (read) => refuse(judgeWith(read)),
      });
      await commitAll(staged, await stageBeside(artifacts, root, context));
    } finally {
      for (const { content } of artifacts.files) content.fill(0);
    }
    // Once more from the disk, by the paths that K3s will read.
    const onDisk = readSnapshot(root, [...written], core);
    return { plan, artifacts, verdict: judgeWith((path) => onDisk.contents.get(path)) };
  } finally {
    await unlock(held);
  }
}

/** What `--dry-run` prints: the warnings, and the plan under its title. */
export async function printPlan(
  title: string,
  plan: CaPlan,
  root: string,
  output: OutputFormat,
  context: Context,
): Promise<void> {
  writeMessages('warning', warningsOf(plan, root), context);
  if (output !== 'text') await writeStructured(context.stdout, output, planJson(plan, root));
  else context.stdout.write(planText(title, plan, root, context.stdout));
}

/** Files that lie outside the data dir, each staged in its own folder; they are put in place right after the set. */
async function stageBeside({ files }: Artifacts, root: string, { clock }: Context): Promise<Staged[]> {
  const staged: Staged[] = [];
  for (const { path, content, mode, secret, replaces } of files.filter(isBeside)) {
    const target = join(root, path);
    const write = { path: basename(target), content, mode, secret, expect: replaces };
    const changes = { root: dirname(target), directories: [], writes: [write] };
    // No signal: once the set is in place they follow.
    staged.push(await stage(changes, { clock, verify: () => {} }));
  }
  return staged;
}

function isBeside({ path }: { readonly path: string }): boolean {
  return path.startsWith('../');
}

/** Throws what commit throws; a Failure when the set itself is in place by then. */
async function commitAll(set: Staged, beside: readonly Staged[]): Promise<void> {
  let done = false;
  try {
    await commit(set);
    done = true;
    for (const each of beside) await commit(each);
  } catch (error) {
    for (const each of beside) await discard(each);
    if (!done) throw error;
    throw new Failure([besideFailed(error instanceof Error ? error.message : String(error))], { cause: error });
  }
}

async function make<Plan extends CaPlan>(
  { plan, reading, signingKeys }: Making<Plan>,
  core: Core,
  { stderr, signal, random, clock }: Context,
): Promise<Artifacts> {
  const spinner = progress(stderr);
  try {
    return await makeArtifacts(plan, reading, core, {
      signingKeys,
      at: Math.floor(clock() / 1000),
      random,
      signal,
      onProgress: ({ done, total, tests }) =>
        spinner.show(
          `making keys: ${done} of ${total} done${tests > 0 ? `, ${tests} candidates for primes tested` : ''}`,
        ),
    });
  } finally {
    spinner.end();
    for (const key of signingKeys.values()) key.wipe();
  }
}

function changesOf({ directories, removes }: CaPlan, { files }: Artifacts, root: string) {
  return {
    root,
    directories,
    writes: files
      .filter((file) => !isBeside(file))
      .map(({ path, content, mode, secret, replaces }) => ({ path, content, mode, secret, expect: replaces })),
    ...(removes === undefined ? {} : { removes }),
  };
}

/** Opens the keys of the found CAs that a plan signs with. They are not encrypted: K3s could not use them either. */
export function openFoundKeys(plan: CaPlan, { snapshot, contents }: Reading, core: Core): SigningKeys {
  const keys = new Map<string, PrivateKey>();
  for (const { issuer } of plan.certificates) {
    if (issuer.kind !== 'found') continue;
    const { keyFile, certificate } = issuer;
    const bundle = snapshot.files.get(certificate.file);
    const blocks = bundle?.kind === 'file' ? bundle.blocks : [];
    const spki = blocks.flatMap((block) =>
      block.kind === 'certificate' && block.certificate.sha256 === certificate.sha256
        ? [block.certificate.key.spkiSha256]
        : [],
    )[0];
    const file = snapshot.files.get(keyFile);
    const block = (file?.kind === 'file' ? file.blocks : []).find(
      (each) => each.kind === 'private-key' && each.key.spkiSha256 === spki,
    );
    const bytes = contents.get(keyFile);
    if (spki === undefined || block === undefined || bytes === undefined) return internalError(`no key in ${keyFile}`);
    keys.set(spki, core.openKey(bytes.subarray(block.start, block.end)));
  }
  return keys;
}

/** A file system's files with their PEM blocks, parsed once. */
export function pemFiles(read: ReadFile, core: Core): (path: string) => PemFile | undefined {
  const files = new Map<string, PemFile>();
  return (path) => {
    const known = files.get(path);
    if (known !== undefined) return known;
    const bytes = read(path);
    if (bytes === undefined) return undefined;
    const file = { bytes, blocks: core.inspect(bytes) };
    files.set(path, file);
    return file;
  };
}

/** The files as K3s will judge them at its first start. */
export function judgeStart(read: ReadFile, core: Core, clock: () => number): FirstStart {
  return judgeFirstStart(pemFiles(read, core), (request) => core.chains(request), Math.floor(clock() / 1000));
}

/** A set that we made and K3s would not start on must never be put in place. */
export function refuseBroken({ accepted, findings }: FirstStart, root: string): void {
  if (accepted) return;
  const messages = findings
    .filter(({ effect }) => effect !== 'odd')
    .map((finding) => ({ error: describeFinding(finding, showIn(root)) }));
  throw new Failure(messages);
}

/** What `rotate-ca` says of the set that `proposed` reads on a server whose set is what `current` reads. */
export function judgeLoading(current: ReadFile, proposed: ReadFile, core: Core, clock: () => number): Rotation {
  const [before, after] = [pemFiles(current, core), pemFiles(proposed, core)];
  return judgeRotation(before, after, (request) => core.chains(request), Math.floor(clock() / 1000));
}

/** `of` is the data dir whose CAs are replaced; `sourced`: their root was taken over from there. */
export function refuseUnloadable({ accepted, log = '', unfit }: Rotation, of: string, sourced: boolean): void {
  if (!accepted) throw new Failure([rotationRefused(log, of, sourced)]);
  if (unfit) throw new Failure([rotationUnfit(of)]);
}
