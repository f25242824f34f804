/** What one client has got and what it should have got. Knows no socket and no clock. */

export type FaultKind = "duplicate" | "reorder";
export interface Fault {
  kind: FaultKind;
  text: string;
}

/** Numbers of envelopes that did not come in their place: to be asked for with `replay`. */
export interface Gap {
  from: number;
  to: number;
}

interface Range {
  from: number;
  to: number;
}

/** Looks things up about offsets. */
export interface Lookup {
  channelOf(offset: number): string | undefined;
  /** An earlier audit expected it of a client with these channels. */
  audited(offset: number): boolean;
}

const inside = (ranges: readonly Range[], offset: number): boolean =>
  ranges.some(({ from, to }) => offset > from && offset <= to);

export class Account {
  /** Everything behind it is due; undefined before the subscription stands. */
  #start: number | undefined;
  #seq = 0;
  #last = 0;
  /** Offset before the first open gap. */
  #safe = 0;
  readonly #gaps = new Set<number>();
  /** Received since the last audit, mostly in order. */
  #received: number[] = [];
  readonly #missing = new Set<number>();
  /** Received and not known to the ledger yet. */
  readonly #unexpected = new Set<number>();
  #audited = 0;
  /** May come again: asked for by `since`. */
  #again: Range[] = [];
  /** What was asked for on a connection that goes on may come later than its place. */
  #late: Range[] = [];
  /** Of each channel, on this connection. */
  readonly #newest = new Map<string | undefined, number>();
  /** Left out by the gateway, which said so. */
  #announced: Range[] = [];

  /** From here on everything is due. */
  begin(offset: number): void {
    this.#start ??= offset;
    this.#last = Math.max(this.#last, offset);
  }

  get begun(): boolean {
    return this.#start !== undefined;
  }

  /** The place to resume from: everything up to it has come. */
  get position(): number {
    const open = this.#announced.at(-1);
    const complete = this.#gaps.size > 0 ? this.#safe : this.#last;
    return open?.to === Number.POSITIVE_INFINITY ? Math.min(complete, open.from) : complete;
  }

  get seq(): number {
    return this.#seq;
  }

  /** Numbers that are still asked for. */
  get open(): number {
    return this.#gaps.size;
  }

  /** A new connection: numbers count from 1 again; it resumes from `position`. */
  reconnected(): void {
    if (this.position < this.#last) this.#again.push({ from: this.position, to: this.#last });
    this.#seq = 0;
    this.#gaps.clear();
    // What it missed comes before everything new, in order as well.
    this.#newest.clear();
    this.#late = [];
  }

  /** What comes after `offset` was asked for again on a connection that goes on. */
  refill(offset: number): void {
    this.#again.push({ from: offset, to: this.#last });
    this.#late.push({ from: offset, to: this.#last });
  }

  /** The gateway has said that it leaves things out after `offset`. */
  leftOut(offset: number): void {
    const open = this.#announced.at(-1);
    if (open?.to === Number.POSITIVE_INFINITY) open.from = Math.min(open.from, offset);
    else this.#announced.push({ from: offset, to: Number.POSITIVE_INFINITY });
  }

  /** What was left out comes now, or (`recovered` false) never will. */
  madeGood(recovered: boolean): void {
    const open = this.#announced.at(-1);
    if (open?.to !== Number.POSITIVE_INFINITY) return;
    if (recovered) this.#announced.pop();
    else open.to = this.#last;
  }

  /** The gateway has said that what lies between is gone for good. */
  excuse(from: number, to: number = this.#last): void {
    if (to > from) this.#announced.unshift({ from, to });
  }

  /** The numbers up to `seq` were given out: those that have not come are a gap. */
  given(seq: number): Gap | undefined {
    if (seq <= this.#seq) return undefined;
    const gap = { from: this.#seq + 1, to: seq };
    if (this.#gaps.size === 0) this.#safe = this.#last;
    for (let missing = gap.from; missing <= gap.to; missing++) this.#gaps.add(missing);
    this.#seq = seq;
    return gap;
  }

  /** The gateway no longer has these numbers: what they stood for has to come by `since`. */
  giveUp({ from, to }: Gap): void {
    for (let seq = from; seq <= to; seq++) this.#gaps.delete(seq);
  }

  /** The gateway has given everything up to `offset`, and all of it has come. */
  reached(offset: number): void {
    if (this.#gaps.size === 0) this.#last = Math.max(this.#last, offset);
  }

  /** An envelope has come. Returns what is wrong with its place, or the gap before it. */
  take(seq: number, offset: number, lookup: Lookup): Fault | Gap | undefined {
    const filled = seq <= this.#seq;
    if (filled && !this.#gaps.delete(seq))
      return { kind: "duplicate", text: `seq ${seq} (offset ${offset}) came again` };
    const gap = filled ? undefined : this.given(seq - 1);
    if (!filled) this.#seq = seq;
    if (offset > this.#last) {
      this.#last = offset;
      this.#newest.set(lookup.channelOf(offset), offset);
      // A client that was away has what an audit missed only now.
      if (this.#missing.size === 0 || !this.#missing.delete(offset)) this.#received.push(offset);
      return gap;
    }
    return this.#takeLate(offset, lookup) ?? this.#misplaced(offset, filled, lookup) ?? gap;
  }

  /** What lies behind the last offset: it may be new all the same. */
  #takeLate(offset: number, lookup: Lookup): Fault | undefined {
    if (this.#missing.delete(offset)) return undefined;
    const known =
      this.#unexpected.has(offset) ||
      this.#received.includes(offset) ||
      (offset <= this.#audited && offset > (this.#start ?? 0) && lookup.audited(offset));
    if (!known) this.#received.push(offset);
    return !known || inside(this.#again, offset)
      ? undefined
      : { kind: "duplicate", text: `offset ${offset} came again` };
  }

  #misplaced(offset: number, filled: boolean, lookup: Lookup): Fault | undefined {
    const channel = lookup.channelOf(offset);
    const newest = this.#newest.get(channel) ?? 0;
    if (offset > newest) this.#newest.set(channel, offset);
    if (offset >= newest || filled || inside(this.#late, offset)) return undefined;
    return { kind: "reorder", text: `offset ${offset} of ${channel} came after ${newest}` };
  }

  /**
   * Compares what came with what was due: `expected`, ascending, holds the offsets up to `cutoff` of this client's channels that no
   * earlier audit had.
   */
  audit(expected: readonly number[], cutoff: number): void {
    this.#audited = Math.max(this.#audited, cutoff);
    const start = this.#start;
    if (start === undefined) return;
    let at = 0;
    while (at < expected.length && (expected[at] as number) <= start) at++;
    const due = at === 0 ? expected : expected.slice(at);
    // Nearly always the same numbers in the same order.
    const same = due.every((offset, index) => offset === this.#received[index]);
    const next = this.#received[due.length];
    if (same && (next === undefined || next > cutoff)) {
      this.#received.splice(0, due.length);
      return;
    }
    const came = new Set(this.#received.filter((offset) => offset <= cutoff));
    this.#received = this.#received.filter((offset) => offset > cutoff);
    for (const offset of due) {
      if (!came.delete(offset) && !this.#unexpected.delete(offset)) this.#missing.add(offset);
    }
    for (const offset of came) this.#unexpected.add(offset);
  }

  /**
   * After the last audit: what never came. `announced`: the gateway had said so. `unexpected`: came, but was of no channel of this
   * client. A client that is away is not owed what came after it left.
   */
  balance(away: boolean): { lost: number[]; announced: number; unexpected: number[] } {
    const owed = [...this.#missing].filter((offset) => !away || offset <= this.#last);
    const lost = owed.filter((offset) => !inside(this.#announced, offset));
    const unexpected = [...this.#unexpected].filter((offset) => offset > (this.#start ?? 0));
    return { lost, announced: owed.length - lost.length, unexpected };
  }

  /** The stream was replaced: nothing of before counts. */
  restart(): void {
    this.#start = undefined;
    this.#last = this.#safe = this.#audited = 0;
    this.#gaps.clear();
    this.#received = [];
    this.#again = [];
    this.#late = [];
    this.#newest.clear();
    this.#announced = [];
    this.#missing.clear();
    this.#unexpected.clear();
  }
}
