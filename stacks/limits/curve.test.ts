import assert from "node:assert/strict";
import { test } from "node:test";
import { demandAt, parseCurve, ramp } from "./curve.ts";

test("the demand follows straight lines between points, and stays the same before and after", () => {
  const curve = [
    { at: 60, connections: 100 },
    { at: 120, connections: 300 },
  ];
  assert.deepEqual(
    [0, 60, 90, 120, 500].map((at) => demandAt(curve, at)),
    [100, 100, 200, 300, 300],
  );
  assert.equal(demandAt([], 5), 0);
});

test("two points of the same time are a jump", () => {
  const jump = [
    { at: 0, connections: 1 },
    { at: 60, connections: 1 },
    { at: 60, connections: 9 },
  ];
  assert.deepEqual([demandAt(jump, 60), demandAt(jump, 61)], [1, 9]);
  assert.equal(demandAt(ramp(0, 500, 0), 0), 0);
  assert.equal(demandAt(ramp(0, 500, 0), 1), 500);
});

test("a ramp goes up, stays at least half an hour, and comes down", () => {
  const at = (minute: number) => demandAt(ramp(1000, 9000, 40), minute * 60);
  assert.deepEqual([at(0), at(20), at(40), at(80), at(100), at(120)], [1000, 5000, 9000, 9000, 5000, 1000]);
  assert.equal(demandAt(ramp(0, 10, 1), 31 * 60), 10);
});

test("a file may have a heading and empty lines", () => {
  assert.deepEqual(parseCurve("minute,connections\n0,0\r\n\n 15 , 20000\n"), [
    { at: 0, connections: 0 },
    { at: 900, connections: 20_000 },
  ]);
});

test("every wrong line is reported with its number", () => {
  const mistakes = (text: string) => {
    const read = parseCurve(text);
    return Array.isArray(read) ? [] : read.mistakes;
  };
  assert.deepEqual(mistakes("0,0\n5,many\n4,1,2\n9"), [
    "line 2 is 5,many: it must be MINUTE,CONNECTIONS, for example 15,20000",
    "line 3 is 4,1,2: it must be MINUTE,CONNECTIONS, for example 15,20000",
    "line 4 is 9: it must be MINUTE,CONNECTIONS, for example 15,20000",
  ]);
  assert.deepEqual(mistakes("5,1\n2,1"), ["line 2: minute 2 is before the line above"]);
  assert.deepEqual(mistakes("0,5"), ["there must be at least two lines of MINUTE,CONNECTIONS"]);
});
