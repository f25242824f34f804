/** Formats numbers and times for the page. An unknown value is a dash. */

export const NONE = "–";

type Maybe = number | undefined;

const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 4 });
const figures = new Intl.NumberFormat("en-US", {
  notation: "compact",
  minimumSignificantDigits: 3,
  maximumSignificantDigits: 3,
});
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const cents = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
// Five significant digits, after any number of leading zeros.
const digits = new Intl.NumberFormat("en-US", { minimumSignificantDigits: 5, maximumSignificantDigits: 5 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const LEADING_ZEROS = /^(-?)0\.(0{3,})/;
const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";
const subscript = (count: number): string =>
  [...String(count)].map((digit) => SUBSCRIPTS[Number(digit)]).join("");

/** A price in dollars. Prices of a millionth are common: 0.0000098 is written 0.0₅98, as traders do. */
export function price(value: Maybe): string {
  if (value === undefined) return NONE;
  return shortened((Math.abs(value) >= 1_000 ? cents : digits).format(value));
}

const shortened = (text: string): string =>
  text.replace(LEADING_ZEROS, (_, sign: string, zeros: string) => `${sign}0.0${subscript(zeros.length)}`);

/** An amount in dollars, short: $1.23M. */
export function money(value: Maybe): string {
  if (value === undefined) return NONE;
  return `${value < 0 ? "−" : ""}$${(Math.abs(value) >= 1_000 ? figures : cents).format(Math.abs(value))}`;
}

/** A number of tokens. */
export const amount = (value: Maybe): string =>
  value === undefined ? NONE : shortened(compact.format(value));

export const count = (value: Maybe): string => (value === undefined ? NONE : whole.format(value));

/** Percent with a sign. */
export function percent(value: Maybe): string {
  if (value === undefined) return NONE;
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(Math.abs(value) >= 100 ? 0 : 2)}%`;
}

export function duration(ms: Maybe): string {
  if (ms === undefined) return NONE;
  if (ms < 1) return "<1 ms";
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** Time of day. `ms`: milliseconds since 1970. */
export const time = (ms: number): string => clock.format(ms);

export const plural = (number: number, noun: string): string =>
  `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** Shortens a long wallet address: 4 characters at the start and 4 at the end. */
export const short = (name: string): string =>
  name.length > 12 ? `${name.slice(0, 4)}…${name.slice(-4)}` : name;
