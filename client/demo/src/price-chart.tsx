import {
  AreaSeries,
  ColorType,
  createChart,
  type IChartApi,
  type ISeriesApi,
  LineType,
  type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useRef } from "react";
import * as format from "./format.ts";
import type { Point } from "./market.ts";
import { type Theme, useTheme } from "./theme.ts";

interface Drawn {
  chart: IChartApi;
  series: ISeriesApi<"Area">;
  /** Time of the last point, in seconds since 1970. */
  time: number;
  /** The smallest difference of prices on the axis. */
  step: number;
}

const toData = ({ time, value }: Point) => ({ time: time as UTCTimestamp, value });

/** The price since the page was opened, one point per second. */
export function PriceChart({ symbol, points }: { symbol: string; points: readonly Point[] }) {
  const [theme] = useTheme();
  const holder = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | undefined>(undefined);

  useEffect(() => {
    if (holder.current === null) return;
    const chart = createChart(holder.current, options());
    const series = chart.addSeries(AreaSeries, {
      lineWidth: 2,
      lineType: LineType.Simple,
      priceLineVisible: false,
    });
    drawn.current = { chart, series, time: 0, step: 0 };
    return () => {
      drawn.current = undefined;
      chart.remove();
    };
  }, []);

  useEffect(() => {
    if (drawn.current === undefined || holder.current === null) return;
    paint(drawn.current, holder.current, theme);
  }, [theme]);

  useEffect(() => {
    if (drawn.current !== undefined) extend(drawn.current, points);
  }, [points]);

  const first = points[0];
  const last = points.at(-1);
  const label =
    first === undefined || last === undefined
      ? `Price of ${symbol}: no prices yet`
      : `Price of ${symbol} since ${format.time(first.time * 1_000)}: from ${format.price(first.value)} to ${format.price(last.value)} dollars`;
  return (
    <figure className="chart">
      <div ref={holder} role="img" aria-label={label} />
      <figcaption>
        Charts by{" "}
        <a href="https://www.tradingview.com/" rel="noreferrer">
          TradingView
        </a>
      </figcaption>
    </figure>
  );
}

/**
 * The smallest difference to show for a price of this size. With a far too small step, the chart would need
 * too long to count steps.
 */
function stepFor(value: number): number {
  return 10 ** Math.max(-15, Math.floor(Math.log10(Math.max(value, Number.MIN_VALUE))) - 5);
}

function extend(drawn: Drawn, points: readonly Point[]): void {
  const last = points.at(-1);
  if (last === undefined) return;
  const minMove = stepFor(last.value);
  if (minMove !== drawn.step) {
    drawn.series.applyOptions({ priceFormat: { type: "custom", formatter: format.price, minMove } });
    drawn.step = minMove;
  }
  const added = points.filter(({ time }) => time >= drawn.time);
  // A new chart, or a page that was in the background, gets many points at once.
  if (drawn.time === 0 || added.length > 30) {
    drawn.series.setData(points.map(toData));
    drawn.chart.timeScale().fitContent();
  } else {
    for (const point of added) drawn.series.update(toData(point));
    if (points.length < 240) drawn.chart.timeScale().fitContent();
  }
  drawn.time = last.time;
}

function options() {
  return {
    autoSize: true,
    // The caption names the chart's author. The logo would need a style element, which the page's policy
    // forbids.
    layout: {
      attributionLogo: false,
      background: { type: ColorType.Solid, color: "transparent" },
      fontSize: 11,
      fontFamily: "inherit",
    },
    rightPriceScale: {
      borderVisible: false,
      entireTextOnly: true,
      scaleMargins: { top: 0.14, bottom: 0.1 },
    },
    timeScale: {
      borderVisible: false,
      timeVisible: true,
      secondsVisible: true,
      fixLeftEdge: true,
      rightOffset: 1,
      // Times have 8 characters. The first one moves to the right to stay within the chart, so the next one
      // needs room for half a time more.
      tickMarkMaxCharacterLength: 13,
    },
    grid: { vertLines: { visible: false } },
    handleScroll: false,
    handleScale: false,
    localization: {
      priceFormatter: format.price,
      timeFormatter: (time: unknown) => format.time(Number(time) * 1_000),
    },
  };
}

// Sets the theme's colours, because a canvas does not use the page's styles.
function paint({ chart, series }: Drawn, holder: HTMLElement, _theme: Theme): void {
  const style = getComputedStyle(holder);
  const of = (name: string) => style.getPropertyValue(name).trim();
  const family = style.fontFamily;
  chart.applyOptions({
    layout: { textColor: of("--chart-text"), fontFamily: family },
    grid: { horzLines: { color: of("--chart-grid") } },
    crosshair: { vertLine: { color: of("--chart-text") }, horzLine: { color: of("--chart-text") } },
  });
  series.applyOptions({
    lineColor: of("--chart-line"),
    topColor: of("--chart-top"),
    bottomColor: of("--chart-bottom"),
  });
}
