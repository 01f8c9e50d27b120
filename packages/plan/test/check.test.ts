import { renewalDaysOf } from '@k3s-pki/k3s';
import { failsOn, type ProblemRow, statusOf } from '@k3s-pki/plan';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('check');
const day = 86_400;

test('status at the borders, as time.Before and time.After have them', () => {
  const certificate = { notBefore: 1000, notAfter: 1000 + 365 * day };
  const at = (seconds: number) => statusOf(certificate, seconds, 120);
  assert.is(at(999), 'NOT YET VALID');
  assert.is(at(1000), 'OK');
  assert.is(at(certificate.notAfter - 120 * day), 'OK');
  assert.is(at(certificate.notAfter - 120 * day + 1), 'WARNING');
  assert.is(at(certificate.notAfter), 'WARNING');
  assert.is(at(certificate.notAfter + 1), 'EXPIRED');
});

test('the window of each release line, as its release notes of May 2025 have it', () => {
  for (const [version, days] of [
    ['v1.33.1+k3s1', 120],
    ['v1.33.0+k3s1', 90],
    ['v1.32.5+rke2r1', 120],
    ['v1.32.4+k3s1', 90],
    ['v1.31.9', 120],
    ['1.31.8', 90],
    ['v1.30.13-rc1+k3s1', 120],
    ['v1.30.12+k3s1', 90],
    ['v1.29.15+k3s1', 90],
    ['v1.34.0+k3s1', 120],
    ['v1.100.0', 120],
    ['v2.0.0', undefined],
    ['1.33', undefined],
    ['latest', undefined],
    ['v1.33.1 ', undefined],
  ] as const) {
    assert.is(renewalDaysOf(version), days, version);
  }
});

test('what cannot be read fails at every level', () => {
  const row: ProblemRow = { kind: 'problem', path: '/x', problem: { code: 'empty', values: {} } };
  for (const level of ['warning', 'expired', { days: 0 }] as const) assert.is(failsOn(row, level), true);
});

test.run();
