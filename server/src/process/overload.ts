/**
 * CPU and memory usage of all processes, and the limits that depend on it. Uses no clock and no operating
 * system.
 */

/** CPU time and memory that processes have used. */
export interface Usage {
  /** Microseconds of CPU since the process started. */
  cpuMicros: number;
  rssBytes: number;
  /** Used share of the largest heap that V8 allows; V8 ends a process that reaches 1. */
  heapShare?: number;
}

export interface OverloadLimits {
  /** Cores that count as 100 %. */
  cpuLimit: number;
  /** Percent of `cpuLimit` above which new connections are refused. */
  rejectThreshold: number;
  /** Percent of `cpuLimit` above which reading pauses. */
  pauseThreshold: number;
  /** Bytes. */
  memoryLimit: number;
}

/** Weight of a new sample in the CPU usage: after about 8 samples the usage shows 95 % of a step. */
const SMOOTHING = 0.3;
/** A limit that was crossed ends ten points below its threshold, or at half of a low threshold. */
const endOf = (threshold: number): number => Math.max(threshold - 10, threshold / 2);
/** Shares of the memory limit, and of the heap limit of one process, at which refusing begins and ends. */
const MEMORY_FULL = 0.9;
const MEMORY_FREE = 0.85;
/**
 * Reading pauses for at most this many samples in a row and then runs for as many. The stream keeps messages
 * for only 30 s, and a late message is better than a lost one.
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
   * @param processes usage by process id; a new process counts from its second sample on
   * @param elapsedMs time since the last sample
   */
  sample(processes: ReadonlyMap<number, Usage>, elapsedMs: number): void {
    let micros = 0;
    let rss = 0;
    let heapShare = 0;
    const seen = new Map<number, number>();
    for (const [pid, { cpuMicros, rssBytes, heapShare: ofProcess = 0 }] of processes) {
      micros += Math.max(0, cpuMicros - (this.#cpuMicros.get(pid) ?? cpuMicros));
      rss += rssBytes;
      heapShare = Math.max(heapShare, ofProcess);
      seen.set(pid, cpuMicros);
    }
    this.#cpuMicros = seen;
    this.#rssBytes = rss;
    if (elapsedMs <= 0) return;
    const { cpuLimit, rejectThreshold, pauseThreshold, memoryLimit } = this.#limits;
    const percent = micros / 10 / elapsedMs / cpuLimit;
    this.#cpuPercent += SMOOTHING * (percent - this.#cpuPercent);
    this.#cpuRejects = crossed(this.#cpuRejects, this.#cpuPercent, rejectThreshold, endOf(rejectThreshold));
    const memory = Math.max(rss / memoryLimit, heapShare);
    this.#memoryRejects = crossed(this.#memoryRejects, memory, MEMORY_FULL, MEMORY_FREE);
    this.#pauseWanted = crossed(this.#pauseWanted, this.#cpuPercent, pauseThreshold, endOf(pauseThreshold));
    if (!this.#pauseWanted) this.#pausedFor = 0;
    else if (this.#pausedFor++ === MAX_PAUSE_SAMPLES) this.#pausedFor = -MAX_PAUSE_SAMPLES;
  }
}

/** A threshold with hysteresis: true from `on` upward, until the value falls to `off`. */
function crossed(was: boolean, value: number, on: number, off: number): boolean {
  return was ? value > off : value >= on;
}
