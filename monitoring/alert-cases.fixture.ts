import type { AlertCase } from "./alert-case.fixture.ts";
import { GATEWAY_CASES } from "./alert-cases-gateway.fixture.ts";
import { MONITORING_CASES } from "./alert-cases-monitoring.fixture.ts";
import { NATS_CASES } from "./alert-cases-nats.fixture.ts";
import { SLO_CASES } from "./slo-cases.fixture.ts";

/** What makes each alert fire; several for one alert where it has several reasons. The dead man's switch has none. */
export const ALERT_CASES: readonly AlertCase[] = [
  ...GATEWAY_CASES,
  ...NATS_CASES,
  ...MONITORING_CASES,
  ...SLO_CASES,
];
