/** Preloaded into the program by a test: it kills itself with SIGKILL just before the call number KILL_AT of those that change
 *  the disk, counted from 1, or notes in KILL_COUNT how many there were. The first rename to a path that ends with
 *  FAIL_RENAME fails as on a broken disk. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { DatabaseSync } from 'node:sqlite';

const at = Number(process.env.KILL_AT ?? 0);
let calls = 0;
let fails = process.env.FAIL_RENAME;
for (const [owner, name] of [
  [fs, 'renameSync'],
  [fs, 'linkSync'],
  [fs, 'unlinkSync'],
  [fs, 'mkdirSync'],
  [DatabaseSync.prototype, 'exec'],
  [DatabaseSync.prototype, 'close'],
]) {
  const real = owner[name];
  owner[name] = function (...words) {
    calls += 1;
    if (calls === at) process.kill(process.pid, 'SIGKILL');
    if (name === 'renameSync' && fails !== undefined && String(words[1]).endsWith(fails)) {
      fails = undefined;
      throw Object.assign(new Error('EIO: i/o error, rename'), { code: 'EIO', errno: -5, syscall: 'rename' });
    }
    return Reflect.apply(real, this, words);
  };
}
syncBuiltinESMExports();
if (process.env.KILL_COUNT) process.on('exit', () => fs.writeFileSync(process.env.KILL_COUNT, String(calls)));
