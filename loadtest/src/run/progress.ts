/** Shows the progress of a run: a bar with live figures on a terminal, otherwise a line every few seconds. */

import { SingleBar } from "cli-progress";
import type { Point } from "../verdict/timeline.ts";
import type { ProgressListener } from "./run.ts";

const LINE_EVERY_SECONDS = 5; // seconds
const BAR = "{phase} {bar} {time}  {open} open  {rate}/s  p50 {p50}  p99 {p99} ms  CPU {cpu}  {faults}";

const whole = (value: number): string => Math.round(value).toLocaleString("en-US");
const ms = (value: number | undefined): string => (value === undefined ? "–" : value.toFixed(1));

function figures(point: Point, wanted: number, faults: number) {
  const missing = wanted - point.open;
  return {
    open: missing > 0 ? `${whole(point.open)} of ${whole(wanted)}` : whole(point.open),
    rate: whole(point.deliveries),
    p50: ms(point.p50),
    p99: ms(point.p99),
    cpu: point.cpuPercent === undefined ? "–" : `${whole(point.cpuPercent)} %`,
    faults: faults === 0 ? "no faults" : `${whole(faults)} faults`,
  };
}

export class Progress implements ProgressListener {
  readonly #out: NodeJS.WriteStream;
  #bar: SingleBar | undefined;
  #name = "";
  #seconds = 0;
  #lineAt = LINE_EVERY_SECONDS;

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.#out = out;
  }

  phase(name: string, seconds: number): void {
    this.end();
    this.#name = name;
    this.#seconds = Math.max(1, Math.round(seconds));
    this.#lineAt = LINE_EVERY_SECONDS;
    if (!this.#out.isTTY) return;
    this.#bar = new SingleBar({
      format: BAR,
      stream: this.#out,
      barsize: 24,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      hideCursor: true,
      linewrap: false,
      fps: 5,
    });
    this.#bar.start(this.#seconds, 0, {
      ...{ phase: name.padEnd(12), time: "", open: "0", rate: "0", p50: "–", p99: "–", cpu: "–" },
      faults: "no faults",
    });
  }

  tick(point: Point, state: { secondsOfPhase: number; wanted: number; faults: number }): void {
    const shown = figures(point, state.wanted, state.faults);
    const seconds = Math.round(state.secondsOfPhase);
    if (this.#bar !== undefined) {
      const time = `${seconds}/${this.#seconds} s`;
      this.#bar.update(Math.min(seconds, this.#seconds), { ...shown, time });
    } else if (seconds >= this.#lineAt) {
      this.#lineAt = seconds + LINE_EVERY_SECONDS;
      const { open, rate, p50, p99, cpu, faults } = shown;
      this.#out.write(
        `${this.#name}, ${seconds} s: ${open} open, ${rate} deliveries/s, p50 ${p50} ms, p99 ${p99} ms, gateway CPU ${cpu}, ${faults}\n`,
      );
    }
  }

  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
