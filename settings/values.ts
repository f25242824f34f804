/**
 * Reads values from text. Every function returns a zod schema whose error completes a sentence that begins
 * with the name of the variable or option: "must be a whole number from 1 to 5".
 */

import { z } from "zod";

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const; // in milliseconds
type Unit = keyof typeof UNITS;

const range = (min: number, max: number): string =>
  max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`;

/** Text for which `isAllowed` returns true. `allowed` is the error, "must be …". */
export const text = (isAllowed: (text: string) => boolean, allowed: string) =>
  z.string(allowed).refine(isAllowed, allowed);

const number = (pattern: RegExp, what: string, min: number, max: number) =>
  text(
    (value) => pattern.test(value) && Number(value) >= min && Number(value) <= max,
    `must be ${what} ${range(min, max)}`,
  ).transform(Number);

/** A whole number in decimal digits. */
export const whole = (min: number, max = Number.MAX_SAFE_INTEGER) =>
  number(/^\d+$/, "a whole number", min, max);

/** A number in decimal digits, without an exponent. */
export const decimal = (min: number, max: number) => number(/^\d+(\.\d+)?$/, "a number", min, max);

/** `true` or `false`. */
export const boolean = () =>
  z.enum(["true", "false"], "must be true or false").transform((value) => value === "true");

/** One of several words. */
export const choice = <const Word extends string>(words: readonly Word[]) =>
  z.enum(words as readonly [Word, ...Word[]], `must be one of ${words.join(", ")}`);

/** Limits of a time: `min` and `max` as they are written, `500ms` or `24h`. */
export interface DurationLimits {
  /** Default `0s`. */
  min?: string;
  /** Default: no limit. */
  max?: string;
  /** Unit of a number without a unit. Default: such a number is refused. */
  unit?: Unit;
}

/** A time such as `500ms`, `30s`, `5m` or `1h`, as milliseconds. */
export function duration({ min = "0s", max, unit }: DurationLimits = {}) {
  const limits = max === undefined ? (min === "0s" ? "" : ` of ${min} or more`) : ` from ${min} to ${max}`;
  const [least, most] = [milliseconds(min), max === undefined ? Number.POSITIVE_INFINITY : milliseconds(max)];
  const read = (value: string) => milliseconds(value, unit);
  return text(
    (value) => read(value) >= least && read(value) <= most,
    `must be a time${limits} such as 500ms, 30s, 5m or 1h`,
  ).transform(read);
}

/** NaN when the text is not a time. */
function milliseconds(text: string, defaultUnit?: Unit): number {
  const [, digits = "", unit = defaultUnit] = /^(\d+)(ms|s|m|h)?$/.exec(text) ?? [];
  return digits === "" || unit === undefined ? Number.NaN : Number(digits) * UNITS[unit as Unit];
}

/** Items between commas, without the spaces around them and without empty ones. */
export const list = () =>
  z.string().transform((value) =>
    value
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
  );

/** Items between commas, each read by `item`. At least one item is needed. */
export const listOf = <Item>(item: z.ZodType<Item, string>) =>
  list().transform((items, context): Item[] => {
    const results = items.map((value) => item.safeParse(value));
    const mistakes = new Set(
      results.flatMap(({ error }) => error?.issues.map(({ message }) => message) ?? []),
    );
    if (items.length === 0) context.addIssue("must not be empty");
    for (const message of mistakes) context.addIssue(`${message}, or several separated by commas`);
    return results.flatMap(({ success, data }) => (success ? [data] : []));
  });

/** A URL with one of these schemes. */
export const url = (...schemes: string[]) =>
  text(
    (value) => URL.canParse(value) && schemes.some((scheme) => value.startsWith(`${scheme}://`)),
    `must be a URL with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`,
  );

/** Text of one or more characters. */
export const nonEmpty = () => text((value) => value !== "", "must not be empty");
