import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

/** Arguments of {@link RolloutGate}. */
export interface RolloutGateArgs {
  /** Shell command that ends with 0 when the deployment works and says on stdout and stderr what does not. It must end by itself. */
  command: pulumi.Input<string>;
  /**
   * Environment of the command, beside that of the Pulumi process. All values are kept as secrets. A changed value runs the command
   * again, so nothing may be in here that changes by itself, such as a token with a time, or every preview would show an update; nor
   * limits and targets of the autoscaler, whose change is one update.
   */
  environment: Record<string, pulumi.Input<string>>;
  /** What was rolled out, for example the fleet's `stable`: the command runs after it, and again when a value changes. */
  triggers: pulumi.Input<unknown>[];
}

/**
 * Runs a test at the end of each rollout; `pulumi up` fails with it, and the next one runs it again. It changes nothing in the cloud,
 * and nothing is undone when it fails: the gateways that failed it go on running.
 */
export class RolloutGate extends pulumi.ComponentResource {
  /** What the command wrote to stdout; a secret, as it might repeat one. */
  readonly result: pulumi.Output<string>;

  /** @param name what is tested */
  constructor(name: string, args: RolloutGateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:RolloutGate", name, {}, opts);
    const test = new command.local.Command(
      `${name}-test`,
      {
        // A changed trigger replaces the resource, which runs `create`; another change runs `update`. There is nothing to delete.
        create: args.command,
        update: args.command,
        environment: Object.fromEntries(
          Object.entries(args.environment).map(([variable, value]) => [variable, pulumi.secret(value)]),
        ),
        triggers: args.triggers,
        logging: "stdoutAndStderr",
        addPreviousOutputInEnv: false, // the last rollout's output is no input of this one's test
      },
      { parent: this, additionalSecretOutputs: ["environment", "stdout", "stderr"] },
    );
    this.result = pulumi.secret(test.stdout);
    this.registerOutputs({ result: this.result });
  }
}
