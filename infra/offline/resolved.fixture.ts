import * as pulumi from "@pulumi/pulumi";

/** What an output, or a value with outputs in it, comes to; for tests. */
export function resolved<Value>(value: pulumi.Input<Value>): Promise<pulumi.Unwrap<Value>> {
  const output = pulumi.output(value) as pulumi.Output<pulumi.Unwrap<Value>>;
  return new Promise((resolve) => {
    output.apply(resolve);
  });
}
