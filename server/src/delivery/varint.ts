/** Numbers of the compact encoding: unsigned LEB128, 7 bits in a byte, the lowest bits first. */

/** Returns how many bytes a whole number from 0 to 2 ** 53 - 1 takes. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** Writes a number from this index on. */
export function writeVarint(buffer: Uint8Array, start: number, value: number): void {
  let at = start;
  let rest = value;
  while (rest >= 128) {
    buffer[at++] = (rest % 128) + 128;
    rest = Math.floor(rest / 128);
  }
  buffer[at] = rest;
}

export function varint(value: number): Uint8Array {
  const bytes = new Uint8Array(varintBytes(value));
  writeVarint(bytes, 0, value);
  return bytes;
}
