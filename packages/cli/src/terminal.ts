import type { Writable } from 'node:stream';
import { styleText } from 'node:util';

type Format = Parameters<typeof styleText>[0];

/** Colours for one stream: none in a pipe, under NO_COLOR, or on a dumb terminal. */
export function painter(stream: Writable): (format: Format, text: string) => string {
  return (format, text) => styleText(format, text, { stream: stream as NodeJS.WriteStream, validateStream: true });
}

export function isTerminal(stream: Writable): boolean {
  return (stream as Partial<NodeJS.WriteStream>).isTTY === true;
}

/** Columns of a terminal; 80 in a pipe. */
export function columns(stream: Writable): number {
  return (stream as Partial<NodeJS.WriteStream>).columns ?? 80;
}

/** A line that changes while a slow step runs. */
export interface Progress {
  show(text: string): void;
  /** Removes the line. */
  end(): void;
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** A spinner on a terminal, nothing in a pipe. */
export function progress(stream: Writable): Progress {
  if (!isTerminal(stream) || process.env.TERM === 'dumb') return { show() {}, end() {} };
  let text = '';
  let frame = 0;
  const started = Date.now();
  const draw = () => {
    const seconds = Math.floor((Date.now() - started) / 1000);
    const line = `${frames[frame % frames.length]} ${text}${seconds > 1 ? ` (${seconds} s)` : ''}`;
    stream.write(`\r\x1b[K${line.slice(0, columns(stream) - 1)}`);
    frame += 1;
  };
  let timer: NodeJS.Timeout | undefined;
  return {
    show(next) {
      text = next;
      timer ??= setInterval(draw, 80);
      draw();
    },
    end() {
      if (timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      stream.write('\r\x1b[K');
    },
  };
}
