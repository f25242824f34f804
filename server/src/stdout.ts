/**
 * Writes lines to stdout and never waits for the reader of stdout. While stdout accepts nothing (a pipe that
 * nobody reads, a full disk, a terminal stopped with Ctrl-S), lines wait in memory, and further lines are
 * lost and counted.
 */

import { constants, fstatSync, openSync, writeSync } from "node:fs";

/** Bytes of lines that may wait; further lines are lost. */
const MAX_WAITING_BYTES = 1_048_576;
/** Pause between two attempts to write the lines that wait. */
const RETRY_MS = 100;
/** A line that arrives while others wait causes an attempt too, but not more often than this. */
const MIN_RETRY_MS = 5;
/** Time that the end of the process waits for a reader that is only slow. */
const FLUSH_MS = 200;
const FLUSH_STEP_MS = 10;

export interface StdoutOptions {
  /** Called for each line that is lost. */
  onLost: () => void;
  /**
   * Called with the number of lines lost since the last call, when stdout accepts lines again. A line that
   * this function writes appears where the lines are missing.
   */
  onRecovered: (lost: number) => void;
}

export class Stdout {
  readonly #options: StdoutOptions;
  readonly #fd = openStdout();
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #triedAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: StdoutOptions) {
    this.#options = options;
    process.once("exit", () => this.#flush());
  }

  /** Writes at once if possible, so that the last line before the process is killed is not lost. */
  write(text: string): void {
    const line = Buffer.from(text);
    if (this.#waiting.length > 0 && performance.now() - this.#triedAt >= MIN_RETRY_MS) this.#retry();
    if (this.#waiting.length > 0) return this.#wait(line);
    const { written } = this.#tryWrite(line);
    if (written < line.length) this.#wait(line.subarray(written));
  }

  #wait(line: Buffer): void {
    if (this.#waitingBytes + line.length > MAX_WAITING_BYTES) {
      this.#lost++;
      this.#options.onLost();
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    this.#timer ??= setInterval(() => this.#retry(), RETRY_MS).unref();
  }

  /**
   * Writes the lines that wait, as far as stdout accepts them. Each line is a write of its own: the processes
   * of a gateway share stdout, and a pipe keeps only a short write (4 KiB) in one piece.
   *
   * @returns true when stdout may accept more in a moment
   */
  #retry(): boolean {
    this.#triedAt = performance.now();
    let done = 0;
    let blocked = false;
    for (const line of this.#waiting) {
      const { written, error } = this.#tryWrite(line);
      this.#waitingBytes -= written;
      if (written < line.length) {
        this.#waiting[done] = line.subarray(written);
        blocked = error === "EAGAIN";
        break;
      }
      done++;
    }
    if (done > 0) this.#waiting = this.#waiting.slice(done);
    if (this.#lost > 0 && this.#waitingBytes < MAX_WAITING_BYTES / 2) this.#reportLost();
    if (this.#waiting.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    return blocked;
  }

  #reportLost(): void {
    const lost = this.#lost;
    this.#lost = 0;
    this.#options.onRecovered(lost);
  }

  /** Returns how much of the line was written, and the code of the error that stopped the write. */
  #tryWrite(line: Buffer): { written: number; error: string | undefined } {
    let written = 0;
    try {
      while (written < line.length) written += writeSync(this.#fd, line, written);
      return { written, error: undefined };
    } catch (error) {
      return { written, error: (error as NodeJS.ErrnoException).code };
    }
  }

  /** Gives a slow reader a moment; a reader that does not read cannot delay the end. */
  #flush(): void {
    const end = performance.now() + FLUSH_MS;
    const nothing = new Int32Array(new SharedArrayBuffer(4));
    while (this.#waiting.length > 0 && this.#retry() && performance.now() < end) {
      Atomics.wait(nothing, 0, 0, FLUSH_STEP_MS);
    }
  }
}

/**
 * Returns a descriptor of stdout on which a write never waits.
 *
 * On Linux, opening /proc/self/fd/1 gives the same pipe or terminal a second time, with flags of its own: the
 * shell or the parent that shares stdout keeps a stdout that waits. This is not possible for a socket, on
 * other systems, and where the process may not open the pipe. There, Node's own `process.stdout` switches the
 * shared stdout to a mode that does not wait. A write to a file never waits for a reader.
 */
function openStdout(): number {
  if (fstatSync(1).isFile()) return 1;
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    void process.stdout;
    return 1;
  }
}
