import { suite } from 'uvu';
import { folder } from '../cli/program.ts';
import { present } from './judge.ts';
import { datastoreContract } from './kine/contract.ts';
import { kineOn, type ServedKine, storesAt } from './kine/harness.ts';
import { type Kine, kineJudge } from './kine/judge.ts';

const judges = present('interop/datastore-nats', kineJudge());

if (judges) {
  const test = suite('interop/datastore-nats');
  const { open } = storesAt('/nowhere');
  let nats: Kine;
  let kine: ServedKine;

  test.before(async () => {
    const started = await judges.nats(folder());
    nats = started;
    kine = await kineOn(judges, started.endpoint);
  });

  test.after(async () => {
    await kine?.stop();
    await nats?.stop();
  });

  // NATS has no door of its own here: what is promised is the kine of a K3s that runs.
  datastoreContract(test, {
    open: () => open(kine.listener),
    judge: () => kine.client,
    record: { size: 512 << 10, refusal: /larger than etcd or kine takes/ },
    refusesWrites: ['denied', /./],
  });

  test.run();
}
