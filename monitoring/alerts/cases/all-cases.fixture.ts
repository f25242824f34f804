import type { AlertCase } from "./alert-case.fixture.ts";
import { GATEWAY_CASES } from "./gateway.fixture.ts";
import { MONITORING_CASES } from "./monitoring.fixture.ts";
import { NATS_CASES } from "./nats.fixture.ts";
import { SLO_CASES } from "./slo.fixture.ts";

/** What makes each alert fire; several for one alert where it has several reasons. The dead man's switch has none. */
export const ALERT_CASES: readonly AlertCase[] = [
  ...GATEWAY_CASES,
  ...NATS_CASES,
  ...MONITORING_CASES,
  ...SLO_CASES,
];
