import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import type { Site } from "./site.ts";

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
 * nothing. Who deploys needs roles/billing.costsManager on the billing account.
 */
export class Budget extends pulumi.ComponentResource {
  constructor(name: string, args: BudgetArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Budget", name, {}, opts);
    const { site, amount, mailChannels } = args;
    const project = gcp.organizations.getProjectOutput({ projectId: site.project }, { parent: this });
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
      { parent: this },
    );
    this.registerOutputs({});
  }
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
