import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import type { Site } from "../site.ts";
import { enableApis } from "./services.ts";

const BUDGET_APIS = ["billingbudgets.googleapis.com", "cloudbilling.googleapis.com"];

/** Arguments of {@link Budget}. */
export interface BudgetArgs {
  site: Site;
  /** For the whole project in a month, in whole units of the billing account's currency. */
  amount: number;
  /** Full names of notification channels that send mail, at most 5, besides the billing account's administrators. None: only these. */
  mailChannels: pulumi.Input<string>[];
}

/**
 * Says when the project's costs of this month reach 50, 90 and 100 % of an amount, and when they are going to reach it. It stops
 * nothing. Who deploys needs roles/billing.costsManager on the billing account and, with whoever only looks,
 * roles/serviceusage.serviceUsageConsumer in the project.
 */
export class Budget extends pulumi.ComponentResource {
  constructor(name: string, args: BudgetArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Budget", name, {}, opts);
    const { site, amount, mailChannels } = args;
    // A new project has these APIs off, and who pays for it cannot be asked before. Enabled here rather than with all the others: the
    // question waits for these only, and an API that is added later does not make the billing account look unknown.
    const apis = enableApis(name, site, BUDGET_APIS, this);
    // The budgets API wants to know whose quota a call is, and a person's login does not say it: 403 "requires a quota project".
    const provider = new gcp.Provider(
      name,
      {
        ...inherited(),
        project: site.project,
        region: site.region,
        userProjectOverride: true,
        billingProject: site.project,
      },
      // Otherwise the SDK's default: what the shell of whoever deploys says.
      { parent: this, ignoreChanges: ["zone"] },
    );
    const project = gcp.organizations.getProjectOutput(
      { projectId: site.project },
      { parent: this, provider, dependsOn: apis },
    );
    new gcp.billing.Budget(
      name,
      {
        billingAccount: project.billingAccount.apply((account) => billingAccountOf(site.project, account)),
        displayName: `${site.prefix} month`,
        amount: { specifiedAmount: { units: String(amount) } },
        budgetFilter: {
          projects: [pulumi.interpolate`projects/${project.number}`],
          calendarPeriod: "MONTH",
        },
        thresholdRules: [
          { thresholdPercent: 0.5, spendBasis: "CURRENT_SPEND" },
          { thresholdPercent: 0.9, spendBasis: "CURRENT_SPEND" },
          { thresholdPercent: 1, spendBasis: "CURRENT_SPEND" },
          { thresholdPercent: 1, spendBasis: "FORECASTED_SPEND" },
        ],
        // The rule needs a recipient; without it the administrators of the billing account get mail all the same.
        ...(mailChannels.length === 0
          ? {}
          : { allUpdatesRule: { monitoringNotificationChannels: mailChannels } }),
      },
      { parent: this, provider },
    );
    this.registerOutputs({});
  }
}

/**
 * The stack's `gcp:` configuration, of which a provider of one's own gets nothing by itself: credentials, impersonation, endpoints. All of
 * it as secrets, since an access token may be among it.
 */
function inherited(): gcp.ProviderArgs {
  const own = Object.entries(pulumi.runtime.allConfig()).filter(([key]) => /^gcp:\w+$/.test(key));
  const typed = (text: string): unknown => (/^(true|false|[[{].*)$/s.test(text) ? JSON.parse(text) : text);
  return Object.fromEntries(own.map(([key, text]) => [key.slice("gcp:".length), pulumi.secret(typed(text))]));
}

/**
 * The account that pays for a project, of what the project says.
 * @throws RunError when nobody pays
 */
export function billingAccountOf(project: string, account: string | undefined): string {
  if (account) return account;
  throw new pulumi.RunError(
    `Project ${project} has no billing account, so it cannot have a budget: link one (gcloud billing projects link ${project} --billing-account ACCOUNT), or set monthlyBudget to 0.`,
  );
}
