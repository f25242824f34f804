/** Settings with which tests bring up the stacks of this repository. */

/** Values of keys, by the way in which they are set. */
export interface StackSettings {
  plain: Record<string, string>;
  secret: Record<string, string>;
}

/** Prod with every optional part: the TLS entrance, mail, all alert receivers and a budget. */
export const PROD_WITH_EVERYTHING: StackSettings = {
  plain: {
    domain: "live.example.com",
    dnsZone: "example-com",
    alertEmail: "ops@example.com",
    runbookUrl: "https://example.com/docs/runbook.md",
    monthlyBudget: "400",
    "allowedOrigins[0]": "https://app.example.com",
  },
  secret: {
    alertWebhook: "https://alerts.example.com/token-that-nobody-may-see",
    alertPagerduty: "0123456789keyThatNobodyMaySee012",
    alertSlack: "https://hooks.slack.com/services/token-that-nobody-may-see",
  },
};
