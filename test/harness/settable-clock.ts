/**
 * Loaded into a program with `--import`: each SIGUSR2 sets the program's clock by CLOCK_STEP_MS, as an
 * operator or NTP would. Timers and performance.now() are not affected, as on a real machine.
 */

const RealDate = Date;
const step = Number(process.env.CLOCK_STEP_MS);
let shift = 0;

class SettableDate extends RealDate {
  constructor(...values: [] | [number | string]) {
    if (values.length === 0) super(RealDate.now() + shift);
    else super(...values);
  }
  static override now(): number {
    return RealDate.now() + shift;
  }
}

globalThis.Date = SettableDate as DateConstructor;
process.on("SIGUSR2", () => {
  shift += step;
  process.stdout.write(`${JSON.stringify({ message: "the clock was set", shift })}\n`);
});
