/**
 * Loaded into a gateway with `--import`: SIGUSR2 sets its clock by CLOCK_STEP_MS, and the next SIGUSR2 sets
 * it back. Timers and performance.now() are not affected, as on a real machine.
 */

const RealDate = Date;
const step = Number(process.env.CLOCK_STEP_MS);
let shift = 0;

class ShiftedDate extends RealDate {
  constructor(...values: [] | [number | string]) {
    if (values.length === 0) super(RealDate.now() + shift);
    else super(...values);
  }
  static override now(): number {
    return RealDate.now() + shift;
  }
}

globalThis.Date = ShiftedDate as DateConstructor;
process.on("SIGUSR2", () => {
  shift = shift === 0 ? step : 0;
});
