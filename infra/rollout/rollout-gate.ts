import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

/** Arguments of {@link RolloutGate}. */
export interface RolloutGateArgs {
  /**
   * Shell command that exits with 0 when the deployment works, and that reports failures on stdout or stderr.
   * It must end by itself.
   */
  command: pulumi.Input<string>;
  /**
   * Environment variables of the command, in addition to those of the Pulumi process. All values are stored
   * as secrets. A changed value runs the command again. So no value may change by itself (a token that
   * contains a time, for example), or every preview would show an update. Limits and targets of the
   * autoscaler must not be in here either, because changing one of them must be a single update.
   */
  environment: Record<string, pulumi.Input<string>>;
  /**
   * Outputs of the rollout, for example the fleet's `stable`. The command runs after them, and again when one
   * changes.
   */
  triggers: pulumi.Input<unknown>[];
}

/**
 * Runs a test at the end of each rollout. When the test fails, `pulumi up` fails too, and the next
 * `pulumi up` runs the test again. The test changes nothing in the cloud, and a failure undoes nothing: the
 * new gateways continue to run.
 */
export class RolloutGate extends pulumi.ComponentResource {
  /** The command's stdout; it is a secret, because the output may repeat a secret. */
  readonly result: pulumi.Output<string>;

  /** @param name name of the tested thing */
  constructor(name: string, args: RolloutGateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:RolloutGate", name, {}, opts);
    const test = new command.local.Command(
      `${name}-test`,
      {
        // A changed trigger replaces the resource, which runs `create`. Any other change runs `update`. There
        // is nothing to delete.
        create: args.command,
        update: args.command,
        environment: Object.fromEntries(
          Object.entries(args.environment).map(([variable, value]) => [variable, pulumi.secret(value)]),
        ),
        triggers: args.triggers,
        logging: "stdoutAndStderr",
        addPreviousOutputInEnv: false, // the output of the previous test must not be an input of this test
      },
      { parent: this, additionalSecretOutputs: ["environment", "stdout", "stderr"] },
    );
    this.result = pulumi.secret(test.stdout);
    this.registerOutputs({ result: this.result });
  }
}
