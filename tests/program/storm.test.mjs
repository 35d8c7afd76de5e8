// Short storms: what peers do to a program with little memory, and a broadcast to many. `tests/attacks` has the long ones. Only anonymous
// memory is looked at, as a build for development has more code than its budget knows of.
import assert from "node:assert/strict";
import { test } from "node:test";
import { measureBroadcast, measureStorm } from "../attacks/kinds/storm.mjs";

/** What of the program's own part is code, in MiB. */
const CODE_MIB = 7;

const assertBudget = ({ anonMib, worstMib }) => assert.ok(anonMib <= worstMib - CODE_MIB, `${anonMib} of ${worstMib} MiB`);

test("with 24 MiB a storm of all kinds leaves a healthy client alone, and nothing behind", async (t) => {
  const figures = await measureStorm(t, { seconds: 4, limitSeconds: 30 });
  t.diagnostic(JSON.stringify(figures));
  assertBudget(figures);
  assert.equal(figures.dropped, 0);
  assert.ok(figures.answers >= 200, `${figures.answers} answers`);
  assert.equal(figures.leftDescriptors, 0);
});

test("a broadcast storm reaches all who read, with the newest of every session", async (t) => {
  const figures = await measureBroadcast(t, { clients: 200, events: 60 });
  t.diagnostic(JSON.stringify(figures));
  assertBudget(figures);
  assert.ok(figures.fewest >= 1, `${figures.fewest} of the events`);
  assert.equal(figures.stale, 0);
});
