import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import type { Site } from "../site.ts";
import { enableApis } from "./services.ts";

const BUDGET_APIS = ["billingbudgets.googleapis.com", "cloudbilling.googleapis.com"];

/** Arguments of {@link Budget}. */
export interface BudgetArgs {
  site: Site;
  /** Amount for the whole project per month, in whole units of the billing account's currency. */
  amount: number;
  /**
   * Full names of notification channels that send mail, at most 5. The billing account's administrators get
   * mail too, also when this list is empty.
   */
  mailChannels: pulumi.Input<string>[];
}

/**
 * Sends mail when the project's costs of this month reach 50, 90 and 100 % of an amount, and when they are
 * forecast to reach 100 %. A budget stops nothing. An account that deploys the budget needs
 * roles/billing.costsManager on the billing account. An account that deploys or only previews the budget
 * needs roles/serviceusage.serviceUsageConsumer in the project.
 */
export class Budget extends pulumi.ComponentResource {
  constructor(name: string, args: BudgetArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Budget", name, {}, opts);
    const { site, amount, mailChannels } = args;
    // A new project has these APIs disabled, and its billing account cannot be looked up before they are
    // enabled. They are enabled here and not together with the other APIs, so the lookup waits for these APIs
    // only: an API that is added to the others later does not make the billing account look unknown in a
    // preview.
    const apis = enableApis(name, site, BUDGET_APIS, this);
    // The budgets API must know which project's quota a call uses, and the login of a person does not contain
    // a project: without these settings the API answers 403 "requires a quota project".
    const provider = new gcp.Provider(
      name,
      {
        ...inherited(),
        project: site.project,
        region: site.region,
        userProjectOverride: true,
        billingProject: site.project,
      },
      // Without `ignoreChanges`, the zone would come from the environment variables of the person who deploys
      // (the SDK's default).
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
        // The rule needs at least one recipient. Without the rule, the administrators of the billing account
        // still get mail.
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
 * The stack's `gcp:` configuration: credentials, impersonation, endpoints. An explicit provider does not get
 * this configuration by itself. All values are marked as secrets, because one of them may be an access token.
 */
function inherited(): gcp.ProviderArgs {
  const own = Object.entries(pulumi.runtime.allConfig()).filter(([key]) => /^gcp:\w+$/.test(key));
  const typed = (text: string): unknown => (/^(true|false|[[{].*)$/s.test(text) ? JSON.parse(text) : text);
  return Object.fromEntries(own.map(([key, text]) => [key.slice("gcp:".length), pulumi.secret(typed(text))]));
}

/**
 * Returns the billing account of a project.
 * @throws RunError when the project has no billing account
 */
export function billingAccountOf(project: string, account: string | undefined): string {
  if (account) return account;
  throw new pulumi.RunError(
    `Project ${project} has no billing account, so it cannot have a budget: link one (gcloud billing projects link ${project} --billing-account ACCOUNT), or set monthlyBudget to 0.`,
  );
}
