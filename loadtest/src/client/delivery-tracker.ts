/** Compares what one client received with what it should have received. Knows no socket and no clock. */

export type FaultKind = "duplicate" | "reorder";
export interface Fault {
  kind: FaultKind;
  text: string;
}

/** Sequence numbers that did not arrive in order. The client has to request them with `replay`. */
export interface Gap {
  from: number;
  to: number;
}

/** Offsets above `from`, up to and including `to`. */
interface OffsetRange {
  from: number;
  to: number;
}

/** What the worker knows about an offset. */
export interface OffsetLookup {
  channelOf(offset: number): string | undefined;
  /** True when an earlier audit expected this offset for clients with these channels. */
  audited(offset: number): boolean;
  /** The highest offset of each of these channels that an audit has expected so far. */
  newestAudited(): ReadonlyMap<string, number>;
}

/** What a client asked for besides all messages of its channels. */
export interface Wishes {
  /**
   * The newest message of each channel counts: an older one that never arrives is left out, and not lost.
   * Default: false.
   */
  newestWins?: boolean;
  /**
   * The client asked for last values: the newest message of each channel is due from the start. Default:
   * false.
   */
  last?: boolean;
}

type Channel = string | undefined;

const inside = (ranges: readonly OffsetRange[], offset: number): boolean =>
  ranges.some(({ from, to }) => offset > from && offset <= to);

export class DeliveryTracker {
  /** Every message above this offset is due; undefined until the client is subscribed. */
  #startOffset: number | undefined;
  #lastSeq = 0;
  #lastOffset = 0;
  /** Last offset before the first open gap. */
  #offsetBeforeGap = 0;
  readonly #missingSeqs = new Set<number>();
  /** Offsets received since the last audit, mostly in order. */
  #received: number[] = [];
  /** Offsets that were due and have not arrived, with their channels. */
  readonly #missing = new Map<number, Channel>();
  /** Offsets received that no audit has expected yet. */
  readonly #unexpected = new Set<number>();
  #auditedUpTo = 0;
  /** Offsets that may arrive twice, because the client requested them again with `since`. */
  #mayRepeat: OffsetRange[] = [];
  /**
   * Offsets that may arrive out of order, because the client requested them on a connection that stayed open.
   */
  #mayBeLate: OffsetRange[] = [];
  /** Highest offset of each channel on this connection. */
  readonly #newestOf = new Map<Channel, number>();
  /** The same for earlier connections; only when the newest message counts. */
  readonly #newestBefore = new Map<Channel, number>();
  /** Offset of the last value of each channel: all newer messages of the channel are due. */
  readonly #lastOf = new Map<Channel, number>();
  readonly #wishes: Wishes;
  /** Messages that newer ones of their channels have replaced. */
  #leftOut = 0;
  /**
   * Offsets among which the gateway reported drops. The last range is open-ended while the client is
   * throttled.
   */
  #dropped: OffsetRange[] = [];

  constructor(wishes: Wishes = {}) {
    this.#wishes = wishes;
  }

  /** Everything above this offset is due from now on. A later call moves only the last offset. */
  start(offset: number, lookup: OffsetLookup): void {
    if (this.#startOffset === undefined && this.#wishes.last) this.#expectNewest(offset, lookup);
    this.#startOffset ??= offset;
    this.#lastOffset = Math.max(this.#lastOffset, offset);
  }

  /** Audits from before this client have known these messages: each channel's last value is one, or newer. */
  #expectNewest(start: number, lookup: OffsetLookup): void {
    for (const [channel, offset] of lookup.newestAudited()) {
      const has = offset <= (this.#lastOf.get(channel) ?? 0) || this.#received.includes(offset);
      if (offset <= start && !has) this.#missing.set(offset, channel);
    }
  }

  get started(): boolean {
    return this.#startOffset !== undefined;
  }

  /** The offset to resume from: everything up to this offset has arrived. */
  get resumeOffset(): number {
    const last = this.#dropped.at(-1);
    const complete = this.#missingSeqs.size > 0 ? this.#offsetBeforeGap : this.#lastOffset;
    return last?.to === Number.POSITIVE_INFINITY ? Math.min(complete, last.from) : complete;
  }

  get seq(): number {
    return this.#lastSeq;
  }

  /** How many sequence numbers are missing on this connection. */
  get missingSeqs(): number {
    return this.#missingSeqs.size;
  }

  /** Starts a new connection: `seq` counts from 1 again, and the client resumes from `resumeOffset`. */
  reconnected(): void {
    const from = this.resumeOffset;
    if (from < this.#lastOffset) this.#mayRepeat.push({ from, to: this.#lastOffset });
    this.#lastSeq = 0;
    this.#missingSeqs.clear();
    if (this.#wishes.newestWins) for (const [channel, offset] of this.#newestOf) this.#raise(channel, offset);
    // A resume sends the missed messages first and in order, so the order is checked from the start again.
    this.#newestOf.clear();
    this.#mayBeLate = [];
  }

  /** The client requested everything above `offset` again, on a connection that stays open. */
  requestedAgain(offset: number): void {
    this.#mayRepeat.push({ from: offset, to: this.#lastOffset });
    this.#mayBeLate.push({ from: offset, to: this.#lastOffset });
  }

  /** The gateway reported that it drops messages above `offset`. */
  dropsBegan(offset: number): void {
    const last = this.#dropped.at(-1);
    if (last?.to === Number.POSITIVE_INFINITY) last.from = Math.min(last.from, offset);
    else this.#dropped.push({ from: offset, to: Number.POSITIVE_INFINITY });
  }

  /** Throttling ended. The dropped messages will arrive now when `recovered`, otherwise never. */
  dropsEnded(recovered: boolean): void {
    const last = this.#dropped.at(-1);
    if (last?.to !== Number.POSITIVE_INFINITY) return;
    if (recovered) this.#dropped.pop();
    else last.to = this.#lastOffset;
  }

  /** The gateway reported that it cannot send these offsets any more. */
  notRecovered(from: number, to: number = this.#lastOffset): void {
    if (to > from) this.#dropped.unshift({ from, to });
  }

  /** The gateway has used the numbers up to `seq`. Returns the numbers that have not arrived. */
  advanceSeq(seq: number): Gap | undefined {
    if (seq <= this.#lastSeq) return undefined;
    const gap = { from: this.#lastSeq + 1, to: seq };
    if (this.#missingSeqs.size === 0) this.#offsetBeforeGap = this.#lastOffset;
    for (let missing = gap.from; missing <= gap.to; missing++) this.#missingSeqs.add(missing);
    this.#lastSeq = seq;
    return gap;
  }

  /**
   * The gateway no longer has these numbers. Their messages have to arrive by a subscription with `since`.
   */
  abandonGap({ from, to }: Gap): void {
    for (let seq = from; seq <= to; seq++) this.#missingSeqs.delete(seq);
  }

  /** The gateway has sent everything up to `offset`. Ignored while a gap is open. */
  advanceOffset(offset: number): void {
    if (this.#missingSeqs.size === 0) this.#lastOffset = Math.max(this.#lastOffset, offset);
  }

  /** Records an envelope. Returns a fault, or the gap before this envelope. */
  receive(seq: number, offset: number, lookup: OffsetLookup): Fault | Gap | undefined {
    const fillsGap = seq <= this.#lastSeq;
    const gap = this.#takeSeq(seq, offset);
    if (gap !== undefined && "kind" in gap) return gap;
    if (offset > this.#lastOffset) {
      this.#lastOffset = offset;
      this.#newestOf.set(lookup.channelOf(offset), offset);
      // After an absence, a client receives messages that an audit has already counted as missing.
      if (this.#missing.size === 0 || !this.#missing.delete(offset)) this.#received.push(offset);
      return gap;
    }
    return this.#duplicateOf(offset, lookup) ?? this.#disorderOf(offset, fillsGap, lookup) ?? gap;
  }

  /**
   * Records a last value: the newest message of a channel, which may be older than the subscription. The
   * client may have the message from an earlier connection, but not from this one.
   */
  receiveLast(seq: number, offset: number, lookup: OffsetLookup): Fault | Gap | undefined {
    const fillsGap = seq <= this.#lastSeq;
    const gap = this.#takeSeq(seq, offset);
    if (gap !== undefined && "kind" in gap) return gap;
    const channel = lookup.channelOf(offset);
    const newest = this.#newestOf.get(channel) ?? 0;
    if (!fillsGap && offset <= newest)
      return { kind: "duplicate", text: `the last value ${offset} of ${channel} arrived after ${newest}` };
    this.#newestOf.set(channel, Math.max(newest, offset));
    this.#lastOf.set(channel, Math.max(this.#lastOf.get(channel) ?? 0, offset));
    // Older messages of the channel are not due, unless they belong to the time after the subscription.
    for (const [missing, its] of this.#missing)
      if (its === channel && missing < offset && missing <= (this.#startOffset ?? 0))
        this.#missing.delete(missing);
    if (!this.#missing.delete(offset) && !this.#knows(offset, lookup)) this.#received.push(offset);
    return gap;
  }

  /** Records the number of an envelope. Returns a fault, or the gap before this envelope. */
  #takeSeq(seq: number, offset: number): Fault | Gap | undefined {
    if (seq > this.#lastSeq) {
      const gap = this.advanceSeq(seq - 1);
      this.#lastSeq = seq;
      return gap;
    }
    if (this.#missingSeqs.delete(seq)) return undefined;
    return { kind: "duplicate", text: `seq ${seq} (offset ${offset}) arrived again` };
  }

  #raise(channel: Channel, offset: number): void {
    this.#newestBefore.set(channel, Math.max(this.#newestBefore.get(channel) ?? 0, offset));
  }

  /** True when a newer message of the channel has arrived, and only the newest one counts. */
  #isReplaced(offset: number, channel: Channel): boolean {
    if (!this.#wishes.newestWins || channel === undefined) return false;
    return offset < Math.max(this.#newestOf.get(channel) ?? 0, this.#newestBefore.get(channel) ?? 0);
  }

  #knows(offset: number, lookup: OffsetLookup): boolean {
    return (
      this.#unexpected.has(offset) ||
      this.#received.includes(offset) ||
      (offset <= this.#auditedUpTo && offset > (this.#startOffset ?? 0) && lookup.audited(offset))
    );
  }

  /** Records an offset that is not above the last one. Such an offset may still be new. */
  #duplicateOf(offset: number, lookup: OffsetLookup): Fault | undefined {
    if (this.#missing.delete(offset)) return undefined;
    const known = this.#knows(offset, lookup);
    if (!known) this.#received.push(offset);
    return !known || inside(this.#mayRepeat, offset)
      ? undefined
      : { kind: "duplicate", text: `offset ${offset} arrived again` };
  }

  #disorderOf(offset: number, fillsGap: boolean, lookup: OffsetLookup): Fault | undefined {
    const channel = lookup.channelOf(offset);
    const newest = this.#newestOf.get(channel) ?? 0;
    if (offset > newest) this.#newestOf.set(channel, offset);
    if (offset >= newest || fillsGap || inside(this.#mayBeLate, offset)) return undefined;
    return { kind: "reorder", text: `offset ${offset} of ${channel} arrived after ${newest}` };
  }

  /**
   * Compares the received offsets with the expected ones.
   *
   * @param expected ascending offsets of this client's channels, up to `cutoff`, that were in no earlier
   *   audit
   * @param channelOf the channels of these offsets
   */
  audit(expected: readonly number[], cutoff: number, channelOf: (offset: number) => Channel): void {
    this.#auditedUpTo = Math.max(this.#auditedUpTo, cutoff);
    const start = this.#startOffset;
    if (start === undefined) return;
    let at = 0;
    while (at < expected.length && (expected[at] as number) <= start) at++;
    const early = this.#wishes.last
      ? expected.slice(0, at).filter((offset) => this.#isNewer(offset, channelOf))
      : [];
    const due = at === 0 ? expected : [...early, ...expected.slice(at)];
    // Fast path: nearly always the same offsets arrived in the same order.
    const same = due.every((offset, index) => offset === this.#received[index]);
    const next = this.#received[due.length];
    if (same && (next === undefined || next > cutoff)) {
      this.#received.splice(0, due.length);
      return;
    }
    const received = new Set(this.#received.filter((offset) => offset <= cutoff));
    this.#received = this.#received.filter((offset) => offset > cutoff);
    for (const offset of due) {
      if (received.delete(offset) || this.#unexpected.delete(offset)) continue;
      const channel = channelOf(offset);
      if (this.#isReplaced(offset, channel)) this.#leftOut++;
      else this.#missing.set(offset, channel);
    }
    for (const offset of received) this.#unexpected.add(offset);
  }

  /** True for a message from before the subscription that is newer than the last value of its channel. */
  #isNewer(offset: number, channelOf: (offset: number) => Channel): boolean {
    return offset > (this.#lastOf.get(channelOf(offset)) ?? 0);
  }

  /**
   * Sums up after the last audit.
   *
   * @param away the client is not connected; messages after its disconnection are not due
   * @returns `lost`: offsets that never arrived. `dropped`: how many the gateway reported as dropped.
   *   `leftOut`: how many were replaced by newer messages of their channels, as the client asked for.
   *   `unexpected`: offsets that arrived on channels of other clients
   */
  summary(away: boolean): { lost: number[]; dropped: number; leftOut: number; unexpected: number[] } {
    const due = [...this.#missing].filter(([offset]) => !away || offset <= this.#lastOffset);
    const missing = due
      .filter(([offset, channel]) => !this.#isReplaced(offset, channel))
      .map(([offset]) => offset);
    const leftOut = this.#leftOut + due.length - missing.length;
    const lost = missing.filter((offset) => !inside(this.#dropped, offset));
    const unexpected = [...this.#unexpected].filter((offset) => offset > (this.#startOffset ?? 0));
    return { lost, dropped: missing.length - lost.length, leftOut, unexpected };
  }

  /** Forgets everything, because the stream was replaced. */
  reset(): void {
    this.#startOffset = undefined;
    this.#lastOffset = this.#offsetBeforeGap = this.#auditedUpTo = 0;
    this.#missingSeqs.clear();
    this.#received = [];
    this.#mayRepeat = [];
    this.#mayBeLate = [];
    this.#newestOf.clear();
    this.#newestBefore.clear();
    this.#lastOf.clear();
    this.#dropped = [];
    this.#missing.clear();
    this.#unexpected.clear();
  }
}
