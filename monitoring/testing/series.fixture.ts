/** Values of a time series in promtool's notation, one value for each step. A step is in seconds. */

/**
 * A gauge that has each value for a number of seconds. With undefined the series does not exist during that
 * time.
 */
export function gaugeValues(step: number, ...parts: [value: number | undefined, seconds: number][]): string {
  return parts
    .flatMap(([value, seconds]) =>
      Array.from({ length: seconds / step }, (_, index) => {
        if (value !== undefined) return String(value);
        return index === 0 ? "stale" : "_";
      }),
    )
    .join(" ");
}

/** A counter that starts at 0 and grows at each rate for a number of seconds. */
export function counterValues(step: number, ...parts: [perSecond: number, seconds: number][]): string {
  let sum = 0;
  return parts
    .flatMap(([perSecond, seconds], part) =>
      Array.from({ length: seconds / step }, (_, index) => {
        if (part > 0 || index > 0) sum += perSecond * step;
        return String(Number(sum.toFixed(6)));
      }),
    )
    .join(" ");
}
