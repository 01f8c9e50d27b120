import type { Core } from '@k3s-pki/core';
import { judgeRotation, type Product, rotationFields } from '@k3s-pki/k3s';
import { setAfterRotation, verifyCaSet } from '@k3s-pki/plan';
import { type LocatedCaSet, readCaSet, unreadableIn } from '../ca-set.ts';
import type { Context } from '../context.ts';
import { exitCode, Failure } from '../failure.ts';
import type { ShowPath } from '../messages/english.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';
import { type VerifyReport, verifyJson, verifyText } from '../render/verify.ts';

export interface VerifyOptions {
  readonly dir: string;
  readonly against: string | undefined;
  readonly product: Product;
  readonly output: OutputFormat;
}

/** Reads, judges, reports; writes nothing. Answers the exit code; throws Failure when there is nothing to judge. */
export async function verify(options: VerifyOptions, context: Context): Promise<number> {
  const { product, output } = options;
  const report = { ...(await judged(options, context)), product };
  if (output === 'text') context.stdout.write(verifyText(report, context.stdout));
  else await writeStructured(context.stdout, output, verifyJson(report));
  return report.ok ? exitCode.done : exitCode.refused;
}

async function judged({ dir, against }: VerifyOptions, { core: load, clock, cwd }: Context): Promise<Judged> {
  const core = await load();
  const at = Math.floor(clock() / 1000);
  const located = readCaSet(cwd, dir, core);
  return against === undefined ? alone(located, core, at) : rotated(located, readCaSet(cwd, against, core), core, at);
}

type Judged = Omit<VerifyReport, 'product'>;

function alone(located: LocatedCaSet, core: Core, at: number): Judged {
  const verification = verifyCaSet(located.set, core, at);
  if (verification.empty) {
    throw new Failure([
      {
        error: `${located.tls}: no CA is in it`,
        hint: 'k3s-pki generate-custom-ca-certs makes a set; K3s makes its own at its first start',
      },
    ]);
  }
  return { ok: verification.ok, located, verification, show: located.show };
}

const rotatedFiles = new Set<string>(rotationFields.map(({ file }) => file));

function rotated(located: LocatedCaSet, against: LocatedCaSet, core: Core, at: number): Judged {
  // K3s would pass over what it can't read and keep what it has; here it would be a wrong verdict.
  const unreadable = [located, against].flatMap((one) => unreadableIn(one, (file) => rotatedFiles.has(file)));
  if (unreadable.length > 0) throw new Failure(unreadable);
  const rotation = judgeRotation(against.set.files, located.set.files, (request) => core.chains(request), at);
  const after = setAfterRotation(against.set, located.set);
  const verification = verifyCaSet(after, core, at);
  const show: ShowPath = (path) => (after.files(path) === located.set.files(path) ? located : against).show(path);
  const ok = rotation.accepted && !rotation.unfit && verification.ok;
  const paths = { current: against.show, proposed: show };
  return { ok, located, verification, show, against: { against, rotation, show: paths } };
}
