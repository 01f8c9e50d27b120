/** A trap in WebAssembly, in a process of its own: the core is of no use after it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CoreError, createCore } from '../src/core.ts';
import { call, load, wasm } from '../src/engine.ts';

const trap = suite('core/trap');
const core = await createCore();
const exports = wasm.initSync({ module: await load() });

trap('a trap is an internal error, and nothing works after it', async () => {
  const [key] = await core.generateKeys(['ed25519']);
  assert.ok(key);
  const traps = (): unknown => call(() => exports.inspect(0xffff_fff0, 0x1000));
  const thrown = caught(traps);
  assert.is(thrown.code, 'internal');
  assert.instance(thrown.cause, WebAssembly.RuntimeError);
  for (const use of [() => core.inspect(new Uint8Array(1)), () => key.toPem(), traps]) {
    const later = caught(use);
    assert.is(later.code, 'internal');
    assert.is(later.cause, thrown.cause);
  }
  key.wipe();
});

trap.run();

function caught(run: () => unknown): CoreError {
  try {
    run();
  } catch (thrown) {
    assert.instance(thrown, CoreError);
    return thrown as CoreError;
  }
  return assert.unreachable() as never;
}
