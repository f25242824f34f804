/** Values of a time series in a test of rules, in promtool's notation: one for each step. */

/** A gauge: each value for so many seconds; undefined: the series is not there. */
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

/** A counter that begins at 0 and grows by so much a second, for so many seconds. */
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
