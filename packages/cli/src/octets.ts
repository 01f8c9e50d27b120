/** One piece after the other; the pieces, which are copies and may be secret, are overwritten. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
    piece.fill(0);
  }
  return whole;
}

/** A copy of a PEM block with LF line ends and a final newline. */
export function withUnixLines(block: Uint8Array): Uint8Array {
  const lines = block.filter((byte) => byte !== 0x0d);
  if (lines.at(-1) === 0x0a) return lines;
  const ended = new Uint8Array(lines.length + 1);
  ended.set(lines);
  ended[lines.length] = 0x0a;
  lines.fill(0);
  return ended;
}
