// node seal-record.mjs product|node|ring|rust-crypto DOCUMENT RECORD COUNT WARM_UP [MODULE]: seals the file DOCUMENT and opens
// it again, COUNT times after WARM_UP that don't count, on this thread, warm. Leaves the last record in the file RECORD and
// prints JSON: seconds of each, processor seconds of all. MODULE is the WebAssembly of the last two ways.
import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { passphrase, sealed } from './verify.mjs';

const [way, documentFile, recordFile, count, warmUp, module] = process.argv.slice(2);
const document = readFileSync(documentFile);
const { seal, open } = await { product, node: native, ring: () => core(1), 'rust-crypto': () => core(0) }[way]();

const each = [];
let before;
for (let round = -Number(warmUp); round < Number(count); round += 1) {
  if (round === 0) before = process.cpuUsage();
  const started = performance.now();
  const record = await seal(document);
  const opened = await open(record);
  const seconds = (performance.now() - started) / 1000;
  if (round >= 0) each.push(seconds);
  if (round + 1 < Number(count)) continue;
  const { user, system } = process.cpuUsage(before);
  if (!document.equals(opened)) throw new Error(`${way}: the opened record is something else`);
  writeFileSync(recordFile, record);
  process.stdout.write(`${JSON.stringify({ each, cpu: (user + system) / 1e6 })}\n`);
}

async function product() {
  const { seal, unseal } = await import('../../packages/datastore/src/seal.ts');
  return {
    seal: (content) => seal(content, passphrase, randomBytes),
    open: (record) => unseal(record, passphrase),
  };
}

/** Node's functions, and of the record's text only what has to be done. */
function native() {
  return {
    seal(content) {
      const salt = randomBytes(sealed.salt / 2).toString('hex');
      const nonce = randomBytes(sealed.nonce);
      const cipher = createCipheriv(sealed.cipher, derive(salt), nonce);
      const parts = [nonce, cipher.update(content), cipher.final(), cipher.getAuthTag()];
      return Buffer.from(`${salt}:${Buffer.concat(parts).toString('base64')}`, 'latin1');
    },
    open(record) {
      const { salt, bytes } = split(record);
      const cipher = createDecipheriv(sealed.cipher, derive(salt), bytes.subarray(0, sealed.nonce));
      cipher.setAuthTag(bytes.subarray(-sealed.tag));
      const content = cipher.update(bytes.subarray(sealed.nonce, -sealed.tag));
      cipher.final();
      return content;
    },
  };
}

function derive(salt) {
  return pbkdf2Sync(passphrase, salt, sealed.rounds, sealed.key, sealed.digest);
}

/** The same text by WebAssembly, copied in and out as the core does it. */
async function core(library) {
  const { instance } = await WebAssembly.instantiate(readFileSync(module));
  const { memory, reserve, run } = instance.exports;
  const size = sealed.salt + sealed.nonce + document.length + sealed.tag;
  const [at, word] = [reserve(size), reserve(passphrase.length)];
  const view = Buffer.from(memory.buffer);
  view.latin1Write(passphrase, word);
  const convert = (opening) => {
    const done = run(opening, library, at, size, word, passphrase.length);
    if (done !== 1) throw new Error(opening === 1 ? 'opening failed' : 'sealing failed');
    return view.subarray(at + sealed.salt, at + size);
  };
  return {
    seal(content) {
      const salt = randomBytes(sealed.salt / 2).toString('hex');
      view.latin1Write(salt, at);
      view.set(randomBytes(sealed.nonce), at + sealed.salt);
      view.set(content, at + sealed.salt + sealed.nonce);
      return Buffer.from(`${salt}:${convert(0).toString('base64')}`, 'latin1');
    },
    open(record) {
      const { salt, bytes } = split(record);
      view.latin1Write(salt, at);
      view.set(bytes, at + sealed.salt);
      return Buffer.from(convert(1).subarray(sealed.nonce, -sealed.tag));
    },
  };
}

function split(record) {
  const text = Buffer.from(record.buffer, record.byteOffset, record.byteLength).toString('latin1');
  return { salt: text.slice(0, sealed.salt), bytes: Buffer.from(text.slice(sealed.salt + 1), 'base64') };
}
