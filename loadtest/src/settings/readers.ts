/** Reads settings from text. A reader returns the value, or a sentence that begins with "must" and says what it must be. */
export type Reader<T> = (text: string) => T | string;

export const bounded =
  (min: number, max: number): Reader<number> =>
  (text) => {
    const value = Number(text);
    return text.trim() !== "" && value >= min && value <= max
      ? value
      : `must be a number from ${min} to ${max}`;
  };

export const whole =
  (min: number, max: number): Reader<number> =>
  (text) =>
    /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max
      ? Number(text)
      : `must be a whole number from ${min} to ${max}`;

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };
const MAX_SECONDS = 86_400; // a day

/** `90`, `90s`, `5m`, `1h` → seconds. */
export const duration: Reader<number> = (text) => {
  const [, number = "", unit = "s"] = /^(\d+(?:\.\d+)?)([smh])?$/.exec(text) ?? [];
  const seconds = Number(number) * (UNITS[unit] ?? Number.NaN);
  return number !== "" && seconds >= 1 && seconds <= MAX_SECONDS
    ? seconds
    : "must be a time from 1s to 24h, such as 60, 90s, 5m or 1h";
};

/** Items between commas. */
export const list = (text: string): string[] =>
  text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");

export const url =
  (...schemes: string[]): ((text: string) => string) =>
  (text) =>
    URL.canParse(text) && schemes.some((scheme) => text.startsWith(`${scheme}://`))
      ? text
      : `must be a URL with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`;
