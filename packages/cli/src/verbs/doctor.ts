import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { dynamicCertMarker, renewalDays, signsOfUse, tlsDir } from '@k3s-pki/k3s';
import {
  type CaSet,
  type DoctorInputs,
  type DoctorRecords,
  diagnose,
  type Holder,
  type PasswdSight,
} from '@k3s-pki/plan';
import { type BootstrapDisk, readBootstrapDisk } from '../bootstrap-disk.ts';
import { readCaSet } from '../ca-set.ts';
import { isDataDir } from '../checking/data-dir.ts';
import type { Context } from '../context.ts';
import { readRecords } from '../doctor/datastore.ts';
import { readDisk } from '../doctor/disk.ts';
import { readKubeconfigs } from '../doctor/kubeconfigs.ts';
import { newestOf } from '../doctor/newest.ts';
import { installedRelease } from '../doctor/release.ts';
import { readServer } from '../doctor/server.ts';
import { exitCode, Failure } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { findHolders } from '../holders.ts';
import { doctorMessages } from '../messages/english/doctor.ts';
import { type DoctorReport, doctorJson, doctorText } from '../render/doctor.ts';
import { writeStructured } from '../render/structured.ts';
import { passwdFrom } from '../rotating/token-files.ts';
import type { BootstrapOptions } from './bootstrap/options.ts';

export interface DoctorOptions extends BootstrapOptions {
  /** Another server, as a URL. */
  readonly server: string | undefined;
  /** Copies of kubeconfigs. Paths may be relative to the working directory. */
  readonly kubeconfigs: readonly string[];
  /** Renewal window of the release that was named. */
  readonly days: number | undefined;
}

/** Looks at a whole server and foretells its next start; writes nothing. Answers 1 when that is fatal or something is
 *  broken; throws Failure when there is nothing to look at. */
export async function doctor(options: DoctorOptions, context: Context): Promise<number> {
  try {
    const { inputs, report } = await look(options, context);
    const diagnosis = diagnose(inputs, await context.core());
    if (inputs.records.kind === 'seen') {
      for (const { content } of inputs.records.opened?.data.files.values() ?? []) content.fill(0);
    }
    const { output } = options;
    const whole: DoctorReport = { ...report, diagnosis };
    if (output === 'text') context.stdout.write(doctorText(whole, context.stdout));
    else await writeStructured(context.stdout, output, doctorJson(whole));
    return diagnosis.ok ? exitCode.done : exitCode.refused;
  } catch (error) {
    throw asFailure(error);
  }
}

async function look(options: DoctorOptions, context: Context) {
  const { product, server, days } = options;
  const root = resolve(context.cwd, options.dataDir);
  refuseOthers(root, product);
  const core = await context.core();
  const at = Math.floor(context.clock() / 1000);
  const holders: readonly Holder[] = await findHolders(root, product, context, options.configFile);
  const bootstrap: BootstrapDisk = readBootstrapDisk(root);
  const set = existsSync(join(root, tlsDir)) ? readCaSet(context.cwd, root, core).set : emptySet(root);
  const disk = await readDisk(root, product, core);
  const copies = options.kubeconfigs.map((path) => resolve(context.cwd, path));
  const records = await readRecords(options, root, bootstrap, context);
  const release = await installedRelease(root, product, context);
  const newest = newestOf(root, product);
  const inputs: DoctorInputs = {
    ...disk,
    product,
    at,
    set,
    inUse: set.inUse,
    bare: ['server/cred', 'server/tls', 'server/tls/etcd'].some(bootstrap.bare),
    records,
    passwd: storedPasswd(records) ?? disk.passwd,
    hasMarker: existsSync(join(root, dynamicCertMarker)),
    days: days ?? release?.days ?? renewalDays,
    kubeconfigs: await readKubeconfigs(root, product, copies, core),
    ...(newest === undefined ? {} : { newest }),
    ...(release === undefined ? {} : { version: release.version }),
    ...(server === undefined ? {} : { server: await readServer(server, options, context) }),
  };
  bootstrap.wipe();
  return { inputs, report: { root, product, holders, inputs } };
}

/** The password file that the next start writes from the datastore. */
function storedPasswd(records: DoctorRecords): PasswdSight | undefined {
  const opened = records.kind === 'seen' ? records.opened : undefined;
  const content = opened?.data.files.get('PasswdFile')?.content;
  const isWritten = opened?.reconciliation.start === 'rewrites' && content !== undefined && content.length > 0;
  return isWritten ? passwdFrom(content).passwd : undefined;
}

/** Of a server whose `tls` folder is gone, or that has never been started. */
function emptySet(root: string): CaSet {
  return {
    files: () => undefined,
    facts: new Map(),
    inUse: signsOfUse.some((path) => existsSync(join(root, path))),
  };
}

/** Throws Failure for a folder that is no server's data dir. */
function refuseOthers(root: string, product: DoctorOptions['product']): void {
  if (!existsSync(root)) throw new Failure([doctorMessages.noFolder(root)]);
  if (existsSync(join(root, 'server'))) return;
  throw new Failure([isDataDir(root) === false ? doctorMessages.noDataDir(root, product) : doctorMessages.agent(root)]);
}
