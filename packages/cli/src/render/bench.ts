import type { Writable } from 'node:stream';
import type { Lanes } from '@k3s-pki/core';
import { painter } from '../terminal.ts';
import { grouped } from './issue.ts';

/** How many of one thing were made. */
export interface Measurement {
  readonly name: string;
  readonly threads: number;
  readonly count: number;
  readonly seconds: number;
  readonly perSecond: number;
}

export interface BenchReport {
  readonly cpu: string;
  readonly cores: number;
  /** Load average of the last minute; 0 where there is none. */
  readonly load: number;
  readonly node: string;
  readonly lanes: Exclude<Lanes, 'auto'>;
  readonly measurements: readonly Measurement[];
}

const arithmetic = {
  fma: 'doubles with fused multiply-add',
  simd: 'integers in vectors',
  scalar: 'plain integers',
} as const;

export function benchText({ cpu, cores, load, node, lanes, measurements }: BenchReport, stdout: Writable): string {
  const paint = painter(stdout);
  const head = ['MADE', 'THREADS', 'A SECOND', 'ONE IN'];
  const rows = measurements.map(({ name, threads, perSecond }) => [
    name,
    String(threads),
    rate(perSecond),
    time(1 / perSecond),
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  // Half of the cores are enough to disturb: two threads share one, or its cache.
  const busy = load > cores / 2 ? [`the machine was busy (load ${load.toFixed(1)}): the figures are low`] : [];
  return [
    `${cpu}, ${cores} ${cores === 1 ? 'core' : 'cores'}; Node ${node}; ${arithmetic[lanes]} (${lanes})`,
    ...busy,
    '',
    paint('dim', line(head)),
    ...rows.map(line),
    '',
  ].join('\n');
}

function rate(perSecond: number): string {
  if (perSecond >= 100) return grouped(perSecond);
  return perSecond.toFixed(perSecond >= 10 ? 1 : 2);
}

function time(seconds: number): string {
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  if (seconds >= 1e-3) return `${(seconds * 1e3).toFixed(seconds >= 0.1 ? 0 : 1)} ms`;
  return `${(seconds * 1e6).toFixed(1)} us`;
}
