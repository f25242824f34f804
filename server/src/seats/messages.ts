/**
 * Messages between gateways about the seats of users. One message of NATS carries several of them, as JSON:
 * `{"v":1,"from":"…","messages":[["claim",7,"…",1760000000000],["free",[3,4]]]}`.
 *
 * A gateway counts a seat with the owner of its user, another gateway or itself. `claim`, `hold`, `free`,
 * `reset`, `digest` and `checked` are sent to the owner, the others by it.
 */

/** Number of the seat in its gateway, key of the user, and time of the connection in ms since 1970. */
export type SeatEntry = [seat: number, user: string, at: number];

export type SeatMessage =
  /** Sent to all gateways every two seconds. */
  | ["here"]
  /** Sent to all gateways: the sender has no seats any more, and owns no users. */
  | ["bye"]
  /** Asks for a seat. */
  | ["claim", ...SeatEntry]
  /** Seats that are taken already. */
  | ["hold", SeatEntry[]]
  | ["free", number[]]
  /** All seats of the sender are forgotten; `hold` with the present ones follows. */
  | ["reset"]
  /** Number of the seats that the sender counts with the receiver, and their sum (`seatSum`). */
  | ["digest", count: number, sum: number]
  /** Asks for `reset` and `hold`. */
  | ["resend"]
  | ["granted", seat: number]
  /** An answer to the claim follows: connections of the user are checked first. */
  | ["waiting", seat: number]
  | ["refused", seat: number, connections: number]
  /** Asks which of these clients answer. Those that do not lose their seats: `free`, then `checked`. */
  | ["check", id: number, seats: number[]]
  | ["checked", id: number]
  /** Closes the clients on these seats: other connections of their users took the seats. */
  | ["close", number[]];

export interface SeatMail {
  /** Id of the sending gateway. */
  from: string;
  messages: SeatMessage[];
}

/** Gateways with another version do not count together. */
const VERSION = 1;

export function encodeMail({ from, messages }: SeatMail): string {
  return JSON.stringify({ v: VERSION, from, messages });
}

/** Returns undefined for a text that this version does not understand. */
export function decodeMail(text: string): SeatMail | undefined {
  const { v, from, messages } = fieldsOf(text);
  if (v !== VERSION || typeof from !== "string" || !Array.isArray(messages)) return undefined;
  if (!messages.every(isMessage)) return undefined;
  return { from, messages };
}

function fieldsOf(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return {};
  }
}

type Check = (value: unknown) => boolean;
const isNumber: Check = Number.isFinite;
const isText: Check = (value) => typeof value === "string";
const isNumbers: Check = (value) => Array.isArray(value) && value.every(isNumber);
const ENTRY: readonly Check[] = [isNumber, isText, isNumber];
const isEntries: Check = (value) => Array.isArray(value) && value.every((entry) => fits(entry, ENTRY));

const PARTS: Record<SeatMessage[0], readonly Check[]> = {
  here: [],
  bye: [],
  claim: ENTRY,
  hold: [isEntries],
  free: [isNumbers],
  reset: [],
  digest: [isNumber, isNumber],
  resend: [],
  granted: [isNumber],
  waiting: [isNumber],
  refused: [isNumber, isNumber],
  check: [isNumber, isNumbers],
  checked: [isNumber],
  close: [isNumbers],
};

function fits(value: unknown, parts: readonly Check[]): boolean {
  return (
    Array.isArray(value) && value.length === parts.length && parts.every((check, at) => check(value[at]))
  );
}

function isMessage(value: unknown): value is SeatMessage {
  if (!Array.isArray(value)) return false;
  const [type, ...rest] = value as unknown[];
  return typeof type === "string" && Object.hasOwn(PARTS, type) && fits(rest, PARTS[type as SeatMessage[0]]);
}
