/** What the checks of a rollout need: names of metrics, objectives and thresholds. */

export { JOB, METRIC, OTHER_METRIC, REFUSALS } from "./metrics.ts";
export { BURN_RATES, IN_TIME_SECONDS, SLOS } from "./slos.ts";
export { THRESHOLDS } from "./thresholds.ts";
