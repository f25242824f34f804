/**
 * Clients that want to be connected over time: straight lines between points, which are sorted by time (`at`,
 * seconds). Before the first point and after the last one the number stays the same.
 */
export type Curve = { at: number; connections: number }[];

/** Number of clients that want to be connected at a moment. @param at seconds */
export function demandAt(curve: Curve, at: number): number {
  const after = curve.findIndex((point) => point.at >= at);
  const next = curve[after];
  if (!next) return curve.at(-1)?.connections ?? 0;
  const previous = curve[after - 1];
  if (!previous || next.at === previous.at) return next.connections;
  const part = (at - previous.at) / (next.at - previous.at);
  return previous.connections + part * (next.connections - previous.connections);
}

/**
 * A curve from `from` clients to `to` in `minutes`, as long at the top (at least half an hour), and back
 * down.
 */
export function ramp(from: number, to: number, minutes: number): Curve {
  const seconds = minutes * 60;
  const top = Math.max(seconds, 1800);
  return [
    { at: 0, connections: from },
    { at: seconds, connections: to },
    { at: seconds + top, connections: to },
    { at: 2 * seconds + top, connections: from },
  ];
}

/**
 * Reads lines of `minute,connections`. A first line of words is a heading; empty lines are ignored.
 *
 * @returns the curve, or the mistakes, each with the number of its line
 */
export function parseCurve(text: string): Curve | { mistakes: string[] } {
  const curve: Curve = [];
  const mistakes: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || (index === 0 && /[a-z]/i.test(line))) continue;
    const [minute, connections, ...rest] = line.split(",").map((field) => field.trim());
    const isNumber = (field: string | undefined) => /^\d+(\.\d+)?$/.test(field ?? "");
    if (!isNumber(minute) || !isNumber(connections) || rest.length > 0) {
      mistakes.push(
        `line ${index + 1} is ${line.trim()}: it must be MINUTE,CONNECTIONS, for example 15,20000`,
      );
      continue;
    }
    const at = Number(minute) * 60;
    const last = curve.at(-1);
    if (last && at < last.at) mistakes.push(`line ${index + 1}: minute ${minute} is before the line above`);
    curve.push({ at, connections: Number(connections) });
  }
  if (mistakes.length === 0 && curve.length < 2)
    mistakes.push("there must be at least two lines of MINUTE,CONNECTIONS");
  return mistakes.length > 0 ? { mistakes } : curve;
}
