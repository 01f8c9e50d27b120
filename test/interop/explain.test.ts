import { explainLine } from '@k3s-pki/k3s/explain';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goJudge, present, puzzles } from './judge.ts';

const test = suite('interop/explain');
const judge = present('interop/explain', goJudge());

/** The entries for each class of failure that Go's own words may lead to. */
const entriesOf: Record<string, readonly string[]> = {
  expired: ['expired'],
  'not-yet-valid': ['expired'],
  'not-a-ca': ['not-a-ca'],
  'path-length': ['path-length'],
  'incompatible-usage': ['usage'],
  'name-constraints': ['name-constraints'],
  // Go says what spoilt a candidate behind an unknown authority, here a signature with SHA-1: that is the more exact one.
  'unknown-authority': ['unknown-authority', 'weak-signature'],
  unsupported: ['critical-extension'],
};

if (judge !== undefined) {
  test("the words of Go's crypto/x509 for generated failures are explained, alone and behind K3s's", () => {
    const at = 1_900_000_000;
    const failures = puzzles(judge, { seed: 3, count: 1500, at }).flatMap(({ answer }) =>
      answer.reason === undefined
        ? []
        : [{ class: answer.failure ?? '', hint: answer.hint ?? '', reason: answer.reason }],
    );
    const seen = new Map<string, number>();
    for (const { class: kind, hint, reason } of failures) {
      const expected = entriesOf[kind];
      if (expected === undefined) continue;
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
      const alone = explainLine(`time="x" level=error msg=${JSON.stringify(reason)}`);
      const accepted = [...expected, ...(entriesOf[hint] ?? [])];
      assert.ok(
        alone.some(({ message }) => accepted.includes(message.id)),
        `${kind}: ${reason}`,
      );
      const behind = explainLine(`ServerCA: new CA cert cannot be verified using old CA chain: ${reason}`);
      assert.is(behind[0]?.message.id, 'not-by-old-chain');
      assert.equal(behind[0]?.fields, ['ServerCA']);
    }
    for (const kind of ['expired', 'incompatible-usage', 'unknown-authority']) {
      assert.ok((seen.get(kind) ?? 0) > 5, `${kind}: ${JSON.stringify([...seen])}`);
    }
  });
}

test.run();
