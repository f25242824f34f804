import { memo } from "react";
import type { Point } from "./market.ts";

const WIDTH = 96;
const HEIGHT = 28;
const EDGE = 2;
const MAX_POINTS = 48;

/** The SVG path of the last prices at equal distances; empty for fewer than two prices. */
function sparklinePath(points: readonly Point[]): string {
  const shown = points.slice(-MAX_POINTS).map(({ value }) => value);
  if (shown.length < 2) return "";
  const low = Math.min(...shown);
  const span = Math.max(...shown) - low;
  const step = WIDTH / (shown.length - 1);
  return shown
    .map((value, n) => {
      const y = span === 0 ? HEIGHT / 2 : EDGE + (1 - (value - low) / span) * (HEIGHT - 2 * EDGE);
      return `${n === 0 ? "M" : "L"}${(n * step).toFixed(1)} ${y.toFixed(1)}`;
    })
    .join("");
}

export const Sparkline = memo(function Sparkline({ points }: { points: readonly Point[] }) {
  const rising = (points.at(-1)?.value ?? 0) >= (points.at(-MAX_POINTS)?.value ?? points[0]?.value ?? 0);
  const path = sparklinePath(points);
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      focusable="false"
      data-turn={rising ? "up" : "down"}
    >
      <path d={path === "" ? `M0 ${HEIGHT / 2}H${WIDTH}` : path} data-empty={path === "" || undefined} />
    </svg>
  );
});
