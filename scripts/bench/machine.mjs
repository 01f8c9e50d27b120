// What the figures depend on.
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { workspace } from '../setup.mjs';

/** Facts for the report; a program that is absent has no version. */
export function machine() {
  const wasm = join(workspace, 'packages', 'core', 'wasm', 'k3s_pki_wasm_bg.wasm');
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpuFlags: cpuFlags(),
    cores: availableParallelism(),
    memory: totalmem(),
    system: `${process.platform} ${process.arch} ${release()}`,
    node: process.versions.node,
    v8: process.versions.v8,
    nodeOpenssl: process.versions.openssl,
    openssl: firstLine(process.env.OPENSSL ?? 'openssl', ['version']),
    go: firstLine('go', ['version']),
    wasmBytes: statSync(wasm).size,
    commit: firstLine('git', ['describe', '--always', '--dirty', '--abbrev=12']),
    lanes: process.env.K3S_PKI_LANES,
  };
}

/** Mean number of runnable processes over 1, 5 and 15 minutes: how quiet the machine was. */
export const load = loadavg;

/** Those that decide which arithmetic runs, ours or a rival's. */
function cpuFlags() {
  try {
    const flags = /^flags\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' ') ?? [];
    return flags.filter((flag) => ['fma', 'avx2', 'bmi2', 'adx', 'sha_ni', 'avx512f', 'avx512ifma'].includes(flag));
  } catch {
    return [];
  }
}

function firstLine(program, args) {
  const { error, status, stdout } = spawnSync(program, args, { cwd: workspace, encoding: 'utf8' });
  return error || status !== 0 ? undefined : stdout.trim().split('\n', 1)[0];
}
