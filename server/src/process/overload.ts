/** How busy the VM's processes are, and what follows from it. Knows no clock and no operating system. */

/** CPU time and memory that processes have used. */
export interface Usage {
  /** Microseconds of CPU since the process started. */
  cpuMicros: number;
  rssBytes: number;
}

export interface OverloadLimits {
  /** Cores that count as 100 %. */
  cpuLimit: number;
  /** Percent. */
  rejectThreshold: number;
  pauseThreshold: number;
  memoryLimit: number;
}

/** Smoothing of the CPU figure: 95 % of a step are seen after about 8 samples. */
const SMOOTHING = 0.3;
/** What was switched at a threshold goes back ten points below it, or at half of a low one. */
const below = (threshold: number): number => Math.max(threshold - 10, threshold / 2);
const MEMORY_FULL = 0.9;
const MEMORY_FREE = 0.85;
/**
 * Reading pauses for at most this many samples at a stretch and then runs for as long: the stream keeps messages for 30 s only, and
 * one that is late is better than one that is lost.
 */
const MAX_PAUSE_SAMPLES = 5;

export class Overload {
  readonly #limits: OverloadLimits;
  #cpuPercent = 0;
  #rssBytes = 0;
  #cpuRejects = false;
  #memoryRejects = false;
  #pauseWanted = false;
  #pausedFor = 0;
  #cpuMicros = new Map<number, number>();

  constructor(limits: OverloadLimits) {
    this.#limits = limits;
  }

  /** Percent of the CPU limit, smoothed. */
  get cpuPercent(): number {
    return this.#cpuPercent;
  }
  get rssBytes(): number {
    return this.#rssBytes;
  }
  get cpuRejects(): boolean {
    return this.#cpuRejects;
  }
  get memoryRejects(): boolean {
    return this.#memoryRejects;
  }
  /** Reading of the stream must wait. */
  get pauses(): boolean {
    return this.#pauseWanted && this.#pausedFor > 0;
  }

  /**
   * Takes a sample.
   *
   * @param processes usage by process id; one that is new counts from the next sample on
   * @param elapsedMs time since the last sample
   */
  sample(processes: ReadonlyMap<number, Usage>, elapsedMs: number): void {
    let micros = 0;
    let rss = 0;
    const seen = new Map<number, number>();
    for (const [pid, { cpuMicros, rssBytes }] of processes) {
      micros += Math.max(0, cpuMicros - (this.#cpuMicros.get(pid) ?? cpuMicros));
      rss += rssBytes;
      seen.set(pid, cpuMicros);
    }
    this.#cpuMicros = seen;
    this.#rssBytes = rss;
    if (elapsedMs <= 0) return;
    const { cpuLimit, rejectThreshold, pauseThreshold, memoryLimit } = this.#limits;
    const percent = micros / 10 / elapsedMs / cpuLimit;
    this.#cpuPercent += SMOOTHING * (percent - this.#cpuPercent);
    this.#cpuRejects = crossed(this.#cpuRejects, this.#cpuPercent, rejectThreshold, below(rejectThreshold));
    this.#memoryRejects = crossed(
      this.#memoryRejects,
      rss,
      memoryLimit * MEMORY_FULL,
      memoryLimit * MEMORY_FREE,
    );
    this.#pauseWanted = crossed(this.#pauseWanted, this.#cpuPercent, pauseThreshold, below(pauseThreshold));
    if (!this.#pauseWanted) this.#pausedFor = 0;
    else if (this.#pausedFor++ === MAX_PAUSE_SAMPLES) this.#pausedFor = -MAX_PAUSE_SAMPLES;
  }
}

function crossed(was: boolean, value: number, on: number, off: number): boolean {
  return was ? value > off : value >= on;
}
