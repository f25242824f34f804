const MIN_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2_000;

/** Holds back sending while the stream cannot take events. Each pause is twice as long as the one before. */
export class SendPause {
  readonly #resume: () => void;
  #nextMs = MIN_PAUSE_MS;
  #timer: NodeJS.Timeout | undefined;
  #isHolding = false;

  /** @param resume called when a pause ends */
  constructor(resume: () => void) {
    this.#resume = resume;
  }

  /** Nothing may be sent now. */
  get isHolding(): boolean {
    return this.#isHolding;
  }

  /** Several pauses have followed each other without a stored event between them. */
  get isRepeated(): boolean {
    return this.#nextMs > 2 * MIN_PAUSE_MS;
  }

  /** Starts a pause. Returns false when a pause has started already. */
  start(): boolean {
    if (this.#isHolding) return false;
    this.#isHolding = true;
    this.#timer = setTimeout(() => this.end(), this.#nextMs);
    this.#nextMs = Math.min(this.#nextMs * 2, MAX_PAUSE_MS);
    return true;
  }

  /** Ends the pause now. */
  end(): void {
    clearTimeout(this.#timer);
    this.#isHolding = false;
    this.#resume();
  }

  /** Called when the stream has taken an event: the next pause is short again. */
  reset(): void {
    this.#nextMs = MIN_PAUSE_MS;
  }

  /** Holds back sending from now on. */
  holdForever(): void {
    clearTimeout(this.#timer);
    this.#isHolding = true;
  }
}
