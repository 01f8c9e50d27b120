// The report for people.

/** A run's report as Markdown: the machine, the targets, a table for each comparison. */
export function markdown({ machine, started, finished, short, load, comparisons, targets, failures }) {
  const minutes = ((Date.parse(finished) - Date.parse(started)) / 60_000).toFixed(1);
  const lines = [
    `# Benchmark${short ? ', short form' : ''}`,
    '',
    `${machine.cpu}, ${machine.cores} cores (${machine.cpuFlags.join(', ')}), ${machine.system}. Node ${machine.node} (V8 ${machine.v8}, OpenSSL ${machine.nodeOpenssl});`,
    `${machine.openssl ?? 'no openssl'}; ${machine.go ?? 'no go'}. Commit ${machine.commit ?? 'unknown'}, WebAssembly ${machine.wasmBytes.toLocaleString('en')} bytes${machine.lanes ? `, lanes ${machine.lanes}` : ''}.`,
    `Started ${started}, ${minutes} minutes. Load average ${load.before[0].toFixed(1)} before, ${load.after[0].toFixed(1)} after: the bench itself is 1 to ${machine.cores}, the rest is other work.`,
    '',
    '## Targets',
    '',
    '| target | measured | by processor time | reached |',
    '| --- | --- | --- | --- |',
    ...targets.map(({ target, measured, byCpu, reached, why }) =>
      row([target, measured ?? why, byCpu ?? '', reached === undefined ? '' : reached ? 'yes' : '**no**']),
    ),
    '',
    ...comparisons.flatMap(table),
  ];
  if (failures.length > 0) lines.push('## Failures', '', ...failures.map((failure) => `- ${failure}`), '');
  return `${lines.join('\n').trimEnd()}\n`;
}

function table({ title, unit, rounds, turns, subjects }) {
  const counted = unit === 'certificate';
  return [
    `## ${title}`,
    '',
    `Median (minimum to maximum) of ${rounds} rounds${turns > 1 ? `, each the mean of ${turns} turns` : ''}; the ratio is a rival's time over ours, round by round.`,
    '',
    row([
      '',
      `time a ${unit}`,
      ...(counted ? ['a second'] : []),
      'processor time',
      'ratio',
      'by processor time',
      'memory',
      `${unit}s`,
    ]),
    row(Array.from({ length: counted ? 8 : 7 }, () => '---')),
    ...subjects.map((subject) => {
      if (subject.absent !== undefined)
        return row([
          subject.title,
          `not run: ${subject.absent.split('\n', 1)[0].slice(0, 160)}`,
          ...Array.from({ length: counted ? 6 : 5 }, () => ''),
        ]);
      const { wall, cpu, wallRatio, cpuRatio, peak, units } = subject;
      return row([
        subject.title,
        range(wall, seconds),
        ...(counted ? [Math.round(1 / wall.median).toLocaleString('en')] : []),
        range(cpu, seconds),
        range(wallRatio, (value) => value.toFixed(2)),
        range(cpuRatio, (value) => value.toFixed(2)),
        peak === undefined ? '' : `${(peak.max / 1e6).toFixed(0)} MB`,
        units.toLocaleString('en'),
      ]);
    }),
    '',
  ];
}

function row(cells) {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function range(values, show) {
  return values === undefined ? '' : `${show(values.median)} (${show(values.min)} to ${show(values.max)})`;
}

/** Three digits in the unit that fits. */
function seconds(value) {
  if (value >= 1) return `${value.toPrecision(3)} s`;
  if (value >= 1e-3) return `${(value * 1e3).toPrecision(3)} ms`;
  return `${(value * 1e6).toPrecision(3)} µs`;
}
