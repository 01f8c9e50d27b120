// What the project promises of its speed, judged on the medians of a run. A miss is reported, never a failure.

/**
 * @typedef {object} Target
 * @property {string} text
 * @property {string} comparison
 * @property {string} [rival]
 * @property {(subject: (name: string) => object) => { value: number, cpu?: number } | undefined} measure
 * @property {(value: number) => boolean} reached
 * @property {(value: number) => string} show
 */

const times = (value) => `${value.toFixed(2)} times`;
const share = (value) => value.toFixed(3);

/** At least `factor` times as fast as a rival. */
function faster(comparison, text, rival, factor) {
  return {
    text: `${text}: at least ${factor} times as fast`,
    comparison,
    rival,
    measure: (subject) => of(subject(rival), (value) => value),
    reached: (value) => value >= factor,
    show: times,
  };
}

/** At most `limit` of a rival's time. */
function atMost(comparison, text, rival, limit) {
  return {
    text: `${text}: at most ${limit} of its time`,
    comparison,
    rival,
    measure: (subject) => of(subject(rival), (value) => 1 / value),
    reached: (value) => value <= limit,
    show: share,
  };
}

/** @type {Target[]} */
const targets = [
  ...[2048, 3072, 4096].flatMap((bits) => [
    faster(`rsa-${bits}`, `RSA-${bits}, warm, one thread, against Node`, 'node', 2.2),
    faster(`rsa-${bits}`, `RSA-${bits}, warm, one thread, against Go`, 'go', 2.7),
    faster(`rsa-${bits}`, `RSA-${bits}, warm, one thread, against openssl genpkey`, 'openssl', 6),
  ]),
  faster('rsa-2048-process', 'one RSA-2048 key, fresh process, against Node', 'node', 1),
  atMost('rsa-2048-process', 'one RSA-2048 key, fresh process, against openssl genpkey', 'openssl', 0.4),
  faster('leaves-1-worker', 'client-kubelet certificates, one worker, against Go', 'go', 10),
  faster('leaves-2-workers', 'client-kubelet certificates, two workers, against Go', 'go', 8),
  faster('leaves-core', 'client-kubelet certificates, core alone, against Go', 'go', 14),
  faster('key-and-signature', 'P-256 key and signature, against OpenSSL', 'openssl', 3.5),
  faster('leaves-out', 'client-kubelet certificates to files on tmpfs, against Go', 'go', 1),
  atMost('custom-ca-certs', 'generate-custom-ca-certs against the OpenSSL recipe', 'openssl', 0.2),
  faster('check-10000', 'certificate check of thousands of files, against openssl x509 per file', 'openssl', 10),
  {
    text: 'certificate check of thousands of files: largest process under 200 MB',
    comparison: 'check-10000',
    measure: (subject) => {
      const peak = subject('ours')?.peak?.max;
      return peak === undefined ? undefined : { value: peak / 1e6 };
    },
    reached: (value) => value < 200,
    show: (value) => `${value.toFixed(0)} MB`,
  },
  {
    text: 'the most rows to a stream: largest process under 400 MB',
    comparison: 'leaves-million',
    measure: (subject) => {
      const peak = subject('ours')?.peak?.max;
      return peak === undefined ? undefined : { value: peak / 1e6 };
    },
    reached: (value) => value < 400,
    show: (value) => `${value.toFixed(0)} MB`,
  },
  {
    text: 'the most rows to a stream: at least 0.85 of the rate at a tenth of them',
    comparison: 'leaves-million',
    measure: (subject) => of(subject('fewer'), (value) => value),
    reached: (value) => value >= 0.85,
    show: (value) => value.toFixed(2),
  },
];

/** Each target of these comparisons with what was measured; `reached` is absent where nothing was. */
export function judge(comparisons) {
  return targets.flatMap(({ text, comparison, rival, measure, reached, show }) => {
    const found = comparisons.find(({ name }) => name === comparison);
    if (found === undefined) return [];
    const measured = measure((name) => found.subjects.find((subject) => subject.name === name));
    if (measured === undefined) return { target: text, comparison, why: whyNot(found, rival) };
    const { value, cpu } = measured;
    return {
      target: text,
      comparison,
      measured: show(value),
      byCpu: cpu === undefined ? undefined : show(cpu),
      reached: reached(value),
    };
  });
}

function of(subject, change) {
  if (subject?.wallRatio === undefined) return undefined;
  return { value: change(subject.wallRatio.median), cpu: subject.cpuRatio && change(subject.cpuRatio.median) };
}

function whyNot(comparison, rival) {
  const absent = comparison?.subjects.find(
    (subject) => subject.absent !== undefined && ['ours', rival].includes(subject.name),
  );
  return absent === undefined ? 'not run' : `${absent.title}: ${absent.absent.split('\n', 1)[0]}`;
}
